"""What a preview shows of each rule: the figures behind it, whether it passed or failed."""

from collections.abc import Mapping

from customer_identity.merging.rules import Figure
from merge_engine.plan_file import (
    ActorRule,
    BlockIfExists,
    BothPresentRule,
    ColumnOf,
    Condition,
    DiffersRule,
    Exists,
    ExistsRule,
    FlagRule,
    MismatchRule,
    OneOf,
    Plan,
    PythonRule,
    RulePlan,
    Scalar,
    SystemFlagRule,
    TwoPeople,
)
from merge_engine.plan_file.parts import Above, Below, Not, Present, WithinDays
from merge_engine.statements.facts import Facts


class Figures:
    """Collects the figures of rules; they are read for previews only, never when merging."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def of(self, rule: RulePlan) -> tuple[Figure, ...]:
        """The figures of a rule that the plan declares; none for a rule that looks at no customer."""
        match rule:
            case ExistsRule():
                return (self._rows(rule.exists),)
            case FlagRule():
                return self.of_column(rule.flag.column)
            case SystemFlagRule():
                label = _rows_label(rule.flag.table, rule.flag.where)
                return (Figure(label=label, position=self._facts.system(rule.flag)),)
            case MismatchRule():
                by = rule.mismatch.by
                if by is None:
                    return (self._values(rule.mismatch),)
                label = f"{rule.mismatch.table}: {rule.mismatch.column} by {by}"
                return (Figure(label=label, position=self._facts.values_by(rule.mismatch, by)),)
            case DiffersRule():
                return (self._values(rule.differs),)
            case BothPresentRule():
                both = rule.both_present
                if both.table is None:
                    return self.of_column(both.column or "")
                rows = Exists(table=both.table, where=both.where, customer=both.customer, tenant=both.tenant)
                return (self._rows(rows),)
            case ActorRule():
                when = rule.when
                if when is None:
                    return ()
                if when.flag is not None:
                    return self.of_column(when.flag.column)
                return () if when.exists is None else (self._rows(when.exists),)
            case PythonRule():
                named = [ColumnOf(column=fact) if isinstance(fact, str) else fact for fact in rule.facts]
                return tuple(self._values(fact) for fact in named)
            case _:
                return ()

    def of_child(self, child: BlockIfExists) -> tuple[Figure, ...]:
        """How many rows of the child there are."""
        return (Figure(label=_rows_label(child.table, child.where), position=self._facts.count_in(child)),)

    def of_threshold(self, threshold: TwoPeople, plan: Plan) -> Figure:
        """What a threshold for two people is about."""
        if threshold.sum is not None:
            source = threshold.sum
            label = source.column if source.table is None else f"{source.column} of {source.table}"
            label += _where(source.where)
            return Figure(label=label, position=self._facts.total(source))
        counted = threshold.counted(plan.children)
        label = _rows_label(counted.table, counted.where) if isinstance(counted, Exists) else "rows that move"
        return Figure(label=label, position=self._facts.rows_up_to(counted, int(threshold.above) + 1))

    def of_column(self, column: str) -> tuple[Figure, ...]:
        """What a column of the customer holds."""
        return (Figure(label=column, position=self._facts.column(column)),)

    def _rows(self, rows: Exists) -> Figure:
        return Figure(label=_rows_label(rows.table, rows.where), position=self._facts.count(rows))

    def _values(self, source: ColumnOf) -> Figure:
        label = source.column if source.table is None else f"{source.table}: {source.column}"
        return Figure(label=label, position=self._facts.values(source))


def _rows_label(table: str, where: Mapping[str, Condition]) -> str:
    return f"rows of {table}{_where(where)}"


def _where(conditions: Mapping[str, Condition]) -> str:
    words = ", ".join(f"{column} {in_words(condition)}" for column, condition in conditions.items())
    return f" where {words}" if words else ""


def in_words(condition: Condition) -> str:
    """A condition on a column as a person reads it."""
    match condition:
        case OneOf():
            return f"is {' or '.join(_word(value) for value in condition.one_of)}"
        case Not():
            others = condition.not_ if isinstance(condition.not_, tuple) else (condition.not_,)
            return f"is not {' or '.join(_word(value) for value in others)}"
        case Above():
            return f"is above {condition.above}"
        case Below():
            return f"is below {condition.below}"
        case WithinDays():
            return f"lies within {condition.within_days} days"
        case Present():
            return "is given" if condition.present else "is empty"
        case _:
            return f"is {_word(condition)}"


def _word(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
