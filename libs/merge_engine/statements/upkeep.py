"""Statements that look for what a merge should not have left behind: stragglers, map and edges, links, sums."""

from dataclasses import dataclass

from merge_engine.plan_file import Child, Plan, SumIntoWinner
from merge_engine.statements.facts import owner_columns
from merge_engine.statements.names import Names, identifier, table

IDENTITY_ONLY = "(%(tenant)s::text IS NULL OR (k.tenant_id = %(tenant)s::text AND k.canonical_id = %(root)s::text))"
"""Restricts a check to one identity, or (tenant null) to none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SumCheck:
    """One column that must equal a sum; `statement` answers (tenant, customer, value, sum) where it does not."""

    table: str
    column: str
    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepStatements:
    """Checks of the whole database or of one identity (parameters tenant and root, both null for all)."""

    stragglers: str
    leftovers: tuple[tuple[str, str], ...]
    path: str
    map_rows: str
    edges: str
    links: str
    sums: tuple[SumCheck, ...]


def upkeep_statements(plan: Plan, names: Names) -> UpkeepStatements:
    """Compile the checks of a plan."""
    merge = names.schema
    link = identifier(plan.disposition.column)
    found = " UNION ".join(
        f"(SELECT k.tenant_id, k.customer_id {_leftover(child, names)} "
        "AND (%(since)s::timestamptz IS NULL OR k.changed_at >= %(since)s::timestamptz) LIMIT %(limit)s)"
        for child in plan.children
    )
    return UpkeepStatements(
        stragglers=f"SELECT tenant_id, customer_id FROM ({found}) s ORDER BY 1, 2 LIMIT %(limit)s",
        leftovers=tuple(
            (
                child.table,
                (
                    f"SELECT k.tenant_id, k.customer_id, count(*) {_leftover(child, names)} "
                    f"AND {IDENTITY_ONLY} GROUP BY 1, 2"
                ),
            )
            for child in plan.children
        ),
        path=f"""
WITH RECURSIVE h AS (
  SELECT e.tenant_id, e.loser_id, e.winner_id, e.merge_id, 1 AS hop
  FROM unnest(%(tenants)s::text[], %(ids)s::text[]) AS n(tenant_id, customer_id)
  JOIN {merge}.edges e ON e.active AND e.tenant_id = n.tenant_id AND e.loser_id = n.customer_id
  UNION
  SELECT e.tenant_id, e.loser_id, e.winner_id, e.merge_id, h.hop + 1
  FROM h JOIN {merge}.edges e ON e.active AND e.tenant_id = h.tenant_id AND e.loser_id = h.winner_id)
SELECT tenant_id, loser_id, winner_id, merge_id::text, max(hop) FROM h GROUP BY 1, 2, 3, 4 ORDER BY 5, 1, 2""",
        map_rows=f"""
SELECT k.tenant_id, k.customer_id, k.canonical_id, k.direct_to FROM {merge}.canonical k
WHERE k.canonical_id <> k.customer_id AND {IDENTITY_ONLY}""",
        edges=f"""
SELECT e.tenant_id, e.loser_id, e.winner_id FROM {merge}.edges e
LEFT JOIN {merge}.canonical k ON k.tenant_id = e.tenant_id AND k.customer_id = e.loser_id
WHERE e.active AND {IDENTITY_ONLY}""",
        links=f"""
SELECT k.tenant_id, k.customer_id, k.canonical_id, c.{link}::text FROM {merge}.canonical k
JOIN {names.customers} c ON {names.match("c", names.typed_tenant("k.tenant_id"), names.typed_key("k.customer_id"))}
WHERE c.{link}::text IS DISTINCT FROM nullif(k.canonical_id, k.customer_id) AND {IDENTITY_ONLY}""",
        sums=tuple(
            SumCheck(
                table=child.table,
                column=column,
                statement=_sum(child, names, column, child.equals[column].table, child.equals[column].column),
            )
            for child in plan.children
            if isinstance(child, SumIntoWinner)
            for column in child.equals
        ),
    )


def _leftover(child: Child, names: Names) -> str:
    tenant, key = owner_columns(names, child)
    owned = Names.matches("c", tenant, key, names.typed_tenant("k.tenant_id"), names.typed_key("k.customer_id"))
    return (
        f"FROM {names.schema}.canonical k JOIN {table(child.table)} c ON {owned} WHERE k.canonical_id <> k.customer_id"
    )


def _sum(child: SumIntoWinner, names: Names, column: str, other: str, summed: str) -> str:
    """Customers whose figure is not the sum of the other table's rows, whichever of the two has no rows."""
    tenant, key = owner_columns(names, child)
    owner = "''" if tenant is None else f"x.{tenant}::text"
    same_tenant = "" if tenant is None else "tenant_id = %(tenant)s::text AND "
    same_customer = f"({same_tenant}customer_id = %(root)s::text)"
    return f"""
WITH a AS (SELECT {owner} AS tenant_id, x.{key}::text AS customer_id, x.{identifier(column)} AS figure
           FROM {table(child.table)} x),
b AS (SELECT {owner} AS tenant_id, x.{key}::text AS customer_id, sum(x.{identifier(summed)}) AS figure
      FROM {table(other)} x GROUP BY 1, 2)
SELECT tenant_id, customer_id, coalesce(a.figure, 0), coalesce(b.figure, 0)
FROM a FULL JOIN b USING (tenant_id, customer_id)
WHERE coalesce(a.figure, 0) <> coalesce(b.figure, 0)
  AND (%(tenant)s::text IS NULL OR {same_customer})"""
