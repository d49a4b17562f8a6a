"""The rules of a plan: those it declares, those its children and fields bring with them, and those of every merge."""

import importlib
import zoneinfo
from collections.abc import Iterator, Mapping
from typing import Any

from customer_identity.merging import Side, checks
from customer_identity.merging.approvers import TWO_PEOPLE_REQUIRED, needing_two
from customer_identity.merging.identity_pack import IDENTITY_PACK
from customer_identity.merging.month_end import month_end_window
from customer_identity.merging.roles import PROTECTED_DATA
from customer_identity.merging.rules import Check, Figure, FixedBy, Rule
from merge_engine.faults import PlanError
from merge_engine.plan_file import (
    ActorRule,
    BlockIfExists,
    BothPresent,
    BothPresentRule,
    CalendarRule,
    ColumnOf,
    DiffersRule,
    Exists,
    ExistsRule,
    FlagRule,
    MismatchRule,
    PackRule,
    Plan,
    PythonRule,
    RepointUnique,
    RulePlan,
    SystemFlagRule,
    TwoPeople,
    pack_rule,
)
from merge_engine.statements.facts import Facts
from merge_engine.statements.figures import Figures


def rules_of(plan: Plan, facts: Facts, figures: Facts) -> Iterator[Rule]:
    """All rules, in the order in which they are reported."""
    yield from IDENTITY_PACK
    shown = Figures(figures)
    for rule in plan.rules:
        yield _declared(rule, facts, shown)
    for child in plan.children:
        if isinstance(child, BlockIfExists):
            yield _blocking(child, facts, shown)
        elif isinstance(child, RepointUnique) and child.collision.policy == "block":
            yield _colliding(child, facts)
    yield from _protecting(plan, facts, shown)
    yield from _provided(plan, facts)
    yield from _two_people(plan, facts, shown)


def _declared(rule: RulePlan, facts: Facts, shown: Figures) -> Rule:
    check, trigger = _check(rule, facts)
    fixed_by = rule.fixed_by
    return Rule(
        name=rule.rule,
        side=rule.side,
        check=check,
        message=rule.message,
        remediation=rule.remediation,
        field=rule.field or _own_column(rule),
        severity=rule.severity,
        permanent=rule.permanent,
        waivable_by=rule.waivable_by,
        cleared_by_reason=rule.cleared_by_reason,
        fixed_by=None
        if fixed_by is None
        else FixedBy(field=fixed_by.field, facilitator=fixed_by.facilitator is True, rows=fixed_by.rows),
        trigger=trigger,
        figures=shown.of(rule),
        conversion=rule.conversion,
    )


def _own_column(rule: RulePlan) -> str | None:
    """The customer's column that a rule compares: the field that it is about."""
    match rule:
        case MismatchRule() if rule.mismatch.table is None:
            return rule.mismatch.column
        case DiffersRule() if rule.differs.table is None:
            return rule.differs.column
        case _:
            return None


def _check(rule: RulePlan, facts: Facts) -> tuple[Check, int | None]:
    """The check of a rule, and the fact without which it finds nothing."""
    match rule:
        case ExistsRule():
            fact = facts.exists(rule.exists)
            return checks.flagged(rule.side, fact), fact
        case FlagRule():
            fact = facts.flag(rule.flag)
            return checks.flagged(rule.side, fact), fact
        case SystemFlagRule():
            fact = facts.system(rule.flag)
            return checks.system_flagged(fact), fact
        case CalendarRule():
            window = rule.calendar
            zone = zoneinfo.ZoneInfo(window.time_zone)
            return checks.in_window(month_end_window(window.last_days, window.first_days, zone)), None
        case MismatchRule():
            by = rule.mismatch.by
            if by is not None:
                fact = facts.values_by(rule.mismatch, by)
                return checks.mismatching_by(fact), fact
            return checks.mismatching(facts.values(rule.mismatch)), None
        case DiffersRule():
            fact = facts.values(rule.differs)
            return (checks.differing if rule.differs.table is None else checks.differing_lists)(fact), None
        case BothPresentRule():
            fact = _both(rule.both_present, facts)
            return checks.both_flagged(fact), fact
        case ActorRule():
            when = None if rule.when is None else _when(rule, facts)
            return checks.lacking_role(rule.needs_role, when), when
        case PythonRule():
            return checks.finding(rule.side, _function(rule), _python_facts(rule, facts)), None


def _both(both: BothPresent, facts: Facts) -> int:
    if both.table is not None:
        rows = Exists(table=both.table, where=both.where, customer=both.customer, tenant=both.tenant)
        return facts.exists(rows)
    column = both.column or ""
    return facts.present(column) if both.within_days is None else facts.recent(column, both.within_days)


def _when(rule: ActorRule, facts: Facts) -> int | None:
    if rule.when is None:
        return None
    if rule.when.exists is not None:
        return facts.exists(rule.when.exists)
    return None if rule.when.flag is None else facts.flag(rule.when.flag)


def _function(rule: PythonRule) -> checks.RuleFunction:
    module_name, _, name = rule.python.partition(":")
    try:
        function: Any = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise PlanError(f"rule {rule.rule}: {rule.python} cannot be imported: {error}") from error
    if not callable(function):
        raise PlanError(f"rule {rule.rule}: {rule.python} is no function")
    found: checks.RuleFunction = function
    return found


def _python_facts(rule: PythonRule, facts: Facts) -> Mapping[str, int]:
    """By name: a column by its own, a table's column as schema.table.column."""
    named = [ColumnOf(column=fact) if isinstance(fact, str) else fact for fact in rule.facts]
    return {fact.column if fact.table is None else f"{fact.table}.{fact.column}": facts.values(fact) for fact in named}


def _blocking(child: BlockIfExists, facts: Facts, shown: Figures) -> Rule:
    """A rule that is named in a pack looks where the pack says; any other at the loser, whose rows cannot follow."""
    packed = pack_rule(child.rule)
    side = Side.LOSER if packed is None else packed.side
    given = child.model_fields_set
    fact = facts.exists_in(child)
    return Rule(
        name=child.rule,
        side=side,
        check=checks.flagged(side, fact),
        message=child.message if packed is None or "message" in given else packed.message,
        remediation=child.remediation if packed is None or "remediation" in given else packed.remediation,
        permanent=child.permanent if packed is None else packed.permanent,
        trigger=fact,
        figures=shown.of_child(child),
        conversion=packed is not None and packed.conversion,
    )


def _colliding(child: RepointUnique, facts: Facts) -> Rule:
    fact = facts.places(child)
    columns = ", ".join(child.unique)
    return Rule(
        name="ROWS_COLLIDE",
        side=Side.PAIR,
        check=checks.overlapping(fact),
        message=f"the customers have rows in {child.table} that cannot stand beside each other ({columns})",
        remediation="remove or change one of the rows",
        field=child.table,
        trigger=fact,
    )


def _protecting(plan: Plan, facts: Facts, shown: Figures) -> Iterator[Rule]:
    """Protected fields never move silently: they stay behind loudly, or somebody with the role decides them."""
    protected = [name for name, field in plan.fields.items() if field.protected]
    if not protected:
        return
    for field in protected:
        packed = _known("PROTECTED_ATTRIBUTE_NOT_COPIED")
        fact = facts.column(field)
        yield _packed(packed, checks.left_behind(field, fact), field=field, figures=shown.of_column(field))
    packed = _known("PROTECTED_DATA_PERMISSION_MISSING")
    yield _packed(packed, checks.choosing_without_role(PROTECTED_DATA, frozenset(protected)))


def _provided(plan: Plan, facts: Facts) -> Iterator[Rule]:
    """Rules whose facts are in the engine's own tables, and the type of customers.

    Nobody is merged who was erased, or is about to be, whatever packs the plan names.
    """
    kind = plan.customer.type
    if kind is not None and not any(rule.rule == "ENTITY_TYPE_MISMATCH" for rule in plan.rules):
        yield _packed(_known("ENTITY_TYPE_MISMATCH"), checks.differing(facts.column(kind.column)))
    for name, fact in (("ERASED", facts.erased()), ("ERASURE_PENDING", facts.erasing())):
        yield _packed(_known(name), checks.known_of(Side.EITHER, fact), trigger=fact)
    if "retail" in plan.packs:
        fact = facts.requests()
        yield _packed(_known("MERGE_ALREADY_PENDING"), checks.overlapping_requests(fact), trigger=fact)
    # Rows that go back must not meet others on their way, whatever the plan. Those that move on may, unless it says so.
    fact = facts.moving() if "commerce" in plan.packs else facts.going_back()
    yield _packed(_known("MERGE_IN_PROGRESS"), checks.flagged(Side.EITHER, fact), trigger=fact)


def _two_people(plan: Plan, facts: Facts, shown: Figures) -> Iterator[Rule]:
    """One rule a threshold, which says what it is about."""
    for threshold in plan.two_people:
        fact = _number(plan, threshold, facts)
        figure = shown.of_threshold(threshold, plan)
        yield Rule(
            name=TWO_PEOPLE_REQUIRED,
            side=Side.ACTOR,
            check=needing_two(fact, threshold.above, of_losers=threshold.sum is None),
            message=f"{figure.label} above {threshold.above}: no two people approved this",
            remediation="have it approved by another person, too, and send it with both approvals",
            trigger=fact,
            figures=(figure,),
        )


def _number(plan: Plan, threshold: TwoPeople, facts: Facts) -> int:
    if threshold.sum is not None:
        return facts.total(threshold.sum)
    return facts.rows_up_to(threshold.counted(plan.children), int(threshold.above) + 1)


def _packed(
    packed: PackRule,
    check: Check,
    *,
    field: str | None = None,
    trigger: int | None = None,
    figures: tuple[Figure, ...] = (),
) -> Rule:
    return Rule(
        name=packed.rule,
        side=packed.side,
        check=check,
        message=packed.message,
        remediation=packed.remediation,
        field=field or packed.field,
        severity=packed.severity,
        permanent=packed.permanent,
        waivable_by=packed.waivable_by,
        trigger=trigger,
        figures=figures,
        conversion=packed.conversion,
    )


def _known(name: str) -> PackRule:
    packed = pack_rule(name)
    if packed is None:
        raise PlanError(f"no pack has the rule {name}")
    return packed
