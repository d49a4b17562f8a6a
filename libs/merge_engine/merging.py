"""One batch of merge orders, from locks to results. Every step is one statement for all orders of a wave."""

from collections.abc import Mapping, Sequence
from itertools import count

from sqlalchemy import Connection

from customer_identity.merging import MergeOrder, MergeResult, Refused, RuleFailure, Stage
from customer_identity.merging.planning import MergePlan, plan_merge
from customer_identity.merging.redirect_checks import Resolved, check_shape, resolve
from customer_identity.merging.waves import waves_of
from event_runtime.database import execute
from merge_engine.applying import apply_plans
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.faults import RootMoved
from merge_engine.large.sizing import measure
from merge_engine.literals import typed_literals
from merge_engine.loading import Roots, TenantId, columns, load_asserted, load_identities, load_roots
from merge_engine.row_choices import foreign_rows
from merge_engine.statements.customers import BOUNDS


def merge(connection: Connection, compiled: CompiledPlan, orders: Sequence[MergeOrder]) -> list[MergeResult]:
    """Answer every order at its place."""
    results: dict[int, MergeResult] = {}
    for position, order in enumerate(orders):
        refused = check_shape(order)
        if refused is not None:
            results[position] = refused
    positions = [position for position in range(len(orders)) if position not in results]
    if positions:
        execute(connection, BOUNDS)
        named = sorted({(orders[at].tenant_id, id_) for at in positions for id_ in orders[at].touched})
        roots = load_roots(connection, compiled, named)
        waves = waves_of([_roots_of(orders[at], roots) for at in positions])
        _lock(connection, compiled, [orders[at] for at in positions], roots, alone=len(waves) == 1)
        roots = require_unmoved(roots, load_roots(connection, compiled, named))
        for number, wave in enumerate(waves):
            if number:
                roots = load_roots(connection, compiled, named)
            at = [positions[index] for index in wave]
            results.update(zip(at, _run_wave(connection, compiled, [orders[i] for i in at], roots), strict=True))
    return [results[position] for position in range(len(orders))]


def lock_customers(connection: Connection, compiled: CompiledPlan, losing_by_id: Mapping[TenantId, bool]) -> None:
    """Lock customers in the one global order: by tenant and id as text, whatever the caller's order was."""
    names = compiled.names
    rows = [
        (tenant, id_, losing)
        for (tenant, id_), losing in sorted(losing_by_id.items())
        if names.is_tenant(tenant) and names.is_key(id_)
    ]
    tenants, ids, losing = columns(rows, 3)
    execute(connection, compiled.customers.lock, {"tenants": tenants, "ids": ids, "losing": losing})


def _lock(
    connection: Connection, compiled: CompiledPlan, orders: Sequence[MergeOrder], roots: Roots, *, alone: bool
) -> None:
    """Lock every root of the batch at once.

    Where orders share identities a winner may lose in a later wave, and where the plan chooses the winner anybody may:
    those are locked as losers from the start.
    """
    losing: dict[TenantId, bool] = {}
    for order in orders:
        for id_ in order.touched:
            root = (order.tenant_id, roots.by_id[order.tenant_id, id_])
            loses = not alone or order.winner_id is None or id_ != order.winner_id
            losing[root] = losing.get(root, False) or loses
    lock_customers(connection, compiled, losing)


def require_unmoved(before: Roots, after: Roots) -> Roots:
    """The roots as they are under lock. Raises RootMoved when they are not those that were locked."""
    if before.by_id != after.by_id:
        raise RootMoved("an identity of the batch was merged or taken apart while its lock was waited for")
    return after


def _check_rows(
    connection: Connection, compiled: CompiledPlan, resolved: Resolved, plan: MergeResult | MergePlan
) -> MergeResult | MergePlan:
    """An order that chooses rows of others is wrong in itself, whatever else stands in its way."""
    foreign = foreign_rows(connection, compiled, resolved)
    if not foreign:
        return plan
    wrong = plan.errors if isinstance(plan, Refused) and plan.stage is Stage.VALIDATION else ()
    return Refused(order=resolved.order, stage=Stage.VALIDATION, errors=(*wrong, *foreign))


def _roots_of(order: MergeOrder, roots: Roots) -> list[TenantId]:
    return [(order.tenant_id, roots.by_id[order.tenant_id, id_]) for id_ in order.touched]


def _run_wave(
    connection: Connection, compiled: CompiledPlan, orders: Sequence[MergeOrder], roots: Roots
) -> list[MergeResult]:
    resolved = [resolve(order, {id_: roots.by_id[order.tenant_id, id_] for id_ in order.touched}) for order in orders]
    wanted = [(r.order.tenant_id, root) for r in resolved if isinstance(r, Resolved) for root in r.root_ids]
    if not wanted:
        return [result for result in resolved if not isinstance(result, Resolved)]
    identities = load_identities(connection, compiled, wanted)
    asserted = load_asserted(connection, compiled, identities)
    planned: list[MergeResult | MergePlan] = []
    for order in resolved:
        if isinstance(order, Resolved):
            own = {root: identities[order.order.tenant_id, root] for root in order.root_ids}
            literals = typed_literals(connection, compiled, order.order)
            plan = plan_merge(order, own, asserted, compiled.policy, roots.now, literals=literals)
            planned.append(_check_rows(connection, compiled, order, plan))
        else:
            planned.append(order)
    plans = [plan for plan in planned if isinstance(plan, MergePlan)]
    sizes = measure(connection, compiled, plans)
    while sizes.too_large:
        # Looked at again each time: rows may have come meanwhile, and of the others nothing was said before.
        planned = _without(planned, sizes.too_large)
        plans = [plan for plan in planned if isinstance(plan, MergePlan)]
        sizes = measure(connection, compiled, plans)
    merged = iter(apply_plans(connection, compiled, plans, roots.now, sizes))
    return [next(merged) if isinstance(result, MergePlan) else result for result in planned]


def _without(
    planned: Sequence[MergeResult | MergePlan], too_large: Mapping[int, RuleFailure]
) -> list[MergeResult | MergePlan]:
    """What no transaction can take is refused; the rest is left as it is."""
    place = count()
    left: list[MergeResult | MergePlan] = []
    for plan in planned:
        failure = too_large.get(next(place)) if isinstance(plan, MergePlan) else None
        left.append(plan if failure is None else Refused(order=plan.order, stage=Stage.ELIGIBILITY, errors=(failure,)))
    return left
