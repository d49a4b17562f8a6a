"""Moving the rows of a large merge: they are listed once, then moved chunk by chunk, and at last the latecomers.

Each function is one transaction's work, under the merge's lease; a crash anywhere leaves the merge as the transaction
before it did. Rows go to whom the winner has become by then: a chunk keeps that customer from being merged away until
it commits, and is journalled for every merge on its way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import Connection

from customer_identity.merging import Moved
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.deleted_records import delete_again
from merge_engine.faults import MergeEngineError, RootMoved
from merge_engine.following import follow, path
from merge_engine.large.leases import Lease, MovingMerge, hold, keep
from merge_engine.merging import lock_customers
from merge_engine.moving_children import Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one transaction did, and how far the merge is now.

    `chunk` is the one that was moved, 0 when there was none; `rows` were moved. `notice` is the number of the notice
    that is due, if one is.
    """

    merge: MovingMerge
    chunk: int = 0
    rows: int = 0
    notice: int | None = None


def list_rows(connection: Connection, compiled: CompiledPlan, lease: Lease, *, chunk_rows: int) -> Step:
    """Write down, in chunks, every row that hangs on the losers now. Takes no lock on any customer.

    Raises LeaseLost.
    """
    merge = hold(connection, compiled, lease)
    losers = _losers(connection, compiled, merge)
    merge = replace(_list(connection, compiled, merge, losers, chunk_rows), listed=True)
    keep(connection, compiled, lease, merge, complete=False)
    return Step(merge=merge)


def move_chunk(connection: Connection, compiled: CompiledPlan, lease: Lease, *, notice_every: timedelta) -> Step:
    """Move the next chunk that was listed; nothing when there is none.

    Raises LeaseLost, and RootMoved when the winner was merged away meanwhile: run the transaction again.
    """
    merge = hold(connection, compiled, lease)
    if merge.cursor == merge.last_chunk:
        return Step(merge=merge)
    connection.exec_driver_sql(compiled.chunks.share, {"tenant": merge.tenant_id, "id": merge.root_id})
    after = _move_next(connection, compiled, merge, _way(connection, compiled, merge))
    due = merge.quiet >= notice_every
    after = replace(after, notices=merge.notices + due)
    _keep(connection, compiled, lease, after, complete=False)
    return Step(
        merge=after,
        chunk=after.cursor,
        rows=after.rows_moved - merge.rows_moved,
        notice=after.notices if due else None,
    )


def finish(connection: Connection, compiled: CompiledPlan, lease: Lease, *, chunk_rows: int) -> Step | None:
    """Move what came later, under a lock that lets nothing more come, and end the merge.

    None: more than a chunk came later; list it and go on. Raises LeaseLost and RootMoved, as above.
    """
    merge = hold(connection, compiled, lease)
    losers = _losers(connection, compiled, merge)
    # Looked at before the locks too: an index is full of the rows that are gone, and the first look takes the time.
    if _left(connection, compiled, merge, losers, chunk_rows + 1) > chunk_rows:
        return None
    losing = {(merge.tenant_id, loser_id): True for loser_id in losers}
    lock_customers(connection, compiled, {**losing, (merge.tenant_id, merge.root_id): False})
    if _left(connection, compiled, merge, losers, chunk_rows + 1) > chunk_rows:
        return None
    after = _list(connection, compiled, merge, losers, chunk_rows)
    way = _way(connection, compiled, merge)
    while after.cursor < after.last_chunk:
        after = _move_next(connection, compiled, after, way)
    after = after.with_moved(*_end_losers(connection, compiled, merge, losers))
    _keep(connection, compiled, lease, after, complete=True)
    return Step(merge=after, rows=after.rows_moved - merge.rows_moved)


def _keep(connection: Connection, compiled: CompiledPlan, lease: Lease, merge: MovingMerge, *, complete: bool) -> None:
    """The root is locked by now: whether it is one still is seen by a statement that began after that."""
    if keep(connection, compiled, lease, merge, complete=complete) != merge.root_id:
        raise RootMoved("the winner of a large merge was merged away while its lock was waited for")


def _losers(connection: Connection, compiled: CompiledPlan, merge: MovingMerge) -> Sequence[str]:
    rows = connection.exec_driver_sql(
        f"SELECT loser_id FROM {compiled.names.schema}.edges WHERE merge_id = %(merge_id)s::uuid ORDER BY loser_id",
        {"merge_id": merge.merge_id},
    )
    return [loser_id for (loser_id,) in rows]


def _way(connection: Connection, compiled: CompiledPlan, merge: MovingMerge) -> Sequence[tuple[str, str]]:
    """The merges that carried the winner on: (merge id, loser id)."""
    if merge.root_id == merge.winner_id:
        return ()
    return path(connection, compiled, (merge.tenant_id, merge.winner_id))


def _list(
    connection: Connection, compiled: CompiledPlan, merge: MovingMerge, losers: Sequence[str], chunk_rows: int
) -> MovingMerge:
    for entry in compiled.chunks.tables.values():
        for loser_id in losers:
            chunks, rows = connection.exec_driver_sql(
                entry.list_rows,
                {
                    "merge_id": merge.merge_id,
                    "tenant": merge.tenant_id,
                    "loser": loser_id,
                    "size": chunk_rows,
                    "after": merge.last_chunk,
                },
            ).one()
            merge = replace(merge, last_chunk=merge.last_chunk + chunks, rows_total=merge.rows_total + rows)
    return merge


def _left(connection: Connection, compiled: CompiledPlan, merge: MovingMerge, losers: Sequence[str], limit: int) -> int:
    return sum(
        connection.exec_driver_sql(
            entry.left, {"tenant": merge.tenant_id, "loser": loser_id, "limit": limit}
        ).scalar_one()
        for entry in compiled.chunks.tables.values()
        for loser_id in losers
    )


def _move_next(
    connection: Connection, compiled: CompiledPlan, merge: MovingMerge, way: Sequence[tuple[str, str]]
) -> MovingMerge:
    chunk = merge.cursor + 1
    label, loser_id, ids = connection.exec_driver_sql(
        compiled.chunks.line, {"merge_id": merge.merge_id, "chunk": chunk}
    ).one()
    entry = compiled.chunks.tables.get(label)
    if entry is None:
        raise MergeEngineError(f"the plan no longer moves the rows of {label} in chunks, and some are under way")
    rows = connection.exec_driver_sql(
        entry.move,
        {
            "merge_id": merge.merge_id,
            "chunk": chunk,
            "ids": ids,
            "tenant": merge.tenant_id,
            "loser": loser_id,
            "target": merge.root_id,
            "path_merges": [merge_id for merge_id, _ in way],
            "path_ids": [passed_id for _, passed_id in way],
        },
    ).scalar_one()
    moved = Moved(table=entry.table, rows=rows, collisions=0)
    return replace(merge.with_moved(moved), cursor=chunk, rows_moved=merge.rows_moved + rows)


def _end_losers(
    connection: Connection, compiled: CompiledPlan, merge: MovingMerge, losers: Sequence[str]
) -> Sequence[Moved]:
    """What came later in tables that do not move in chunks follows too; records that the plan deletes go last.

    It goes from merge to merge, and to the facilitator where the plan says so. The chunks of the merges on its way are
    left to them.
    """
    late: list[Moved] = []
    named = [(merge.tenant_id, loser_id) for loser_id in losers]
    for _, moves in follow(connection, compiled, named, chunks=False):
        late.extend(moves.moved(merge.merge_id, moves.tables(compiled.children)))
    if compiled.chunks.versions is not None:
        pairs = [
            Pair(
                merge_id=merge.merge_id,
                tenant_id=merge.tenant_id,
                loser_id=loser_id,
                winner_id=merge.root_id,
                position=position,
            )
            for position, loser_id in enumerate(losers, start=1)
        ]
        delete_again(connection, compiled, pairs)
    return late
