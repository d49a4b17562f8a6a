"""Before-images end with the undo window: what nobody can take back any more, nobody needs to keep."""

from dataclasses import dataclass

from sqlalchemy import Connection

from merge_engine.compiled_plan import CompiledPlan

# An undo that began inside the window may still read them; no transaction lasts that long. One that takes its rows back
# in chunks is waited for.
_GRACE = "15 minutes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """One batch: how many merges were looked at, and how many of them have no image left."""

    looked_at: int
    done: int


def purge_images(connection: Connection, compiled: CompiledPlan, *, merges: int, lines: int) -> Purged:
    """Empty `before` of at most `lines` journal lines of at most `merges` merges whose undo window has closed.

    Merges that somebody else holds are passed over. Which rows went where stays on record.
    """
    schema = compiled.names.schema
    due = connection.exec_driver_sql(
        f"""
SELECT merge_id::text FROM {schema}.merges m
WHERE purged_at IS NULL AND undoable_until < clock_timestamp() - %(grace)s::interval
  AND NOT EXISTS (SELECT FROM {schema}.large_unmerges u
                  WHERE u.merge_id = m.merge_id AND u.state IN ('RETURNING', 'TURNED_BACK'))
ORDER BY undoable_until LIMIT %(merges)s FOR UPDATE SKIP LOCKED""",
        {"grace": _GRACE, "merges": merges},
    )
    merge_ids = [merge_id for (merge_id,) in due]
    parameters = {"merge_ids": merge_ids, "lines": lines}
    if not merge_ids:
        return Purged(looked_at=0, done=0)
    connection.exec_driver_sql(
        f"""
UPDATE {schema}.journal SET before = NULL
WHERE seq IN (SELECT seq FROM {schema}.journal
  WHERE merge_id = ANY(%(merge_ids)s::text[]::uuid[]) AND before IS NOT NULL LIMIT %(lines)s)""",
        parameters,
    )
    done = connection.exec_driver_sql(
        f"""
UPDATE {schema}.merges m SET purged_at = clock_timestamp()
WHERE merge_id = ANY(%(merge_ids)s::text[]::uuid[])
  AND NOT EXISTS (SELECT FROM {schema}.journal j WHERE j.merge_id = m.merge_id AND j.before IS NOT NULL)""",
        parameters,
    )
    return Purged(looked_at=len(merge_ids), done=done.rowcount)


def purge_again(connection: Connection, compiled: CompiledPlan, merge_ids: list[str]) -> None:
    """Rows that came late may have left images of merges that had none any more."""
    connection.exec_driver_sql(
        f"UPDATE {compiled.names.schema}.merges SET purged_at = NULL "
        "WHERE merge_id = ANY(%(merge_ids)s::text[]::uuid[]) AND purged_at IS NOT NULL",
        {"merge_ids": merge_ids},
    )
