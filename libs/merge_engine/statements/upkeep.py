"""Statements that look for what a merge should not have left behind: stragglers, map and edges, links, sums."""

from dataclasses import dataclass

from merge_engine.plan_file import (
    BlockIfExists,
    Child,
    CopyMissing,
    Delete,
    Inactivate,
    KeepOnLoser,
    Link,
    Plan,
    RepointUnique,
    SumIntoWinner,
)
from merge_engine.statements.child_sums import to_sum
from merge_engine.statements.names import Names, identifier, table
from merge_engine.statements.owners import ChildRows

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
    """Checks of the whole database or of one identity (parameters tenant and root, both null for all).

    `stragglers` are customers with rows that the reconciler moves, `leftovers` by table all rows that should be gone;
    `records` (with the marks as parameters) records that are not what the map says; `unjournalled` merged customers of
    whom the journal does not tell what their merge (third column) did.
    """

    stragglers: str
    leftovers: tuple[tuple[str, str], ...]
    path: str
    map_rows: str
    edges: str
    records: str
    unjournalled: str
    sums: tuple[SumCheck, ...]


def upkeep_statements(plan: Plan, names: Names) -> UpkeepStatements:
    """Compile the checks of a plan."""
    merge = names.schema
    following = [child for child in plan.children if not isinstance(child, KeepOnLoser)]
    found = " UNION ".join(
        f"(SELECT k.tenant_id, k.customer_id {_leftover(child, names)} "
        # Who still moves is left alone: the mover takes its rows, and must find the way of all others free.
        f"AND NOT EXISTS (SELECT 1 FROM {merge}.moving_customers v WHERE v.tenant_id = k.tenant_id "
        "AND v.customer_id = k.canonical_id) "
        "AND (%(since)s::timestamptz IS NULL OR k.changed_at >= %(since)s::timestamptz) LIMIT %(limit)s)"
        for child in following
        if not isinstance(child, BlockIfExists)
    )
    return UpkeepStatements(
        stragglers=f"SELECT tenant_id, customer_id FROM ({found or _NOBODY}) s ORDER BY 1, 2 LIMIT %(limit)s",
        leftovers=tuple(
            (
                child.table,
                (
                    f"SELECT k.tenant_id, k.customer_id, count(*) {_leftover(child, names)} "
                    f"AND {IDENTITY_ONLY} GROUP BY 1, 2"
                ),
            )
            for child in following
        ),
        path=f"""
WITH RECURSIVE h AS (
  SELECT e.tenant_id, e.loser_id, e.winner_id, e.merge_id, 1 AS hop
  FROM unnest(%(tenants)s::text[], %(ids)s::text[]) AS n(tenant_id, customer_id)
  JOIN {merge}.edges e ON e.active AND e.tenant_id = n.tenant_id AND e.loser_id = n.customer_id
  UNION
  SELECT e.tenant_id, e.loser_id, e.winner_id, e.merge_id, h.hop + 1
  FROM h JOIN {merge}.edges e ON e.active AND e.tenant_id = h.tenant_id AND e.loser_id = h.winner_id)
SELECT h.tenant_id, h.loser_id, h.winner_id, h.merge_id::text, max(h.hop), max(m.facilitator_id)
FROM h LEFT JOIN {merge}.merges m USING (merge_id) GROUP BY 1, 2, 3, 4 ORDER BY 5, 1, 2""",
        map_rows=f"""
SELECT k.tenant_id, k.customer_id, k.canonical_id, k.direct_to FROM {merge}.canonical k
WHERE k.canonical_id <> k.customer_id AND {IDENTITY_ONLY}""",
        edges=f"""
SELECT e.tenant_id, e.loser_id, e.winner_id FROM {merge}.edges e
LEFT JOIN {merge}.canonical k ON k.tenant_id = e.tenant_id AND k.customer_id = e.loser_id
WHERE e.active AND {IDENTITY_ONLY}""",
        records=_records(plan, names),
        # An erased merge cannot be undone anyway; what a merge did stays on record when its images are purged.
        unjournalled=f"""
SELECT e.tenant_id, e.loser_id, e.merge_id::text FROM {merge}.edges e
JOIN {merge}.merges m ON m.merge_id = e.merge_id AND m.erased_at IS NULL
LEFT JOIN {merge}.canonical k ON k.tenant_id = e.tenant_id AND k.customer_id = e.loser_id
WHERE e.active AND {IDENTITY_ONLY} AND NOT (
  EXISTS (SELECT 1 FROM {merge}.journal j WHERE j.merge_id = e.merge_id AND j.action = 'WINNER')
  AND EXISTS (SELECT 1 FROM {merge}.journal j
              WHERE j.merge_id = e.merge_id AND j.action = 'LOSER' AND j.from_id = e.loser_id))""",
        sums=tuple(
            SumCheck(
                table=child.table,
                column=column,
                statement=_sum(child, plan, names, column),
            )
            for child in plan.children
            if isinstance(child, SumIntoWinner)
            for column in child.equals
        ),
    )


_NOBODY = "SELECT NULL::text AS tenant_id, NULL::text AS customer_id WHERE FALSE"


def _leftover(child: Child, names: Names) -> str:
    """Rows under merged-away ids that should not be there: those that a merge left there on purpose do not count."""
    rows = ChildRows.of(child, names)
    owned = rows.owned("c", names.typed_tenant("k.tenant_id"), names.typed_key("k.customer_id"))
    found = f"FROM {names.schema}.canonical k JOIN {rows.rows} c ON {owned} WHERE k.canonical_id <> k.customer_id"
    if isinstance(child, SumIntoWinner):
        return f"{found} AND {to_sum(child, 'c')}"
    stays = isinstance(child, CopyMissing) or (
        isinstance(child, RepointUnique) and child.collision.losing_rows == "keep_on_loser"
    )
    if stays:
        left = rows.journalled(names.schema, "c", "e.merge_id", "e.loser_id", "KEPT")
        return (
            f"{found} AND NOT EXISTS (SELECT 1 FROM {names.schema}.edges e WHERE e.active "
            f"AND e.tenant_id = k.tenant_id AND e.loser_id = k.customer_id AND {left})"
        )
    return found


def _records(plan: Plan, names: Names) -> str:
    """Records of the map's ids that are not what the map says; answers (tenant, customer, detail)."""
    merge = names.schema
    found = f"""
FROM {merge}.canonical k
JOIN {names.customers} c ON {names.match("c", names.typed_tenant("k.tenant_id"), names.typed_key("k.customer_id"))}"""
    match plan.disposition:
        case Link(column=column):
            link = f"c.{identifier(column)}::text"
            return f"""
SELECT k.tenant_id, k.customer_id,
  concat('the record points at ', coalesce({link}, 'nobody'), ', the map says ', k.canonical_id){found}
WHERE {link} IS DISTINCT FROM nullif(k.canonical_id, k.customer_id) AND {IDENTITY_ONLY}"""
        case Inactivate():
            marked = " AND ".join(
                f"c.{identifier(column)}::text IS NOT DISTINCT FROM %(mark_{place})s::text"
                for place, column in enumerate(plan.disposition.set)
            )
            return f"""
SELECT k.tenant_id, k.customer_id, 'the record is not marked as merged away'{found}
WHERE k.canonical_id <> k.customer_id AND NOT ({marked}) AND {IDENTITY_ONLY}"""
        case Delete():
            return f"""
SELECT k.tenant_id, k.customer_id, 'the record is there, though it was merged away'{found}
WHERE k.canonical_id <> k.customer_id AND {IDENTITY_ONLY}"""


def _sum(child: SumIntoWinner, plan: Plan, names: Names, column: str) -> str:
    """Customers whose figure is not the sum of the other table's rows, whichever of the two has no rows."""
    other = child.equals[column]
    rows = ChildRows.of(child, names)
    summed = next((entry for entry in plan.children if entry.table == other.table), None)
    others = rows if summed is None else ChildRows.of(summed, names)
    same_tenant = "" if rows.tenant is None else "tenant_id = %(tenant)s::text AND "
    same_customer = f"({same_tenant}customer_id = %(root)s::text)"
    return f"""
WITH a AS (SELECT {_owner(rows)}, x.{identifier(column)} AS figure FROM {rows.rows} x WHERE {rows.where("x")}),
b AS (SELECT {_owner(others)}, sum(x.{identifier(other.column)}) AS figure
      FROM {table(other.table)} x WHERE {others.where("x") if summed else "TRUE"} GROUP BY 1, 2)
SELECT tenant_id, customer_id, coalesce(a.figure, 0), coalesce(b.figure, 0)
FROM a FULL JOIN b USING (tenant_id, customer_id)
WHERE coalesce(a.figure, 0) <> coalesce(b.figure, 0)
  AND (%(tenant)s::text IS NULL OR {same_customer})"""


def _owner(rows: ChildRows) -> str:
    tenant = "''" if rows.tenant is None else f"x.{rows.tenant}::text"
    return f"{tenant} AS tenant_id, x.{rows.key}::text AS customer_id"
