"""How many rows a merge would move, and where: whether they follow in chunks, whether the transaction can take more."""

from collections.abc import Collection, Mapping, Sequence
from itertools import compress
from typing import Any

from sqlalchemy import Connection

from customer_identity.merging import Merged, RuleFailure, Side
from customer_identity.merging.planning import MergePlan
from event_runtime.database import execute
from frozen_values import dataclass
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.faults import TooManyRows
from merge_engine.large.leases import figures
from merge_engine.loading import TenantId, columns, text_columns

ROWS_A_TRANSACTION = 5_000
"""Child rows that one transaction moves at most: a tenth of a second or so, which is what others wait for its locks."""

_SPENT = "merge_engine rows moved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What plans will move. `large`: positions of those whose rows will follow in chunks.

    `occupied`: the labels of the children in which any loser has rows; in all others there is nothing to do.
    `too_large`: positions of those that no transaction can take, and why. Then nothing else is said.
    """

    large: frozenset[int] = frozenset()
    occupied: frozenset[str] = frozenset()
    too_large: Mapping[int, RuleFailure] | None = None


def measure(connection: Connection, compiled: CompiledPlan, plans: Sequence[MergePlan]) -> Sizes:
    """Look at the rows of all losers; those that do not follow in chunks count for the transaction.

    Raises TooManyRows when they are too many for it and more than one order is to blame.
    """
    if compiled.chunks.count is None or not plans:
        return Sizes()
    pairs = [(plan.order.tenant_id, loser.root_id) for plan in plans for loser in plan.losers]
    tenants, losers = text_columns(pairs, 2)
    inline = compiled.plan.inline_rows
    limits = {"limit": inline + 1, "limit_at_once": ROWS_A_TRANSACTION + 1}
    found = execute(connection, compiled.chunks.count, {"tenants": tenants, "losers": losers, **limits}).fetchall()
    sizes = _rows(compiled, plans, found)
    suspects = [position for position, (_, at_once) in enumerate(sizes) if at_once > ROWS_A_TRANSACTION]
    if suspects:
        losing = [(at, [(plans[at].order.tenant_id, one.root_id) for one in plans[at].losers]) for at in suspects]
        too_large = {at: failure for at, losers in losing if (failure := crowded(connection, compiled, losers))}
        if too_large:
            return Sizes(too_large=too_large)
    large = frozenset(position for position, (in_chunks, _) in enumerate(sizes) if in_chunks > inline)
    spent = [at_once + (0 if in_chunks > inline else in_chunks) for in_chunks, at_once in sizes]
    _spend(connection, [n for n in spent if n])
    counts = list(zip(*found, strict=True))[2:]
    occupied = (label for label, of_child in zip(compiled.chunks.counted, counts, strict=True) if any(of_child))
    return Sizes(large=large, occupied=frozenset(occupied))


def crowded(connection: Connection, compiled: CompiledPlan, losers: Sequence[TenantId]) -> RuleFailure | None:
    """Why no transaction can take what these losers have in a table that does not move in chunks; None if one can."""
    if compiled.chunks.count is None:
        return None
    tenants, ids = text_columns(losers, 2)
    limits = {"limit": 0, "limit_at_once": compiled.plan.rows_at_once + 1}
    found = execute(connection, compiled.chunks.count, {"tenants": tenants, "losers": ids, **limits}).fetchall()
    for label, *rows in zip(compiled.chunks.counted, *(counts for _, _, *counts in found), strict=True):
        limit = ROWS_A_TRANSACTION if label in compiled.chunks.announced else compiled.plan.rows_at_once
        if sum(rows) > limit:
            return RuleFailure(
                rule="TOO_LARGE",
                side=Side.LOSER,
                customer_ids=tuple(id_ for _, id_ in losers),
                field=None,
                message=f"more than {limit} rows of {label} would move in one transaction",
                remediation="remove rows that nobody needs, or have the plan move the table in another way",
                permanent=True,
            )
    return None


def leave_rows(connection: Connection, compiled: CompiledPlan, merges: Collection[Merged]) -> None:
    """Record that the rows of these merges are still to be moved."""
    rows = [(one.merge_id, one.order.tenant_id, one.order.command_id, figures(one.moved)) for one in merges]
    if not rows:
        return
    merge_ids, tenants, command_ids, moved = columns(rows, 4)
    connection.exec_driver_sql(
        f"""
INSERT INTO {compiled.names.schema}.large_merges
  (merge_id, tenant_id, command_id, moved, noticed_at, lease_until, started_at)
SELECT v.merge_id, v.tenant_id, v.command_id, v.moved::jsonb, clock_timestamp(), clock_timestamp(), clock_timestamp()
FROM unnest(%(merge_ids)s::text[]::uuid[], %(tenants)s::text[], %(command_ids)s::text[], %(moved)s::text[])
  AS v(merge_id, tenant_id, command_id, moved)""",
        {"merge_ids": merge_ids, "tenants": tenants, "command_ids": command_ids, "moved": moved},
    )


def _rows(
    compiled: CompiledPlan, plans: Sequence[MergePlan], found: Sequence[tuple[Any, ...]]
) -> list[tuple[int, int]]:
    """Rows of all losers of each plan: those that can move in chunks, and all others."""
    in_chunks = [label in compiled.chunks.tables for label in compiled.chunks.counted]
    by_loser = {tuple(row[:2]): (sum(compress(row[2:], in_chunks)), sum(row[2:])) for row in found}
    sizes = []
    for plan in plans:
        of_losers = [by_loser[plan.order.tenant_id, loser.root_id] for loser in plan.losers]
        chunked = sum(size for size, _ in of_losers)
        sizes.append((chunked, sum(size for _, size in of_losers) - chunked))
    return sizes


def _spend(connection: Connection, rows: Sequence[int]) -> None:
    """Count rows for the open transaction, whose batch may come here several times."""
    transaction = connection.get_transaction()
    before, spent = connection.info.get(_SPENT, (None, 0))
    already = spent if before is transaction else 0
    total = already + sum(rows)
    if total > ROWS_A_TRANSACTION and (already or len(rows) > 1):
        raise TooManyRows(f"this transaction would move {total} rows or more, {ROWS_A_TRANSACTION} are allowed")
    connection.info[_SPENT] = (transaction, total)
