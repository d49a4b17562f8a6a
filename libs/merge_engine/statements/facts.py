"""The facts that a policy asks for, as columns of one statement: one row a member, one column a fact."""

from collections.abc import Mapping, Sequence

from merge_engine.plan_file import (
    BlockIfExists,
    Child,
    ColumnOf,
    Condition,
    Exists,
    Flag,
    Mismatch,
    Plan,
    Present,
    RepointUnique,
    SystemFlag,
    WithinDays,
)
from merge_engine.statements.names import Names, identifier, table
from merge_engine.statements.owners import ChildRows, belongs, row_condition


class Facts:
    """Collects facts while a policy is compiled; equal facts share one position."""

    def __init__(self, plan: Plan, names: Names) -> None:
        self._plan = plan
        self._names = names
        self._positions: dict[str, int] = {}
        self._column_names: dict[int, str] = {}

    @property
    def columns(self) -> tuple[str, ...]:
        """The SQL expressions over the customer row `c` and its place in the map `m`, by position."""
        return tuple(self._positions)

    def column(self, column: str) -> int:
        """The column itself."""
        position = self._position(f"c.{identifier(column)}")
        self._column_names[position] = column
        return position

    def first_columns(self) -> tuple[str, ...]:
        """The names of the facts so far, as long as they are columns of the customer."""
        return tuple(self._column_names[position] for position in range(len(self._column_names)))

    def flag(self, flag: Flag) -> int:
        """Whether the column satisfies the condition."""
        return self._position(row_condition(f"c.{identifier(flag.column)}", flag.equals))

    def present(self, column: str) -> int:
        """Whether the column holds something."""
        return self._position(row_condition(f"c.{identifier(column)}", Present(present=True)))

    def recent(self, column: str, days: int) -> int:
        """Whether the time column lies within the last days."""
        return self._position(row_condition(f"c.{identifier(column)}", WithinDays(within_days=days)))

    def exists(self, exists: Exists) -> int:
        """Whether the customer has such rows."""
        return self._position(f"EXISTS (SELECT 1 FROM {self._rows(exists)})")

    def exists_in(self, child: BlockIfExists) -> int:
        """Whether the customer has rows of that child."""
        return self._position(f"EXISTS (SELECT 1 FROM {self._rows_in(child)})")

    def values(self, source: ColumnOf) -> int:
        """The values of a column: one of the customer's own, or a list from a table."""
        if source.table is None:
            return self.column(source.column)
        column = f"x.{identifier(source.column)}"
        return self._position(
            f"(SELECT array_agg(DISTINCT {column}::text) FROM {self._rows_of(source)} AND {column} IS NOT NULL)"
        )

    def values_by(self, source: Mismatch, by: str) -> int:
        """The values of a column of a table with their keys: a list of [key, value]."""
        key, column = f"x.{identifier(by)}", f"x.{identifier(source.column)}"
        return self._position(
            f"(SELECT array_agg(DISTINCT ARRAY[{key}::text, {column}::text]) FROM {self._rows_of(source)} "
            f"AND {key} IS NOT NULL AND {column} IS NOT NULL)"
        )

    def places(self, child: RepointUnique) -> int:
        """The places that the rows of a child take, by its unique columns."""
        columns = [f"x.{identifier(column)}" for column in child.unique]
        owned = ChildRows.of(child, self._names).owned("x", *self._owner())
        # Where something is missing, rows do not meet. A table with one row a customer has one place.
        present = " AND ".join(f"{column} IS NOT NULL" for column in columns) or "TRUE"
        return self._position(
            f"(SELECT array_agg(DISTINCT jsonb_build_array({', '.join(columns)})::text) "
            f"FROM {table(child.table)} x WHERE {owned} AND {present})"
        )

    def system(self, flag: SystemFlag) -> int:
        """Whether the system, or the customer's tenant, has such a row."""
        conditions = self._conditions(flag.where)
        if flag.per is not None:
            column = self._names.tenant if flag.tenant is None else identifier(flag.tenant)
            conditions = [f"x.{column} = c.{self._names.tenant}", *conditions]
        return self._position(f"EXISTS (SELECT 1 FROM {table(flag.table)} x WHERE {' AND '.join(conditions)})")

    def requests(self) -> int:
        """Open requests that name the customer: a list of [command id, winner id, status, when it came].

        A request that waits for another command holds nobody up, nor does a recommendation that was followed.
        """
        return self._position(
            "(SELECT array_agg(ARRAY[r.command_id, r.command->>'winner_id', r.status, "
            "to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US+00:00')]) "
            f"FROM {self._names.schema}.requests r WHERE r.tenant_id = m.tenant_id "
            "AND r.customer_ids @> ARRAY[m.customer_id] "
            "AND r.status IN ('recommended', 'approved', 'deferred') AND r.approved_as IS NULL "
            "AND NOT 'after_command_id' = ANY(r.waiting_for))"
        )

    def moving(self) -> int:
        """Whether rows of an earlier merge of the customer still move."""
        return self._position(
            f"EXISTS (SELECT 1 FROM {self._names.schema}.moving_customers v "
            "WHERE v.tenant_id = m.tenant_id AND v.customer_id = m.customer_id)"
        )

    def going_back(self) -> int:
        """Whether rows of a merge of the customer, which is being taken apart, go back."""
        under_way = f"FROM {self._names.schema}.large_unmerges v WHERE v.state IN ('RETURNING', 'TURNED_BACK')"
        # The first question is asked once for all customers, and nearly always answers it.
        return self._position(
            f"((SELECT EXISTS (SELECT 1 {under_way})) "
            f"AND EXISTS (SELECT 1 {under_way} AND v.tenant_id = m.tenant_id AND v.root_id = m.root_id))"
        )

    def erased(self) -> int:
        """Whether the customer was erased."""
        return self._position(
            f"EXISTS (SELECT 1 FROM {self._names.schema}.erased v "
            "WHERE v.tenant_id = m.tenant_id AND v.customer_id = m.customer_id)"
        )

    def erasing(self) -> int:
        """Whether the customer's erasure waits for something."""
        return self._position(
            f"EXISTS (SELECT 1 FROM {self._names.schema}.erasures v WHERE v.tenant_id = m.tenant_id "
            "AND v.customer_id = m.customer_id AND v.state IN ('WAITING', 'CONFIRMED'))"
        )

    def count(self, exists: Exists) -> int:
        """How many such rows the customer has."""
        return self._position(f"(SELECT count(*) FROM {self._rows(exists)})")

    def count_in(self, child: BlockIfExists) -> int:
        """How many rows of that child the customer has."""
        return self._position(f"(SELECT count(*) FROM {self._rows_in(child)})")

    def total(self, source: ColumnOf) -> int:
        """The number in a column of the customer, or the sum of a column over rows of a table; 0 where none is."""
        if source.table is None:
            return self._position(f"coalesce(c.{identifier(source.column)}, 0)")
        return self._position(f"coalesce((SELECT sum(x.{identifier(source.column)}) FROM {self._rows_of(source)}), 0)")

    def rows_up_to(self, rows: Exists | Sequence[Child], limit: int) -> int:
        """How many such rows, or rows of these children, the customer has; counted to the limit and no further."""
        sources = [self._rows(rows)] if isinstance(rows, Exists) else [self._rows_in(child) for child in rows]
        selects = " UNION ALL ".join(f"SELECT 1 FROM {source}" for source in sources)
        return self._position(f"(SELECT count(*) FROM ({selects} LIMIT {limit}) AS r)")

    def _rows_in(self, child: Child) -> str:
        owned = ChildRows.of(child, self._names).owned("x", *self._owner())
        return f"{table(child.table)} x WHERE {owned}"

    def _rows(self, exists: Exists) -> str:
        owned = self._owned(exists.table, exists.customer, exists.tenant)
        return f"{table(exists.table)} x WHERE {' AND '.join((owned, *self._conditions(exists.where)))}"

    def _rows_of(self, source: ColumnOf) -> str:
        rows = Exists(
            table=source.table or self._plan.customer.table,
            where=source.where,
            customer=source.customer,
            tenant=source.tenant,
        )
        return self._rows(rows)

    def _owned(self, table_name: str, customer: str | None, tenant: str | None) -> str:
        """The condition that the row `x` is the customer's: by the columns named, else as the plan's children say."""
        children = [child for child in self._plan.children if child.table == table_name]
        if customer is None and tenant is None:
            return belongs(self._names, children, "x", *self._owner())
        key = customer or self._names.key_name
        same = [child for child in children if (child.customer or self._names.key_name) == key]
        if same and tenant is None:
            return belongs(self._names, same, "x", *self._owner())
        tenant_column = (
            None if self._names.tenant is None else self._names.tenant if tenant is None else identifier(tenant)
        )
        return Names.matches("x", tenant_column, identifier(key), *self._owner())

    def _owner(self) -> tuple[str, str]:
        return f"c.{self._names.tenant}", f"c.{self._names.key}"

    def _conditions(self, where: Mapping[str, Condition]) -> list[str]:
        return [row_condition(f"x.{identifier(column)}", condition) for column, condition in where.items()]

    def _position(self, expression: str) -> int:
        return self._positions.setdefault(expression, len(self._positions))


def identities_statement(names: Names, version: str, facts: Facts) -> str:
    """All members of the identities of given roots, with their records and facts.

    Parameters: tenants, roots (lists of equal length). A root's own row has no edge; members come from the map.
    """
    merge = names.schema
    tenant = "m.tenant_id" if names.tenant is None else f"c.{names.tenant}::text"
    facts_sql = "".join(f", {column}" for column in facts.columns)
    on = names.match("c", names.typed_tenant("m.tenant_id"), names.typed_key("m.customer_id"))
    return f"""
WITH n AS (SELECT * FROM unnest(%(tenants)s::text[], %(roots)s::text[]) AS n(tenant_id, root_id)),
m AS (
  SELECT n.tenant_id, n.root_id, n.root_id AS customer_id, n.root_id AS direct_to, coalesce(k.version, 0) AS version
  FROM n LEFT JOIN {merge}.canonical k ON k.tenant_id = n.tenant_id AND k.customer_id = n.root_id
  UNION ALL
  SELECT n.tenant_id, n.root_id, k.customer_id, k.direct_to, k.version
  FROM n JOIN {merge}.canonical k ON k.tenant_id = n.tenant_id AND k.canonical_id = n.root_id
  WHERE k.customer_id <> n.root_id)
SELECT m.tenant_id, m.root_id, m.customer_id, {tenant}, {version}, m.direct_to, m.version, EXISTS (
    SELECT 1 FROM {merge}.not_duplicates d
    WHERE d.tenant_id = m.tenant_id AND d.a_id = m.customer_id AND NOT d.withdrawn){facts_sql}
FROM m LEFT JOIN {names.customers} c ON {on}"""


def figures_statement(names: Names, figures: Facts) -> str:
    """The figures of customers that have a record: (tenant, customer, figure…).

    Parameters: tenants, ids (lists of equal length).
    """
    on = names.match("c", names.typed_tenant("m.tenant_id"), names.typed_key("m.customer_id"))
    columns = "".join(f", {column}" for column in figures.columns)
    return f"""
SELECT m.tenant_id, m.customer_id{columns}
FROM unnest(%(tenants)s::text[], %(ids)s::text[]) AS m(tenant_id, customer_id) JOIN {names.customers} c ON {on}"""
