"""The way of rows that come under a merged-away id: edge by edge to the root, so that each merge on it can be undone.

Rows of tables that move in chunks may also go there at once, journalled for every merge on their way.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection

from merge_engine.compiled_plan import CompiledPlan
from merge_engine.deleted_records import DeletedRecord, absent_customers, deleted_records, go_again, stand_in
from merge_engine.loading import TenantId, columns
from merge_engine.moving_children import ChildMoves, Pair, move_children
from merge_engine.purging import purge_again


def follow(
    connection: Connection, compiled: CompiledPlan, losers: Sequence[TenantId], *, chunks: bool = True
) -> Iterator[tuple[Sequence[Pair], ChildMoves]]:
    """Move what hangs on the losers, and on everybody on their way, to the roots; answers what each step moved.

    Without `chunks`, rows that can move in chunks stay where they are. To be run to its end: records that merges
    deleted stand in for a while, so that rows go from merge to merge and can be taken back from merge to merge.
    """
    tenants, ids = columns(losers, 2)
    edges = connection.exec_driver_sql(compiled.upkeep.path, {"tenants": tenants, "ids": ids}).all()
    new_ids = _new_ids(connection, compiled, [edge[3] for edge in edges])
    absent = absent_customers(connection, compiled, [(edge[0], edge[2]) for edge in edges]) - new_ids.keys()
    back = _back(connection, compiled, absent, [edge[3] for edge in edges])
    for pairs in _steps(edges, new_ids, absent - back.keys()):
        merge_ids = [pair.merge_id for pair in pairs]
        seq = connection.exec_driver_sql(f"SELECT max(seq) FROM {compiled.names.schema}.journal").scalar_one()
        moves = move_children(connection, compiled, pairs, moving=() if chunks else set(merge_ids))
        _remember(connection, compiled, merge_ids, seq or 0)
        purge_again(connection, compiled, merge_ids)
        yield pairs, moves
    go_again(connection, compiled, list(back.values()))


def follow_some(connection: Connection, compiled: CompiledPlan, loser: TenantId, root_id: str, limit: int) -> int:
    """Move at most `limit` of a loser's rows, of tables that move in chunks; returns how many."""
    way = path(connection, compiled, loser)
    moved = 0
    for entry in compiled.chunks.tables.values():
        if moved < limit:
            moved += connection.exec_driver_sql(
                entry.move_some,
                {
                    "tenant": loser[0],
                    "loser": loser[1],
                    "target": root_id,
                    "limit": limit - moved,
                    "path_merges": [merge_id for merge_id, _ in way],
                    "path_ids": [passed_id for _, passed_id in way],
                },
            ).scalar_one()
    return moved


def path(connection: Connection, compiled: CompiledPlan, customer: TenantId) -> Sequence[tuple[str, str]]:
    """The merges that carried a customer on, the first one first: (merge id, loser id)."""
    named = {"tenants": [customer[0]], "ids": [customer[1]]}
    return [(edge.merge_id, edge.loser_id) for edge in connection.exec_driver_sql(compiled.upkeep.path, named)]


def _steps(edges: Sequence[Any], new_ids: Mapping[TenantId, str], absent: Collection[TenantId]) -> Iterator[list[Pair]]:
    """Edges from the losers to their roots, the farthest first.

    Edges of one step never share a winner, so that rows which meet there are ranked one after the other. Nobody
    without a record takes rows: who has got another id takes them under that, and past the others they go on.
    """
    onwards = {(tenant, loser): winner for tenant, loser, winner, *_ in edges}
    for _, step in groupby(edges, key=lambda edge: edge[4]):
        waiting = []
        for tenant, loser, winner, merge_id, _, facilitator in step:
            while (tenant, winner) in absent and (tenant, winner) in onwards:
                winner = onwards[tenant, winner]  # noqa: PLW2901 - the way goes on
            pair = Pair(
                merge_id=merge_id,
                tenant_id=tenant,
                loser_id=loser,
                winner_id=_now(tenant, winner, new_ids),
                position=1,
                facilitator_id=facilitator,
            )
            waiting.append(pair)
        while waiting:
            now = {(pair.tenant_id, pair.winner_id): pair for pair in reversed(waiting)}
            yield list(now.values())
            waiting = [pair for pair in waiting if now[pair.tenant_id, pair.winner_id] is not pair]


def _back(
    connection: Connection, compiled: CompiledPlan, absent: Collection[TenantId], merge_ids: Sequence[str]
) -> Mapping[TenantId, DeletedRecord]:
    """Records on the way that merges deleted, there again as far as the journal still holds them."""
    if not absent:
        return {}
    deleted = deleted_records(connection, compiled, merge_ids)
    return {
        customer: record
        for customer, record in deleted.items()
        if customer in absent and stand_in(connection, compiled, record)
    }


def _new_ids(connection: Connection, compiled: CompiledPlan, merge_ids: Sequence[str]) -> dict[TenantId, str]:
    """The ids that converted customers have got, by the ids under which they have no record any more."""
    rows = connection.exec_driver_sql(
        f"SELECT tenant_id, customer_id, new_id FROM {compiled.names.schema}.conversions "
        "WHERE conversion_id = ANY(%(ids)s::text[]::uuid[])",
        {"ids": list(merge_ids)},
    )
    return {(tenant, old): new for tenant, old, new in rows}


def _now(tenant: str, id_: str, new_ids: Mapping[TenantId, str]) -> str:
    while (tenant, id_) in new_ids:
        id_ = new_ids[tenant, id_]
    return id_


def _remember(connection: Connection, compiled: CompiledPlan, merge_ids: Sequence[str], last_line: int) -> None:
    """These rows came late: an undo has to know them from those that came with their merge."""
    schema = compiled.names.schema
    connection.exec_driver_sql(
        f"""
INSERT INTO {schema}.late_rows (merge_id, table_name, row_id)
SELECT j.merge_id, j.table_name, r.id FROM {schema}.journal j CROSS JOIN LATERAL unnest(j.row_ids) AS r(id)
WHERE j.merge_id = ANY(%(merge_ids)s::text[]::uuid[]) AND j.seq > %(last_line)s
  AND j.action IN ('MOVED', 'REMOVED', 'KEPT', 'HANDED_OVER')
ON CONFLICT DO NOTHING""",
        {"merge_ids": list(merge_ids), "last_line": last_line},
    )
