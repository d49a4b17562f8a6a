"""The facts that a policy asks for, as columns of one statement: one row a member, one column a fact."""

from typing import Any

from merge_engine.plan_file import Child, ColumnOf, Condition, Exists, Flag, OneOf, Plan, Recent
from merge_engine.statements.names import Names, identifier, table


class Facts:
    """Collects facts while a policy is compiled; equal facts share one position."""

    def __init__(self, plan: Plan, names: Names) -> None:
        self._names = names
        self._children: dict[str, Child] = {child.table: child for child in plan.children}
        self._positions: dict[str, int] = {}
        self.parameters: dict[str, Any] = {}

    @property
    def columns(self) -> tuple[str, ...]:
        """The SQL expressions over the customer row `c`, by position."""
        return tuple(self._positions)

    def column(self, column: str) -> int:
        """The column itself."""
        return self._position(f"c.{identifier(column)}")

    def flag(self, flag: Flag) -> int:
        """Whether the column satisfies the condition."""
        return self._position(self.condition(f"c.{identifier(flag.column)}", flag.equals))

    def recent(self, recent: Recent) -> int:
        """Whether the time column lies within the last days."""
        days = self._bound(recent.within_days)
        return self._position(f"c.{identifier(recent.column)} >= clock_timestamp() - make_interval(days => {days})")

    def exists(self, exists: Exists) -> int:
        """Whether the customer has such rows."""
        conditions = [self.condition(f"x.{identifier(column)}", value) for column, value in exists.where.items()]
        where = " AND ".join((self._owned("x", exists.table), *conditions))
        return self._position(f"EXISTS (SELECT 1 FROM {table(exists.table)} x WHERE {where})")

    def values(self, source: ColumnOf) -> int:
        """The values of a column: one of the customer's own, or a list from a child table."""
        if source.table is None:
            return self.column(source.column)
        column = f"x.{identifier(source.column)}"
        owned = self._owned("x", source.table)
        return self._position(
            f"(SELECT array_agg(DISTINCT {column}::text) FROM {table(source.table)} x "
            f"WHERE {owned} AND {column} IS NOT NULL)"
        )

    def condition(self, column: str, condition: Condition) -> str:
        """A condition on a column, with its value bound."""
        if isinstance(condition, OneOf):
            values = self._bound([value.lower() for value in condition.one_of])
            return f"lower({column}::text) = ANY({values}::text[])"
        if isinstance(condition, bool):
            return f"{column} IS {'TRUE' if condition else 'FALSE'}"
        return f"{column}::text = {self._bound(str(condition))}::text"

    def _owned(self, alias: str, table_name: str) -> str:
        tenant, key = owner_columns(self._names, self._children.get(table_name))
        owner = f"c.{self._names.tenant}"
        return Names.matches(alias, tenant, key, owner, f"c.{self._names.key}")

    def _bound(self, value: Any) -> str:
        name = f"fact_{len(self.parameters)}"
        self.parameters[name] = value
        return f"%({name})s"

    def _position(self, expression: str) -> int:
        return self._positions.setdefault(expression, len(self._positions))


def owner_columns(names: Names, child: Child | None) -> tuple[str | None, str]:
    """The quoted tenant and customer columns of a child table: its own if the plan names them, else the customer's."""
    if child is None:
        return names.tenant, names.key
    tenant = names.tenant if child.tenant is None else identifier(child.tenant)
    return tenant, names.key if child.customer is None else identifier(child.customer)


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
SELECT m.tenant_id, m.root_id, m.customer_id, {tenant}, c.{identifier(version)}, m.direct_to, m.version{facts_sql}
FROM m LEFT JOIN {names.customers} c ON {on}"""
