"""Rows of a child table, as statements name them: whose a row is, and which row it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from merge_engine.plan_file import (
    Above,
    Below,
    Child,
    Condition,
    Not,
    OneOf,
    Part,
    Present,
    Scalar,
    SumIntoWinner,
    WithinDays,
)
from merge_engine.statements.names import Names, identifier, literal, table


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRows:
    """One entry of a plan's children. Column names are quoted.

    `label` names the entry in the journal: the table, after it the customer column where it is not called like the key
    of the customer table, and what the rows satisfy. `ids` are the columns that tell the rows of one customer apart:
    the columns that say whose a row is are left out, for they change.
    """

    name: str
    label: str
    rows: str
    tenant: str | None
    key: str
    key_name: str
    key_cast: str
    ids: tuple[str, ...]
    conditions: tuple[tuple[str, Condition], ...]

    @classmethod
    def of(cls, child: Child, names: Names) -> "ChildRows":
        """Quote the names of a child."""
        key_name = child.customer or names.key_name
        tenant = names.tenant if child.tenant is None else identifier(child.tenant) if child.tenant else None
        tenant = None if names.tenant is None else tenant
        columns = () if isinstance(child, SumIntoWinner) else child.row_id_columns  # one row a customer
        return cls(
            name=child.table,
            label=_label(child, names),
            rows=table(child.table),
            tenant=tenant,
            key=identifier(key_name),
            key_name=key_name,
            key_cast="" if child.customer_type in (None, names.key_type) else f"::{child.customer_type}",
            ids=tuple(
                quoted for column in columns if (quoted := identifier(column)) not in {tenant, identifier(key_name)}
            ),
            conditions=tuple((identifier(column), condition) for column, condition in child.where.items()),
        )

    def owned(self, alias: str, tenant: str, key: str, *, by_index: bool = True) -> str:
        """The condition that a row is this customer's; `tenant` and `key` are expressions of the key's types.

        Without `by_index` no index over the customer serves it: for rows that are to be found otherwise.
        """
        owner = [] if self.tenant is None else [f"{alias}.{self.tenant} = {tenant}"]
        owner.append(f"{alias}.{self.key} {'=' if by_index else 'IS NOT DISTINCT FROM'} {self.of_type(key)}")
        return " AND ".join((*owner, *self._where(alias)))

    def nobody(self, alias: str, tenant: str) -> str:
        """The condition that a row's customer was cleared."""
        owner = [] if self.tenant is None else [f"{alias}.{self.tenant} = {tenant}"]
        return " AND ".join((*owner, f"{alias}.{self.key} IS NULL", *self._where(alias)))

    def where(self, alias: str) -> str:
        """The condition that a row is some customer's."""
        return " AND ".join(self._where(alias)) or "TRUE"

    def of_type(self, key: str) -> str:
        """A key of the customer table in the type of this table's column."""
        return f"{key}{self.key_cast}"

    def id_text(self, alias: str) -> str:
        """The row's id as the journal keeps it: text, or a JSON list where the id has several columns."""
        if len(self.ids) == 1:
            return f"{alias}.{self.ids[0]}::text"
        return f"jsonb_build_array({', '.join(f'{alias}.{column}' for column in self.ids)})::text"

    def id_in(self, alias: str, parameter: str) -> str:
        """The condition that the row's id is in a bound array literal; holds for one customer's rows only."""
        if len(self.ids) == 1:
            # The literal takes the column's own type, so that its index is used.
            return f"{alias}.{self.ids[0]} = ANY(%({parameter})s)"
        return f"{self.id_text(alias)} = ANY(%({parameter})s::text[])"

    def id_columns(self, alias: str) -> str:
        """The id as columns id_0, id_1, … of a select list, each with a comma before it."""
        return "".join(f", {alias}.{column} AS id_{place}" for place, column in enumerate(self.ids))

    def same_id(self, alias: str, other: str) -> str:
        """The condition that a row has the id that `id_columns` selected; holds for one customer's rows only."""
        same = [f"{alias}.{column} = {other}.id_{place}" for place, column in enumerate(self.ids)]
        return " AND ".join(same) or "TRUE"

    def order(self, alias: str) -> str:
        """What orders the rows of one customer, with a comma before it."""
        return "".join(f", {alias}.{column}" for column in self.ids)

    def journal_name(self) -> str:
        """The label as a constant."""
        return literal(self.label)

    def journalled(self, schema: str, alias: str, merge_id: str, owner: str, action: str) -> str:
        """The condition that the journal of a merge names this row of `owner` (text)."""
        return (
            f"EXISTS (SELECT 1 FROM {schema}.journal k WHERE k.merge_id = {merge_id} "
            f"AND k.table_name = {self.journal_name()} AND k.action = '{action}' AND k.from_id = {owner} "
            f"AND {self.id_text(alias)} = ANY(k.row_ids))"
        )

    def _where(self, alias: str) -> list[str]:
        return [row_condition(f"{alias}.{column}", condition) for column, condition in self.conditions]


def _label(child: Child, names: Names) -> str:
    label = child.table if child.customer in {None, names.key_name} else f"{child.table}.{child.customer}"
    if child.where:
        conditions = (
            f"{column}={condition.model_dump_json(by_alias=True) if isinstance(condition, Part) else condition}"
            for column, condition in child.where.items()
        )
        label += f"[{', '.join(conditions)}]"
    return label


def belongs(names: Names, children: Sequence[Child], alias: str, tenant: str, key: str) -> str:
    """The condition that a row of a table is the customer's by any of the table's entries in the plan.

    Without an entry the columns are those of the customer table.
    """
    if not children:
        return Names.matches(alias, names.tenant, names.key, tenant, key)
    ways = [ChildRows.of(child, names).owned(alias, tenant, key) for child in children]
    return ways[0] if len(ways) == 1 else f"({' OR '.join(f'({way})' for way in ways)})"


def row_condition(column: str, condition: Condition) -> str:
    """A condition on a column as SQL, with its values as constants: it is part of what the table is."""
    match condition:
        case bool():
            return f"{column} IS {'TRUE' if condition else 'FALSE'}"
        case int() | str():
            # The constant takes the column's own type, so that its index is used.
            return f"{column} = {literal(str(condition))}"
        case OneOf():
            return f"lower({column}::text) IN ({_constants(condition.one_of)})"
        case Not():
            others = condition.not_ if isinstance(condition.not_, tuple) else (condition.not_,)
            return f"coalesce(lower({column}::text) NOT IN ({_constants(others)}), TRUE)"
        case Above():
            return f"{column} > {condition.above!r}"
        case Below():
            return f"{column} < {condition.below!r}"
        case Present():
            return f"(nullif(btrim({column}::text), '') IS NOT NULL) = {condition.present}"
        case WithinDays():
            return f"{column} >= clock_timestamp() - make_interval(days => {condition.within_days})"


def _constants(values: Sequence[Scalar]) -> str:
    return ", ".join(literal(str(value).lower()) for value in values)
