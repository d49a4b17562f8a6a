"""Statements over the customer table and the engine's own tables: resolve, lock, change records, keep the map."""

from dataclasses import dataclass
from typing import Any

from merge_engine.plan_file import Plan
from merge_engine.statements.names import Names, identifier

BOUNDS = """
SELECT set_config('plan_cache_mode', 'force_generic_plan', true),
  CASE current_setting('lock_timeout') WHEN '0' THEN set_config('lock_timeout', '2s', true) END,
  CASE current_setting('statement_timeout') WHEN '0' THEN set_config('statement_timeout', '10s', true) END,
  CASE current_setting('idle_in_transaction_session_timeout')
    WHEN '0' THEN set_config('idle_in_transaction_session_timeout', '10s', true) END,
  CASE WHEN current_setting('server_version_num')::int >= 170000
       THEN set_config('transaction_timeout', '10s', true) END"""
"""SET LOCAL for a transaction that merges: nobody waits longer for us than this, nor we for anybody.
Limits that the caller has set stay.

Statements take lists by unnest, whose plans do not depend on the lists: planning them again for each is wasted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerStatements:
    """What is done to the customer table and to the map, each for a whole wave."""

    resolve: str
    lock: str
    asserted: str
    merges: str
    winners: str
    losers: str
    edges: str
    canonical: str
    links: str


def customer_statements(plan: Plan, names: Names) -> CustomerStatements:
    """Compile the statements of a plan."""
    merge = names.schema
    return CustomerStatements(
        resolve=f"""
SELECT n.tenant_id, n.customer_id, coalesce(k.canonical_id, n.customer_id), clock_timestamp()
FROM unnest(%(tenants)s::text[], %(ids)s::text[]) AS n(tenant_id, customer_id)
LEFT JOIN {merge}.canonical k ON k.tenant_id = n.tenant_id AND k.customer_id = n.customer_id""",
        lock=_lock(names),
        asserted=f"""
SELECT d.tenant_id, d.a_id, d.b_id
FROM unnest(%(tenants)s::text[], %(ids)s::text[]) AS n(tenant_id, customer_id)
JOIN {merge}.not_duplicates d ON d.tenant_id = n.tenant_id AND d.a_id = n.customer_id WHERE NOT d.withdrawn""",
        merges=f"""
INSERT INTO {merge}.merges (merge_id, tenant_id, command_id, winner_id, actor, reason, candidate_id,
  policy_version, merged_at, undoable_until)
SELECT v.*, %(policy_version)s, %(merged_at)s, %(undoable_until)s
FROM unnest(%(merge_ids)s::text[]::uuid[], %(tenants)s::text[], %(command_ids)s::text[], %(winners)s::text[],
  %(actors)s::text[], %(reasons)s::text[], %(candidate_ids)s::text[]) AS v""",
        winners=_winners(plan, names),
        losers=_losers(plan, names),
        edges=f"""
INSERT INTO {merge}.edges (merge_id, tenant_id, loser_id, winner_id)
SELECT * FROM unnest(%(merge_ids)s::text[]::uuid[], %(tenants)s::text[], %(losers)s::text[], %(winners)s::text[])""",
        canonical=f"""
INSERT INTO {merge}.canonical AS k (merge_id, tenant_id, customer_id, direct_to, canonical_id, version, changed_at)
SELECT v.*, %(changed_at)s FROM unnest(%(merge_ids)s::text[]::uuid[], %(tenants)s::text[], %(ids)s::text[],
  %(direct_to)s::text[], %(canonical_ids)s::text[], %(versions)s::bigint[]) AS v
ON CONFLICT (tenant_id, customer_id) DO UPDATE SET merge_id = EXCLUDED.merge_id, direct_to = EXCLUDED.direct_to,
  canonical_id = EXCLUDED.canonical_id, version = EXCLUDED.version, changed_at = EXCLUDED.changed_at
WHERE k.version = EXCLUDED.version - 1""",
        links=f"""
UPDATE {names.customers} c SET {identifier(plan.disposition.column)} = v.root_id, {touched(plan)}
FROM unnest({names.tenants("tenants")}, {names.keys("ids")}, {names.keys("roots")})
  AS v(tenant_id, customer_id, root_id)
WHERE {names.match("c", "v.tenant_id", "v.customer_id")}""",
    )


def mark_parameters(plan: Plan) -> dict[str, Any]:
    """What marks a loser's record, as parameters of `losers`."""
    return {f"mark_{place}": value for place, value in enumerate(plan.disposition.set.values())}


def _lock(names: Names) -> str:
    """Lock in the order of the lists, one row after the other: to-be losers FOR UPDATE, winners FOR NO KEY UPDATE.

    Both strengths in one statement, because a second pass over the same rows would be a second order. The lateral
    subqueries force a nested loop that is driven by unnest, whose order is that of the arrays.
    """
    match = names.match("c", "n.tenant_id", "n.customer_id")
    return f"""
SELECT count(*) FROM unnest({names.tenants("tenants")}, {names.keys("ids")}, %(losing)s::bool[])
  AS n(tenant_id, customer_id, losing),
LATERAL (
  SELECT 1 FROM (SELECT 1 FROM {names.customers} c WHERE {match} AND n.losing FOR UPDATE) l
  UNION ALL
  SELECT 1 FROM (SELECT 1 FROM {names.customers} c WHERE {match} AND NOT n.losing FOR NO KEY UPDATE) w) locked"""


def _winners(plan: Plan, names: Names) -> str:
    """Answers (merge_id, version). `changes` is {before, wrote}; fields not in `wrote` stay as they are."""
    fields = [identifier(field) for field in plan.fields]
    populated = "".join(f", n.{field}" for field in fields)
    assigned = "".join(f"{field} = b.{field}, " for field in fields)
    journal = names.journal(
        names.journal_name,
        "WINNER",
        "merge_id, tenant_id::text, customer_id::text, ARRAY[]::text[], changes",
        "b",
    )
    return f"""
WITH b AS (
  SELECT v.*{populated}
  FROM unnest(%(merge_ids)s::text[]::uuid[], {names.tenants("tenants")}, {names.keys("winners")},
    %(changes)s::text[]::jsonb[]) AS v(merge_id, tenant_id, customer_id, changes)
  JOIN {names.customers} c ON {names.match("c", "v.tenant_id", "v.customer_id")}
  CROSS JOIN LATERAL jsonb_populate_record(c, v.changes->'wrote') n),
u AS (
  UPDATE {names.customers} c SET {assigned}{touched(plan)} FROM b
  WHERE {names.match("c", "b.tenant_id", "b.customer_id")}
  RETURNING b.merge_id, c.{identifier(plan.customer.version)} AS version),
j AS ({journal})
SELECT merge_id::text, version FROM u"""


def _losers(plan: Plan, names: Names) -> str:
    """Answers (merge_id, loser_id, version)."""
    marks = "".join(
        f"{identifier(column)} = %({mark})s, "
        for column, mark in zip(plan.disposition.set, mark_parameters(plan), strict=True)
    )
    journal = names.journal(
        names.journal_name, "LOSER", "merge_id, tenant_id::text, loser_id::text, ARRAY[]::text[], image", "b"
    )
    return f"""
WITH {names.pairs()},
b AS (
  SELECT t.*, to_jsonb(c) AS image
  FROM t JOIN {names.customers} c ON {names.match("c", "t.tenant_id", "t.loser_id")}),
u AS (
  UPDATE {names.customers} c SET {marks}{identifier(plan.disposition.column)} = t.winner_id, {touched(plan)} FROM t
  WHERE {names.match("c", "t.tenant_id", "t.loser_id")}
  RETURNING t.merge_id, t.loser_id, c.{identifier(plan.customer.version)} AS version),
j AS ({journal})
SELECT merge_id::text, loser_id::text, version FROM u"""


def touched(plan: Plan) -> str:
    """Assignments to the row `c`: every change of a record raises its version."""
    version = identifier(plan.customer.version)
    touched = f"{version} = c.{version} + 1"
    if plan.customer.updated_at is not None:
        touched += f", {identifier(plan.customer.updated_at)} = clock_timestamp()"
    return touched
