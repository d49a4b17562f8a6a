"""The rows of a large merge that is being taken apart go back chunk by chunk, before anything else is undone.

Each function is one transaction's work, under a lease; a crash anywhere leaves the rows as the transaction before it
did. Until all are back the customers stay one identity, and nobody else is merged with it. If the undo is refused at
its end after all, the same lines are gone through the other way, and the winner has its rows again; rows that cannot go
are noted, and stay with the loser.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError

from event_runtime.retry import FaultClass, classify
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.large.leases import Lease
from merge_engine.large.undo_state import ReturningMerge, hold, keep
from merge_engine.restoring_rows import JournalEntry, in_the_way, undo_entry
from merge_engine.unmerging_scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnStep:
    """What one transaction did, and how far it is now. `line` is false when there was nothing left to do.

    `rows` went back, or to the winner again. `notice` is the number of the notice that is due, if one is.
    """

    merge: ReturningMerge
    line: bool
    rows: int = 0
    notice: int | None = None


def is_refusal(fault: BaseException) -> bool:
    """Whether the database refuses the data itself, as it would again."""
    return classify(fault) in {FaultClass.DATA, FaultClass.STALE}


def rows_in_chunks(connection: Connection, compiled: CompiledPlan, scope: Scope) -> int:
    """How many rows of the customers that leave were moved in chunks."""
    rows: int = connection.exec_driver_sql(
        f"""
SELECT coalesce(sum(cardinality(row_ids)), 0)::bigint FROM {compiled.names.schema}.journal
WHERE merge_id = %(merge_id)s::uuid AND chunk IS NOT NULL AND from_id = ANY(%(leaving)s::text[])""",
        {"merge_id": scope.merge.merge_id, "leaving": list(scope.leaving)},
    ).scalar_one()
    return rows


def move_chunk(connection: Connection, compiled: CompiledPlan, lease: Lease, *, notice_every: timedelta) -> ReturnStep:
    """Take the next line back: the newest first; or forth again, the oldest first. Raises LeaseLost."""
    merge = hold(connection, compiled, lease)
    line = _next_line(connection, compiled, merge)
    if line is None:
        return ReturnStep(merge=merge, line=False)
    rows = _forth(connection, compiled, merge, line) if merge.refused else _back(connection, compiled, merge, line)
    due = merge.refused is None and merge.quiet >= notice_every
    moved = merge.rows_moved + (-rows if merge.refused else rows)
    after = replace(merge, cursor=line.seq, rows_moved=moved, notices=merge.notices + due)
    keep(connection, compiled, lease, after)
    return ReturnStep(merge=after, line=True, rows=rows, notice=merge.notices if due else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A line of the journal; `ids` is an array literal of its rows."""

    seq: int
    label: str
    from_id: str
    ids: str
    size: int


def _next_line(connection: Connection, compiled: CompiledPlan, merge: ReturningMerge) -> _Line | None:
    after, order = (">", "ASC") if merge.refused else ("<", "DESC")
    row = connection.exec_driver_sql(
        f"""
SELECT j.seq, j.table_name, j.from_id, j.row_ids::text, cardinality(j.row_ids) FROM {compiled.names.schema}.journal j
WHERE j.seq = (
  SELECT seq FROM {compiled.names.schema}.journal
  WHERE merge_id = %(merge_id)s::uuid AND chunk IS NOT NULL AND from_id = ANY(%(leaving)s::text[])
    AND (%(cursor)s::bigint IS NULL OR seq {after} %(cursor)s::bigint)
  ORDER BY seq {order} LIMIT 1)""",
        {"merge_id": merge.merge_id, "leaving": list(merge.leaving), "cursor": merge.cursor},
    ).one_or_none()
    return None if row is None else _Line(seq=row[0], label=row[1], from_id=row[2], ids=row[3], size=row[4])


def _back(connection: Connection, compiled: CompiledPlan, merge: ReturningMerge, line: _Line) -> int:
    """Give the line's rows back that the root still has; what cannot go back is noted with the merge."""
    entry, undo = compiled.chunks.tables.get(line.label), compiled.undo.children.get(line.label)
    if entry is None or undo is None or undo.present is None:
        return _row_by_row(connection, compiled, merge, line, in_the_way, holder=merge.root_id, taker=line.from_id)
    try:
        with connection.begin_nested():
            rows = _give(connection, entry.give, merge, line, holder=merge.root_id, taker=line.from_id)
    except IntegrityError:
        return _row_by_row(connection, compiled, merge, line, in_the_way, holder=merge.root_id, taker=line.from_id)
    merge.done.returned[entry.table] += rows
    if rows < line.size:
        missing = {"ids": line.ids, "tenant": merge.tenant_id, "loser": line.from_id}
        elsewhere = connection.exec_driver_sql(undo.present, missing)
        merge.done.keep(entry.table, len(elsewhere.all()), "MOVED_ELSEWHERE_SINCE")
    return rows


def _forth(connection: Connection, compiled: CompiledPlan, merge: ReturningMerge, line: _Line) -> int:
    """Give the line's rows to the root again; nothing but a row of its own stays behind for what forbids it.

    There is no third way to turn to: whatever the database refuses here, it would refuse at every try.
    """
    entry, rows = compiled.chunks.tables.get(line.label), None
    if entry is not None:
        try:
            with connection.begin_nested():
                rows = _give(connection, entry.give, merge, line, holder=line.from_id, taker=merge.root_id)
        except DBAPIError as fault:
            if not is_refusal(fault):
                raise
    if rows is None:
        rows = _row_by_row(connection, compiled, merge, line, is_refusal, holder=line.from_id, taker=merge.root_id)
    return rows


def _give(
    connection: Connection, statement: str, merge: ReturningMerge, line: _Line, *, holder: str, taker: str
) -> int:
    parties = {"ids": line.ids, "tenant": merge.tenant_id, "holder": holder, "taker": taker}
    rows: int = connection.exec_driver_sql(statement, parties).scalar_one()
    return rows


def _row_by_row(
    connection: Connection,
    compiled: CompiledPlan,
    merge: ReturningMerge,
    line: _Line,
    stays: Callable[[BaseException], bool],
    *,
    holder: str,
    taker: str,
) -> int:
    """A constraint stands in the way of some row, or the plan moves the table otherwise by now."""
    row_ids = connection.exec_driver_sql(
        f"SELECT row_ids FROM {compiled.names.schema}.journal WHERE seq = %(seq)s", {"seq": line.seq}
    ).scalar_one()
    entry = JournalEntry(
        seq=line.seq,
        merge_id=merge.merge_id,
        tenant_id=merge.tenant_id,
        winner_id=holder,
        label=line.label,
        from_id=taker,
        action="MOVED",
        row_ids=tuple(row_ids),
        before=None,
    )
    return len(undo_entry(connection, compiled, entry, merge.done, stays=stays))
