"""Statements that forget a person. Parameters: tenant, and ids, all members of the identity."""

from dataclasses import dataclass

from merge_engine.plan_file import Plan
from merge_engine.statements.names import Names, identifier
from merge_engine.statements.owners import ChildRows


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureStatements:
    """What an erasure does, in this order.

    erased (also root, at): nobody merges with these ids again; answers those that were not erased before. merges:
    closes every merge that a member took part in; answers the ids. images: forgets what the journal keeps of
    them (also merge_ids). conversions, requests: forget what else is kept. edges, canonical: the identity is no more;
    `canonical` answers the ids that were known to others. customers: the records and child rows that the plan says.
    """

    merges: str
    images: str
    conversions: str
    requests: str
    edges: str
    canonical: str
    erased: str
    customers: tuple[str, ...]


def erasure_statements(plan: Plan, names: Names) -> ErasureStatements:
    """Compile the statements of a plan."""
    merge = names.schema
    mine = "tenant_id = %(tenant)s AND {} = ANY(%(ids)s::text[])"
    return ErasureStatements(
        merges=f"""
WITH taken_part AS (
  SELECT merge_id FROM {merge}.merges WHERE {mine.format("winner_id")}
  UNION SELECT merge_id FROM {merge}.edges WHERE active AND {mine.format("loser_id")}
  UNION SELECT merge_id FROM {merge}.unmerges WHERE tenant_id = %(tenant)s AND loser_ids && %(ids)s::text[]),
closed AS (
  UPDATE {merge}.merges m SET erased_at = %(at)s, undoable_until = least(m.undoable_until, %(at)s)
  FROM taken_part p WHERE m.merge_id = p.merge_id AND ({mine.format("m.winner_id")} OR EXISTS (
    SELECT 1 FROM {merge}.edges e WHERE e.merge_id = m.merge_id AND e.active AND e.loser_id = ANY(%(ids)s::text[]))))
SELECT merge_id::text FROM taken_part""",
        # Of a merge that was taken apart, what it wrote to its winner may be the erased customer's.
        images=f"""
UPDATE {merge}.journal j SET before = NULL
WHERE j.merge_id = ANY(%(merge_ids)s::text[]::uuid[]) AND j.before IS NOT NULL AND (j.from_id = ANY(%(ids)s::text[])
  OR EXISTS (SELECT 1 FROM {merge}.merges m
             WHERE m.merge_id = j.merge_id AND m.state = 'UNMERGED' AND j.from_id = m.winner_id))""",
        conversions=f"""
UPDATE {merge}.conversions SET before = NULL
WHERE {mine.format("customer_id")} OR {mine.format("new_id")}""",
        requests=f"""
UPDATE {merge}.requests SET command = command || '{{"field_choices": []}}'
WHERE tenant_id = %(tenant)s AND customer_ids && %(ids)s::text[] AND command ? 'field_choices'""",
        edges=f"""
UPDATE {merge}.edges SET active = false WHERE active AND ({mine.format("loser_id")})""",
        canonical=f"""
DELETE FROM {merge}.canonical WHERE {mine.format("customer_id")} RETURNING customer_id""",
        erased=f"""
INSERT INTO {merge}.erased (tenant_id, customer_id, canonical_id, erased_at)
SELECT %(tenant)s, v.customer_id, %(root)s, %(at)s FROM unnest(%(ids)s::text[]) AS v(customer_id)
ON CONFLICT DO NOTHING RETURNING customer_id""",
        customers=tuple(_customers(plan, names)),
    )


def _customers(plan: Plan, names: Names) -> list[str]:
    if plan.erasure is None:
        return []
    member = f"unnest({names.keys('keys')}) AS v(customer_id)"
    tenant = names.typed_tenant("%(tenant)s::text")
    statements = [
        f"DELETE FROM {rows.rows} c USING {member} WHERE {rows.owned('c', tenant, 'v.customer_id')}"
        for child in plan.children
        if child.table in plan.erasure.delete_children
        for rows in [ChildRows.of(child, names)]
    ]
    if plan.erasure.clear:
        cleared = names.changes("c", *(f"{identifier(column)} = NULL" for column in plan.erasure.clear))
        statements.append(
            f"UPDATE {names.customers} c SET {cleared} FROM {member} WHERE {names.match('c', tenant, 'v.customer_id')}"
        )
    return statements
