"""The rows of a merge that is taken apart, wherever they went and whomever they met since.

What was done to them is taken back in exactly the opposite order, the losers' own rows go home, and the other merges
are done again for what is left. So untouched rows end as if the merge had never been.
"""

from sqlalchemy import Connection

from merge_engine.compiled_plan import CompiledPlan
from merge_engine.moving_children import Pair, move_children
from merge_engine.restoring_rows import JournalEntry, Restoration, undo_entry
from merge_engine.unmerging_lines import chunk_lines
from merge_engine.unmerging_plan import Undoing
from merge_engine.unmerging_scope import Scope, StandingMerge


def take_rows_back(connection: Connection, compiled: CompiledPlan, undoing: Undoing, done: Restoration) -> None:
    """Take the lines back, then do the other merges again for the rows that they are still about."""
    scope = undoing.scope
    if not undoing.chunks_returned:
        for line in chunk_lines(connection, compiled, scope):
            undo_entry(connection, compiled, line, done)
    again: set[str] = set()
    for entry in sorted((*undoing.entries, *undoing.others), key=lambda entry: -entry.seq):
        is_own = entry.merge_id == scope.merge.merge_id
        goes = is_own and entry.from_id in (*scope.leaving, scope.merge.winner_id)
        undone = undo_entry(connection, compiled, entry, done if goes else Restoration(conflicts=done.conflicts))
        if not is_own or (scope.staying and entry.from_id not in scope.leaving):
            _strike_out(connection, compiled, entry, undone)
            again.add(entry.merge_id)
    for merge in scope.standing:
        if merge.merge_id in again:
            move_children(connection, compiled, _pairs(scope, merge))


def _pairs(scope: Scope, merge: StandingMerge) -> list[Pair]:
    losers = scope.staying if merge is scope.own else merge.losers
    return [
        Pair(
            merge_id=merge.merge_id,
            tenant_id=scope.tenant_id,
            loser_id=loser_id,
            winner_id=merge.winner_id,
            position=position,
            facilitator_id=merge.facilitator_id,
        )
        for position, loser_id in enumerate(losers, start=1)
    ]


def _strike_out(connection: Connection, compiled: CompiledPlan, entry: JournalEntry, undone: set[str]) -> None:
    """Remove rows from a line whose merge is done again; a line that is empty then goes."""
    if not undone:
        return
    schema = compiled.names.schema
    connection.exec_driver_sql(
        f"""
UPDATE {schema}.journal j SET row_ids = left_over.ids, before =
  CASE jsonb_typeof(j.before) WHEN 'array' THEN left_over.images ELSE j.before - %(gone)s::text[] END
FROM (
  SELECT coalesce(array_agg(r.id ORDER BY r.at), '{{}}') AS ids,
    coalesce(jsonb_agg(k.before->(r.at::int - 1) ORDER BY r.at) FILTER (WHERE jsonb_typeof(k.before) = 'array'),
             '[]') AS images
  FROM {schema}.journal k CROSS JOIN LATERAL unnest(k.row_ids) WITH ORDINALITY AS r(id, at)
  WHERE k.seq = %(seq)s AND r.id <> ALL(%(gone)s::text[])) left_over
WHERE j.seq = %(seq)s""",
        {"seq": entry.seq, "gone": list(undone)},
    )
    connection.exec_driver_sql(
        f"DELETE FROM {schema}.journal WHERE seq = %(seq)s AND row_ids = '{{}}'", {"seq": entry.seq}
    )
