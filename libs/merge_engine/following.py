"""The way of rows that come under a merged-away id: edge by edge to the root, so that each merge on it can be undone.

Rows of tables that move in chunks may also go there at once, journalled for every merge on their way.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection

from merge_engine.compiled_plan import CompiledPlan
from merge_engine.loading import TenantId, columns
from merge_engine.moving_children import ChildMoves, Pair, move_children
from merge_engine.purging import purge_again


def follow(
    connection: Connection, compiled: CompiledPlan, losers: Sequence[TenantId], *, chunks: bool = True
) -> Iterator[tuple[Sequence[Pair], ChildMoves]]:
    """Move what hangs on the losers, and on everybody on their way, to the roots; answers what each step moved.

    Without `chunks`, rows that can move in chunks stay where they are.
    """
    for step in _steps(connection, compiled, losers):
        pairs = [hop.pair for hop in step]
        seq = connection.exec_driver_sql(f"SELECT max(seq) FROM {compiled.names.schema}.journal").scalar_one()
        staying: Collection[str] = () if chunks else {pair.merge_id for pair in pairs}
        moves = move_children(connection, compiled, pairs, moving=staying)
        for hop in step:
            _journal_passed(connection, compiled, hop, seq or 0)
        purge_again(connection, compiled, [pair.merge_id for pair in pairs])
        yield pairs, moves


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


def _steps(connection: Connection, compiled: CompiledPlan, losers: Sequence[TenantId]) -> Iterator[list[_Hop]]:
    """Edges from the losers to their roots, the farthest first.

    Edges of one step never share a winner, so that rows which meet there are ranked one after the other. Nobody
    without a record takes rows: such a winner was merged on and deleted, or has got another id.
    """
    tenants, ids = columns(losers, 2)
    edges = connection.exec_driver_sql(compiled.upkeep.path, {"tenants": tenants, "ids": ids}).all()
    new_ids = _new_ids(connection, compiled, [edge[3] for edge in edges])
    absent = _absent(connection, compiled, [(edge[0], edge[2]) for edge in edges]) - new_ids.keys()
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


def _absent(connection: Connection, compiled: CompiledPlan, ids: Sequence[TenantId]) -> set[TenantId]:
    """Customers without a record."""
    names = compiled.names
    tenants, customer_ids = columns(ids, 2)
    match = names.match("c", names.typed_tenant("n.tenant_id"), names.typed_key("n.customer_id"))
    rows = connection.exec_driver_sql(
        "SELECT n.tenant_id, n.customer_id "
        "FROM unnest(%(tenants)s::text[], %(ids)s::text[]) AS n(tenant_id, customer_id) "
        f"WHERE NOT EXISTS (SELECT FROM {names.customers} c WHERE {match})",
        {"tenants": tenants, "ids": customer_ids},
    )
    return {(tenant, customer_id) for tenant, customer_id in rows}


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
    """Rows that went past a merge went through it for whoever takes it apart."""
    schema = compiled.names.schema
    for merge_id, from_id in hop.passed:
        connection.exec_driver_sql(
            f"""
INSERT INTO {schema}.journal (merge_id, tenant_id, table_name, from_id, action, row_ids)
SELECT %(passed)s::uuid, tenant_id, table_name, %(from_id)s, action, row_ids FROM {schema}.journal
WHERE merge_id = %(merge_id)s::uuid AND from_id = %(loser_id)s AND action = 'MOVED' AND seq > %(last_line)s""",
            {
                "passed": merge_id,
                "from_id": from_id,
                "merge_id": hop.pair.merge_id,
                "loser_id": hop.pair.loser_id,
                "last_line": last_line,
            },
        )
