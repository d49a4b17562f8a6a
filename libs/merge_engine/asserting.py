"""Keeping people apart: pairs of customers that somebody said are different."""

from itertools import combinations

from sqlalchemy import Connection

from customer_identity.merging import (
    NotDuplicateOrder,
    NotDuplicateRecorded,
    NotDuplicateResult,
    Refused,
    RuleFailure,
    Side,
    Stage,
)
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.loading import TenantId, load_roots
from merge_engine.merging import lock_customers, require_unmoved
from merge_engine.statements.customers import BOUNDS


def assert_not_duplicate(
    connection: Connection, compiled: CompiledPlan, order: NotDuplicateOrder
) -> NotDuplicateResult:
    """Record every pair, or withdraw it; a merge that runs at the same moment comes wholly before or wholly after."""
    ids = list(dict.fromkeys(order.customer_ids))
    if len(ids) < 2:
        return _refused(order, "SAME_RECORD", ids, "the order names fewer than two customers", "name at least two")
    connection.exec_driver_sql(BOUNDS)
    named: list[TenantId] = [(order.tenant_id, id_) for id_ in ids]
    roots = load_roots(connection, compiled, named)
    lock_customers(connection, compiled, {(order.tenant_id, root): False for root in roots.by_id.values()})
    roots = require_unmoved(roots, load_roots(connection, compiled, named))
    pairs = [(min(a, b), max(a, b)) for a, b in combinations(ids, 2)]
    together = [pair for pair in pairs if len({roots.by_id[order.tenant_id, id_] for id_ in pair}) == 1]
    if together and not order.withdrawn:
        return _refused(
            order,
            "ALREADY_MERGED",
            [id_ for pair in together for id_ in pair],
            "the customers are one identity already",
            "take their merge apart first; that asserts the pair as well",
        )
    keep_pairs(connection, compiled, order, pairs)
    return NotDuplicateRecorded(order=order, pairs=tuple(pairs), at=roots.now)


def keep_pairs(
    connection: Connection, compiled: CompiledPlan, order: NotDuplicateOrder, pairs: list[tuple[str, str]]
) -> None:
    """Write pairs, the smaller id first."""
    connection.exec_driver_sql(
        f"""
INSERT INTO {compiled.names.schema}.not_duplicates
  (tenant_id, a_id, b_id, withdrawn, command_id, actor, reason, asserted_at)
SELECT %(tenant)s, v.a_id, v.b_id, %(withdrawn)s, %(command)s, %(actor)s, %(reason)s, clock_timestamp()
FROM unnest(%(a)s::text[], %(b)s::text[]) AS v(a_id, b_id)
ON CONFLICT (tenant_id, a_id, b_id) DO UPDATE SET withdrawn = EXCLUDED.withdrawn, command_id = EXCLUDED.command_id,
  actor = EXCLUDED.actor, reason = EXCLUDED.reason, asserted_at = EXCLUDED.asserted_at""",
        {
            "tenant": order.tenant_id,
            "withdrawn": order.withdrawn,
            "command": order.command_id,
            "actor": order.requested_by.id,
            "reason": order.reason,
            "a": [a for a, _ in pairs],
            "b": [b for _, b in pairs],
        },
    )


def _refused(order: NotDuplicateOrder, rule: str, customer_ids: list[str], message: str, remediation: str) -> Refused:
    failure = RuleFailure(
        rule=rule,
        side=Side.PAIR,
        customer_ids=tuple(dict.fromkeys(customer_ids)),
        field=None,
        message=message,
        remediation=remediation,
        permanent=True,
    )
    return Refused(order=order, stage=Stage.VALIDATION, errors=(failure,))
