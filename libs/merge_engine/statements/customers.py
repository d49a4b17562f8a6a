"""Statements over the customer table and the engine's own tables: resolve, lock, change records, keep the map."""

from dataclasses import dataclass
from typing import Any

from merge_engine.plan_file import Delete, Plan
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

LIMITS = """
SELECT current_setting('statement_timeout') AS statement,
  current_setting('idle_in_transaction_session_timeout') AS idle,
  current_setting('transaction_timeout', true) AS transaction"""
"""The limits of the open transaction."""

UNHURRIED = {"statement": "5min", "idle": "5min", "transaction": "10min"}
"""The limits for the undo of a large merge: a million rows take some ten seconds, and nobody else waits for them."""

SET_LIMITS = """
SELECT set_config('statement_timeout', %(statement)s::text, true),
  set_config('idle_in_transaction_session_timeout', %(idle)s::text, true),
  CASE WHEN current_setting('server_version_num')::int >= 170000 THEN set_config('transaction_timeout', '0', true)
    || set_config('transaction_timeout', %(transaction)s::text, true) END"""
"""SET LOCAL. A transaction's timer that runs is not set again, only off and on: it begins anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerStatements:
    """What is done to the customer table and to the map, each for a whole wave.

    `links` is None where no record points at its root. `resolve` answers (null, null, null, time) first, then (tenant,
    id, canonical id, null) of the ids that the map knows.
    """

    resolve: str
    lock: str
    asserted: str
    merges: str
    winners: str
    unchanged_winners: str
    losers: str
    canonical: str
    links: str | None


def customer_statements(plan: Plan, names: Names) -> CustomerStatements:
    """Compile the statements of a plan."""
    merge = names.schema
    return CustomerStatements(
        resolve=f"""
SELECT NULL, NULL, NULL, clock_timestamp()
UNION ALL
SELECT k.tenant_id, k.customer_id, k.canonical_id, NULL
FROM unnest(%(tenants)s::text[], %(ids)s::text[]) AS n(tenant_id, customer_id)
JOIN {merge}.canonical k ON k.tenant_id = n.tenant_id AND k.customer_id = n.customer_id""",
        lock=_lock(names),
        asserted=f"""
SELECT d.tenant_id, d.a_id, d.b_id
FROM unnest(%(tenants)s::text[], %(ids)s::text[]) AS n(tenant_id, customer_id)
JOIN {merge}.not_duplicates d ON d.tenant_id = n.tenant_id AND d.a_id = n.customer_id WHERE NOT d.withdrawn""",
        merges=f"""
WITH edges AS (
  INSERT INTO {merge}.edges (merge_id, tenant_id, loser_id, winner_id, position)
  SELECT * FROM unnest(%(edge_merge_ids)s::text[]::uuid[], %(edge_tenants)s::text[], %(losers)s::text[],
    %(edge_winners)s::text[], %(positions)s::int[]))
INSERT INTO {merge}.merges (merge_id, tenant_id, command_id, winner_id, actor, reason, candidate_id,
  facilitator_id, policy_version, merged_at, undoable_until)
SELECT v.*, %(policy_version)s, %(merged_at)s, %(undoable_until)s
FROM unnest(%(merge_ids)s::text[]::uuid[], %(tenants)s::text[], %(command_ids)s::text[], %(winners)s::text[],
  %(actors)s::text[], %(reasons)s::text[], %(candidate_ids)s::text[], %(facilitators)s::text[]) AS v""",
        winners=_winners(plan, names),
        unchanged_winners=_unchanged_winners(names),
        losers=_deleted(names) if isinstance(plan.disposition, Delete) else _marked(plan, names),
        canonical=f"""
INSERT INTO {merge}.canonical AS k (merge_id, tenant_id, customer_id, direct_to, canonical_id, version, changed_at)
SELECT v.*, %(changed_at)s FROM unnest(%(merge_ids)s::text[]::uuid[], %(tenants)s::text[], %(ids)s::text[],
  %(direct_to)s::text[], %(canonical_ids)s::text[], %(versions)s::bigint[]) AS v
ON CONFLICT (tenant_id, customer_id) DO UPDATE SET merge_id = EXCLUDED.merge_id, direct_to = EXCLUDED.direct_to,
  canonical_id = EXCLUDED.canonical_id, version = EXCLUDED.version, changed_at = EXCLUDED.changed_at
WHERE k.version = EXCLUDED.version - 1""",
        links=None if plan.disposition.column is None else _links(plan.disposition.column, names),
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
    assigned = names.changes("c", *(f"{field} = b.{field}" for field in fields))
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
  UPDATE {names.customers} c SET {assigned} FROM b
  WHERE {names.match("c", "b.tenant_id", "b.customer_id")}
  RETURNING b.merge_id, {names.version("c")} AS version),
j AS ({journal})
SELECT merge_id::text, version FROM u"""


def _unchanged_winners(names: Names) -> str:
    """The same for winners of whom no field changes, as most: only the version does. `changes` is one for all."""
    columns = "merge_id, tenant_id::text, customer_id::text, ARRAY[]::text[], %(changes)s::jsonb"
    return f"""
WITH u AS (
  UPDATE {names.customers} c SET {names.changes("c")}
  FROM unnest(%(merge_ids)s::text[]::uuid[], {names.tenants("tenants")}, {names.keys("winners")})
    AS b(merge_id, tenant_id, customer_id)
  WHERE {names.match("c", "b.tenant_id", "b.customer_id")}
  RETURNING b.*, {names.version("c")} AS version),
j AS ({names.journal(names.journal_name, "WINNER", columns, "u")})
SELECT merge_id::text, version FROM u"""


def _marked(plan: Plan, names: Names) -> str:
    """Answers (merge_id, loser_id, version)."""
    marks = [
        f"{identifier(column)} = %({mark})s"
        for column, mark in zip(plan.disposition.set, mark_parameters(plan), strict=True)
    ]
    if plan.disposition.column is not None:
        marks.append(f"{identifier(plan.disposition.column)} = t.winner_id")
    return f"""
WITH {names.pairs()},
b AS (
  SELECT t.*, to_jsonb(c) AS image
  FROM t JOIN {names.customers} c ON {names.match("c", "t.tenant_id", "t.loser_id")}),
u AS (
  UPDATE {names.customers} c SET {names.changes("c", *marks)} FROM t
  WHERE {names.match("c", "t.tenant_id", "t.loser_id")}
  RETURNING t.merge_id, t.loser_id, {names.version("c")} AS version),
j AS ({_journal_losers(names, "b")})
SELECT merge_id::text, loser_id::text, version FROM u"""


def _deleted(names: Names) -> str:
    """Answers (merge_id, loser_id, version); the last version is one that no record ever shows."""
    return f"""
WITH {names.pairs()},
u AS (
  DELETE FROM {names.customers} c USING t WHERE {names.match("c", "t.tenant_id", "t.loser_id")}
  RETURNING t.*, to_jsonb(c) AS image, {names.next_version("c")} AS version),
j AS ({_journal_losers(names, "u")})
SELECT merge_id::text, loser_id::text, version FROM u"""


def _journal_losers(names: Names, source: str) -> str:
    columns = "merge_id, tenant_id::text, loser_id::text, ARRAY[]::text[], image"
    return names.journal(names.journal_name, "LOSER", columns, source)


def _links(column: str, names: Names) -> str:
    return f"""
UPDATE {names.customers} c SET {names.changes("c", f"{identifier(column)} = v.root_id")}
FROM unnest({names.tenants("tenants")}, {names.keys("ids")}, {names.keys("roots")})
  AS v(tenant_id, customer_id, root_id)
WHERE {names.match("c", "v.tenant_id", "v.customer_id")}"""
