"""Rows that somebody wrote under a merged-away id: they follow the same path to the root, journalled at every step."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from merge_engine.compiled_plan import CompiledPlan
from merge_engine.following import follow, follow_some
from merge_engine.loading import TenantId, columns, load_roots, text_columns
from merge_engine.merging import lock_customers
from merge_engine.past_refusals import Straggler, past_refusals
from merge_engine.statements.customers import BOUNDS


def reconcile(
    connection: Connection, compiled: CompiledPlan, limit: int, merged_since: datetime | None, rows: int
) -> int:
    """Move about `rows` rows of at most `limit` merged-away customers; returns how many were found under such ids.

    Rows take one edge at a time, so that each merge on their way can be taken apart later with them in it. A customer
    who alone has more than `rows` gets on by as many of those that can move in chunks; all others go at once. Rows that
    the database refuses stay where they are, for `verify` to find, and hold up no others.
    """
    connection.exec_driver_sql(BOUNDS)
    found = connection.exec_driver_sql(compiled.upkeep.stragglers, {"limit": limit, "since": merged_since})
    losers, crowded = _that_fit(connection, compiled, [(tenant, id_) for tenant, id_ in found], rows)
    if not losers:
        return 0
    roots = load_roots(connection, compiled, losers).by_id
    lock_customers(connection, compiled, {(tenant, root): False for (tenant, _), root in roots.items()})
    losers = _resting(connection, compiled, roots, _same(roots, load_roots(connection, compiled, losers).by_id))

    def carry(plan: CompiledPlan, some: Sequence[TenantId]) -> int:
        moved = sum(follow_some(connection, plan, one, roots[one], rows) for one in some) if crowded else 0
        return moved or _follow(connection, plan, some)

    def alone(loser: TenantId) -> int:
        straggler = Straggler(loser=loser, root_id=roots[loser])
        return straggler.carry_each(connection, compiled, partial(_follow, connection), rows)

    return past_refusals(connection, compiled, losers, carry, alone)


def _that_fit(
    connection: Connection, compiled: CompiledPlan, losers: Sequence[TenantId], rows: int
) -> tuple[Sequence[TenantId], bool]:
    """The first of the customers, as many as have so many rows together; or the very first, who has more alone."""
    if not losers or compiled.chunks.count is None:
        return losers, False
    tenants, ids = text_columns(losers, 2)
    parameters = {"tenants": tenants, "losers": ids, "limit": rows + 1, "limit_at_once": rows + 1}
    found = connection.exec_driver_sql(compiled.chunks.count, parameters)
    sizes = {(tenant, id_): sum(counts) for tenant, id_, *counts in found}
    left = rows
    for place, loser in enumerate(losers):
        left -= sizes[loser]
        if left < 0:
            return losers[: max(place, 1)], place == 0
    return losers, False


def _same(before: Mapping[TenantId, str], after: Mapping[TenantId, str]) -> list[TenantId]:
    """Customers whose identity changed while its lock was waited for are left to the next sweep."""
    return [customer for customer, root in before.items() if after[customer] == root != customer[1]]


def _resting(
    connection: Connection, compiled: CompiledPlan, roots: Mapping[TenantId, str], losers: Sequence[TenantId]
) -> list[TenantId]:
    """Without those whose rows began to move, or to go back, while the lock was waited for: a mover has them now."""
    tenants, root_ids = columns([(customer[0], roots[customer]) for customer in losers], 2)
    rows = connection.exec_driver_sql(
        f"""
SELECT v.tenant_id, v.customer_id FROM unnest(%(tenants)s::text[], %(roots)s::text[]) AS n(tenant_id, customer_id)
JOIN {compiled.names.schema}.moving_customers v USING (tenant_id, customer_id)""",
        {"tenants": tenants, "roots": root_ids},
    )
    moving = {(tenant, root) for tenant, root in rows}
    return [customer for customer in losers if (customer[0], roots[customer]) not in moving]


def _follow(connection: Connection, compiled: CompiledPlan, losers: Sequence[TenantId]) -> int:
    """Move everything of the losers; only rows that are at the beginning of their way are counted."""
    named = set(losers)
    moved = 0
    for pairs, moves in follow(connection, compiled, losers):
        beginning = {pair.merge_id for pair in pairs if (pair.tenant_id, pair.loser_id) in named}
        moved += sum(
            count
            for counts in (moves.rows, moves.collisions)
            for (merge_id, _), count in counts.items()
            if merge_id in beginning
        )
    return moved
