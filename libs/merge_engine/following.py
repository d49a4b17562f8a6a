"""The way of rows that come under a merged-away id: edge by edge to the root, so that each merge on it can be undone.

Rows of tables that move in chunks may also go there at once, journalled for every merge on their way.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
    for hops in _steps(edges, new_ids, absent - back.keys()):
        pairs = [hop.pair for hop in hops]
        staying = () if chunks else {pair.merge_id for pair in pairs}
        seq = connection.exec_driver_sql(f"SELECT max(seq) FROM {compiled.names.schema}.journal").scalar_one()
        moves = move_children(connection, compiled, pairs, moving=staying)
        for hop in hops:
            _journal_passed(connection, compiled, hop, seq or 0)
        merge_ids = [merge_id for hop in hops for merge_id in hop.merge_ids]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hop:
    """One edge, taken to the next customer that has a record; `passed` are the merges (id, loser) that it goes past."""

    pair: Pair
    passed: tuple[tuple[str, str], ...]

    @property
    def merge_ids(self) -> tuple[str, ...]:
        """Every merge that rows follow by this hop."""
        return (self.pair.merge_id, *(merge_id for merge_id, _ in self.passed))


def _steps(edges: Sequence[Any], new_ids: Mapping[TenantId, str], absent: Collection[TenantId]) -> Iterator[list[_Hop]]:
    """Edges from the losers to their roots, the farthest first.

    Edges of one step never share a winner, so that rows which meet there are ranked one after the other. Nobody
    without a record takes rows: who has got another id takes them under that, and past the others they go on.
    """
    onwards = {(tenant, loser): (winner, merge_id) for tenant, loser, winner, merge_id, *_ in edges}
    for _, step in groupby(edges, key=lambda edge: edge[4]):
        waiting = []
        for tenant, loser, winner, merge_id, _, facilitator in step:
            passed = []
            while (tenant, winner) in absent and (tenant, winner) in onwards:
                passed.append((onwards[tenant, winner][1], winner))
                winner = onwards[tenant, winner][0]  # noqa: PLW2901 - the way goes on
            pair = Pair(
                merge_id=merge_id,
                tenant_id=tenant,
                loser_id=loser,
                winner_id=_now(tenant, winner, new_ids),
                position=1,
                facilitator_id=facilitator,
            )
            waiting.append(_Hop(pair=pair, passed=tuple(passed)))
        while waiting:
            now = {(hop.pair.tenant_id, hop.pair.winner_id): hop for hop in reversed(waiting)}
            yield list(now.values())
            waiting = [hop for hop in waiting if now[hop.pair.tenant_id, hop.pair.winner_id] is not hop]


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


def _journal_passed(connection: Connection, compiled: CompiledPlan, hop: _Hop, last_line: int) -> None:
    """Rows that went past a merge went through it for whoever takes it apart.

    What happened to the winner's own rows is about the last merge passed, whose winner it is. Figures only went through
    a customer who handed figures on before: an undo adds them to the row that this one had.
    """
    if not hop.passed:
        return
    schema = compiled.names.schema
    parameters = {
        "passed": [merge_id for merge_id, _ in hop.passed],
        "from_ids": [customer_id for _, customer_id in hop.passed],
        "last_passed": hop.passed[-1][0],
        "merge_id": hop.pair.merge_id,
        "loser_id": hop.pair.loser_id,
        "winner_id": hop.pair.winner_id,
        "last_line": last_line,
    }
    connection.exec_driver_sql(
        f"""
INSERT INTO {schema}.journal (merge_id, tenant_id, table_name, from_id, action, row_ids, before)
SELECT p.merge_id, j.tenant_id, j.table_name, p.from_id, j.action, j.row_ids,
  CASE WHEN j.action = 'SUMMED' THEN j.before END
FROM unnest(%(passed)s::text[]::uuid[], %(from_ids)s::text[]) WITH ORDINALITY AS p(merge_id, from_id, place)
JOIN {schema}.journal j ON j.merge_id = %(merge_id)s::uuid AND j.from_id = %(loser_id)s
  AND j.seq > %(last_line)s AND j.chunk IS NULL
WHERE j.action = 'MOVED' OR (j.action = 'SUMMED' AND EXISTS (
  SELECT FROM {schema}.journal k WHERE k.merge_id = p.merge_id AND k.from_id = p.from_id
    AND k.table_name = j.table_name AND k.action = 'SUMMED'))
ORDER BY p.place, j.seq""",
        parameters,
    )
    connection.exec_driver_sql(
        f"""
UPDATE {schema}.journal SET merge_id = %(last_passed)s::uuid
WHERE merge_id = %(merge_id)s::uuid AND from_id = %(winner_id)s AND seq > %(last_line)s""",
        parameters,
    )


def _remember(connection: Connection, compiled: CompiledPlan, merge_ids: Sequence[str], last_line: int) -> None:
    """These rows came late: an undo has to know them from those that came with their merge.

    Lines with a chunk number were written meanwhile by who moves the rows of a large merge.
    """
    schema = compiled.names.schema
    connection.exec_driver_sql(
        f"""
INSERT INTO {schema}.late_rows (merge_id, table_name, row_id)
SELECT j.merge_id, j.table_name, r.id FROM {schema}.journal j CROSS JOIN LATERAL unnest(j.row_ids) AS r(id)
WHERE j.merge_id = ANY(%(merge_ids)s::text[]::uuid[]) AND j.seq > %(last_line)s AND j.chunk IS NULL
  AND j.action IN ('MOVED', 'REMOVED', 'KEPT', 'HANDED_OVER')
ON CONFLICT DO NOTHING""",
        {"merge_ids": list(merge_ids), "last_line": last_line},
    )
