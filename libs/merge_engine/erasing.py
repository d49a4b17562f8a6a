"""Forgetting a person: the whole identity, for good. A merge never looks like this, and this never like a merge."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from merge_engine.compiled_plan import CompiledPlan
from merge_engine.large.progress import moving_merges
from merge_engine.loading import load_identities, load_roots
from merge_engine.merging import lock_customers, require_unmoved
from merge_engine.statements.customers import BOUNDS

AUTOMATIC_MERGE = "AUTOMATIC_MERGE"
"""A policy joined the customers, nobody looked at them, and the merge can still be undone: a person has to confirm."""
ROWS_MOVING = "ROWS_MOVING"
"""Rows of a large merge are on their way; the erasure goes on when they have arrived."""

_AUTOMATIC_ACTOR = "policy:"
"""What the name of an actor begins with that is no person; the review desk approves by policy under such a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """The identity is forgotten. `known_ids` are those of its members that others had learnt from the identity map."""

    tenant_id: str
    canonical_id: str
    member_ids: tuple[str, ...]
    known_ids: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyErased:
    """The customer was erased before."""

    canonical_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureWaits:
    """Nothing was erased: `waiting_for` says why; `merge_ids` are the merges that a person has to look at."""

    member_ids: tuple[str, ...]
    waiting_for: tuple[str, ...]
    merge_ids: tuple[str, ...]


ErasureResult = Erased | AlreadyErased | ErasureWaits


def erase(
    connection: Connection, compiled: CompiledPlan, tenant_id: str, customer_id: str, *, confirmed: bool
) -> ErasureResult:
    """Erase the identity of a customer, unless it must wait. `confirmed`: a person has looked at its members."""
    connection.exec_driver_sql(BOUNDS)
    customer = (tenant_id, customer_id)
    before = _erased_before(connection, compiled, tenant_id, customer_id)
    if before is not None:
        return AlreadyErased(canonical_id=before)
    roots = load_roots(connection, compiled, [customer])
    root = (tenant_id, roots.by_id[customer])
    lock_customers(connection, compiled, {root: True, customer: True})
    roots = require_unmoved(roots, load_roots(connection, compiled, [customer]))
    identity = load_identities(connection, compiled, [root])[root]
    member_ids = tuple(member.customer_id for member in identity.members)
    moving = moving_merges(connection, compiled, tenant_id, [root[1]])
    unseen = () if confirmed else _automatic_merges(connection, compiled, tenant_id, member_ids, roots.now)
    if moving or unseen:
        waiting_for = (*((AUTOMATIC_MERGE,) if unseen else ()), *((ROWS_MOVING,) if moving else ()))
        return ErasureWaits(member_ids=member_ids, waiting_for=waiting_for, merge_ids=unseen)
    if not _claimed(connection, compiled, tenant_id=tenant_id, root_id=root[1], member_ids=member_ids, now=roots.now):
        return AlreadyErased(canonical_id=root[1])
    known = _forget(connection, compiled, tenant_id=tenant_id, root_id=root[1], member_ids=member_ids, now=roots.now)
    return Erased(tenant_id=tenant_id, canonical_id=root[1], member_ids=member_ids, known_ids=known, at=roots.now)


def _claimed(
    connection: Connection,
    compiled: CompiledPlan,
    *,
    tenant_id: str,
    root_id: str,
    member_ids: tuple[str, ...],
    now: datetime,
) -> bool:
    """Whether the ids are this erasure's: one that ran at the same moment may have been quicker."""
    whom = {"tenant": tenant_id, "ids": list(member_ids), "root": root_id, "at": now}
    return bool(connection.exec_driver_sql(compiled.erasure.erased, whom).all())


def _forget(
    connection: Connection,
    compiled: CompiledPlan,
    *,
    tenant_id: str,
    root_id: str,
    member_ids: tuple[str, ...],
    now: datetime,
) -> tuple[str, ...]:
    """Erase; answers the ids that others know."""
    statements, names = compiled.erasure, compiled.names
    ids = list(member_ids)
    whom = {"tenant": tenant_id, "ids": ids, "root": root_id, "at": now}
    merge_ids = [merge_id for (merge_id,) in connection.exec_driver_sql(statements.merges, whom)]
    connection.exec_driver_sql(statements.images, {**whom, "merge_ids": merge_ids})
    for statement in (statements.conversions, statements.requests, statements.edges):
        connection.exec_driver_sql(statement, whom)
    known = tuple(sorted(id_ for (id_,) in connection.exec_driver_sql(statements.canonical, whom)))
    keys = [id_ for id_ in ids if names.is_tenant(tenant_id) and names.is_key(id_)]
    for statement in statements.customers:
        connection.exec_driver_sql(statement, {"tenant": tenant_id, "keys": keys})
    return known


def _erased_before(connection: Connection, compiled: CompiledPlan, tenant_id: str, customer_id: str) -> str | None:
    canonical_id: str | None = connection.exec_driver_sql(
        f"SELECT canonical_id FROM {compiled.names.schema}.erased "
        "WHERE tenant_id = %(tenant)s AND customer_id = %(id)s",
        {"tenant": tenant_id, "id": customer_id},
    ).scalar_one_or_none()
    return canonical_id


def _automatic_merges(
    connection: Connection, compiled: CompiledPlan, tenant_id: str, member_ids: tuple[str, ...], now: datetime
) -> tuple[str, ...]:
    """Merges between the members that no person decided and that can still be undone, the newest first."""
    rows = connection.exec_driver_sql(
        f"""
SELECT m.merge_id::text FROM {compiled.names.schema}.merges m
WHERE m.tenant_id = %(tenant)s AND m.winner_id = ANY(%(ids)s::text[]) AND m.undoable_until >= %(now)s
  AND starts_with(m.actor, %(automatic)s) AND EXISTS (
    SELECT 1 FROM {compiled.names.schema}.edges e WHERE e.merge_id = m.merge_id AND e.active)
ORDER BY m.merged_at DESC, m.merge_id DESC""",
        {"tenant": tenant_id, "ids": list(member_ids), "now": now, "automatic": _AUTOMATIC_ACTOR},
    )
    return tuple(merge_id for (merge_id,) in rows)
