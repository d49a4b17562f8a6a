"""Rows that somebody wrote under a merged-away id: they follow the same path to the root, journalled at every step."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection

from merge_engine.applying import Pair, move_children
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.loading import TenantId, columns, load_roots
from merge_engine.merging import lock_customers
from merge_engine.statements.customers import BOUNDS


def reconcile(connection: Connection, compiled: CompiledPlan, limit: int, merged_since: datetime | None) -> int:
    """Move the rows of at most `limit` merged-away customers; returns how many rows were found under such ids.

    Rows take one edge at a time, so that each merge on their way can be taken apart later with them in it.
    """
    connection.exec_driver_sql(BOUNDS)
    found = connection.exec_driver_sql(compiled.upkeep.stragglers, {"limit": limit, "since": merged_since})
    losers = [(tenant, customer_id) for tenant, customer_id in found]
    if not losers:
        return 0
    roots = load_roots(connection, compiled, losers).by_id
    lock_customers(connection, compiled, {(tenant, root): False for (tenant, _), root in roots.items()})
    after = load_roots(connection, compiled, losers).by_id
    moved = 0
    for pairs in _steps(connection, compiled, _same(roots, after)):
        moved += _move(connection, compiled, losers, pairs)
    return moved


def _same(before: Mapping[TenantId, str], after: Mapping[TenantId, str]) -> list[TenantId]:
    """Customers whose identity changed while its lock was waited for are left to the next sweep."""
    return [customer for customer, root in before.items() if after[customer] == root != customer[1]]


def _steps(connection: Connection, compiled: CompiledPlan, losers: Sequence[TenantId]) -> Iterator[list[Pair]]:
    """Edges from the losers to their roots, the farthest first.

    Edges of one step never share a winner, so that rows which meet there are ranked one after the other.
    """
    tenants, ids = columns(losers, 2)
    edges = connection.exec_driver_sql(compiled.upkeep.path, {"tenants": tenants, "ids": ids}).all()
    for _, step in groupby(edges, key=lambda edge: edge[4]):
        waiting = [
            Pair(merge_id=merge_id, tenant_id=tenant, loser_id=loser, winner_id=winner, position=1)
            for tenant, loser, winner, merge_id, _ in step
        ]
        while waiting:
            now = {(pair.tenant_id, pair.winner_id): pair for pair in reversed(waiting)}
            yield list(now.values())
            waiting = [pair for pair in waiting if now[pair.tenant_id, pair.winner_id] is not pair]


def _move(connection: Connection, compiled: CompiledPlan, losers: Sequence[TenantId], pairs: Sequence[Pair]) -> int:
    """Move one step; only rows that are at the beginning of their way are counted."""
    moves = move_children(connection, compiled, pairs)
    beginning = {pair.merge_id for pair in pairs if (pair.tenant_id, pair.loser_id) in set(losers)}
    return sum(
        count
        for counts in (moves.rows, moves.collisions)
        for (merge_id, _), count in counts.items()
        if merge_id in beginning
    )
