"""In which order merges come apart: what was built on a merge goes before it."""

from dataclasses import replace

from sqlalchemy import Connection

from customer_identity.merging import Refused, UnmergeMode, UnmergeOrder
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.unmerging import newer_than, scope_of, time_for
from merge_engine.unmerging_plan import plan_undoing
from merge_engine.unmerging_scope import Scope


def undo_order(connection: Connection, compiled: CompiledPlan, order: UnmergeOrder) -> tuple[str, ...] | Refused:
    """The merges to undo newest first, the order's own last; what is undone already is none of them.

    Refused: one of them cannot be undone at all, for a reason that is not another merge. Locks like an undo and
    changes nothing; newest first whatever the order's mode says.
    """
    done: dict[str, None] = {}
    waiting = [order.merge_id]
    while waiting:
        merge_id = waiting[-1]
        step = order if merge_id == order.merge_id else replace(order, merge_id=merge_id, loser_ids=())
        newer = _newer(connection, compiled, replace(step, mode=UnmergeMode.LINEAR))
        if isinstance(newer, Refused):
            return newer
        before = [one for one in newer or () if one not in done and one not in waiting]
        if before:
            waiting.append(before[0])
            continue
        waiting.pop()
        if newer is not None:
            done[merge_id] = None
    return tuple(done)


def _newer(connection: Connection, compiled: CompiledPlan, order: UnmergeOrder) -> tuple[str, ...] | Refused | None:
    """The merges that must go before; None when it is undone already."""
    scope = scope_of(connection, compiled, order)
    if not isinstance(scope, Scope):
        return scope if isinstance(scope, Refused) else None
    with time_for(connection, compiled, scope):
        return newer_than(plan_undoing(connection, compiled, scope))
