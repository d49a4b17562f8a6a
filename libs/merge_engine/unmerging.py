"""Taking a merge apart: who stands alone again, what went back, and an honest list of what did not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from uuid_utils.compat import uuid7

from customer_identity.merging import (
    Noop,
    NoopReason,
    NotDuplicateOrder,
    Redirect,
    Refused,
    RuleFailure,
    Side,
    Stage,
    Unmerged,
    UnmergeMode,
    UnmergeOrder,
    UnmergeResult,
    VersionedId,
)
from customer_identity.merging.identity import Identity, Member
from customer_identity.merging.identity_map import redirects_of_unmerge, subtree_of
from merge_engine.applying import keep_redirects
from merge_engine.asserting import keep_pairs
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.loading import columns, load_identities, load_roots
from merge_engine.merging import lock_customers
from merge_engine.reading import load_merge
from merge_engine.restoring_fields import restore_fields
from merge_engine.restoring_rows import JournalEntry, Restoration, load_journal, restore_rows
from merge_engine.statements.customers import BOUNDS
from merge_engine.values import MergeRecord


def unmerge(connection: Connection, compiled: CompiledPlan, order: UnmergeOrder) -> UnmergeResult:
    """Restore the losers of a merge from its journal. Nothing is guessed: what cannot go back is listed."""
    merge = load_merge(connection, compiled, order.merge_id)
    if merge is None or merge.tenant_id != order.tenant_id:
        return _refused(order, "MERGE_NOT_FOUND", (), "there is no such merge", "look up the id with status")
    unknown = tuple(loser_id for loser_id in order.loser_ids if loser_id not in merge.loser_ids)
    if unknown:
        return _refused(order, "NOT_A_LOSER", unknown, "the merge has no such loser", "name losers of that merge")
    if order.mode is UnmergeMode.TREE:
        return _refused(order, "NOT_SUPPORTED", (), "this version takes merges apart newest first", "use mode LINEAR")
    connection.exec_driver_sql(BOUNDS)
    asked = order.loser_ids or merge.loser_ids
    winner = (merge.tenant_id, merge.winner_id)
    lock_customers(connection, compiled, {winner: True, **{(merge.tenant_id, loser_id): True for loser_id in asked}})
    losers = _still_merged(connection, compiled, merge, asked)
    if not losers:
        return Noop(order=order, reason=NoopReason.NOTHING_TO_DO, canonical_id=merge.winner_id)
    now = load_roots(connection, compiled, [winner]).now
    if now > merge.undoable_until:
        return _refused(order, "UNDO_WINDOW_CLOSED", losers, "the merge can no longer be undone", "correct it by hand")
    journal = load_journal(connection, compiled, merge.merge_id)
    newer = _newer_merges(connection, compiled, merge, losers)
    if newer:
        message = f"newer merges involve these rows: {', '.join(newer)}"
        return _refused(order, "UNMERGE_NEWER_FIRST", losers, message, f"unmerge first: {', '.join(newer)}")
    return _take_apart(connection, compiled, _Undo(order=order, merge=merge, losers=losers, journal=journal))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Undo:
    """A merge that will be taken apart: `losers` are those that go."""

    order: UnmergeOrder
    merge: MergeRecord
    losers: tuple[str, ...]
    journal: Sequence[JournalEntry]


def _take_apart(connection: Connection, compiled: CompiledPlan, undo: _Undo) -> Unmerged:
    merge = undo.merge
    winner = (merge.tenant_id, merge.winner_id)
    now = load_roots(connection, compiled, [winner]).now
    identity = load_identities(connection, compiled, [winner])[winner]
    subtrees = _subtrees(identity, undo.losers)
    done = Restoration()
    restore_rows(connection, compiled, merge, losers=undo.losers, journal=undo.journal, done=done)
    complete = _deactivate(connection, compiled, undo)
    redirects = _redirects(connection, compiled, undo, subtrees)
    versions = _restore_records(connection, compiled, undo, subtrees, done)
    restore_fields(connection, compiled, merge, undo.journal, done)
    if complete:
        done.drop_created_rows(connection, compiled, merge, undo.journal)
    unmerge_id = _record(connection, compiled, undo)
    return Unmerged(
        order=undo.order,
        unmerge_id=unmerge_id,
        merge_id=merge.merge_id,
        from_id=merge.winner_id,
        restored=tuple(VersionedId(id=loser_id, version=versions[loser_id]) for loser_id in undo.losers),
        redirects=redirects,
        returned=done.returned_rows(),
        kept=tuple(done.kept),
        recomputed_fields=tuple(done.recomputed_fields),
        conflicts=tuple(done.conflicts),
        at=now,
    )


def _still_merged(
    connection: Connection, compiled: CompiledPlan, merge: MergeRecord, asked: Sequence[str]
) -> tuple[str, ...]:
    rows = connection.exec_driver_sql(
        f"SELECT loser_id FROM {compiled.names.schema}.edges WHERE active AND merge_id = %(merge_id)s::uuid "
        "AND loser_id = ANY(%(losers)s::text[]) ORDER BY loser_id",
        {"merge_id": merge.merge_id, "losers": list(asked)},
    )
    return tuple(loser_id for (loser_id,) in rows)


def _newer_merges(
    connection: Connection, compiled: CompiledPlan, merge: MergeRecord, losers: Sequence[str]
) -> tuple[str, ...]:
    """Merges to take apart first.

    Those that carried the winner away, and those whose collisions involve rows that came from these losers.
    """
    schema = compiled.names.schema
    path = connection.exec_driver_sql(
        compiled.upkeep.path, {"tenants": [merge.tenant_id], "ids": [merge.winner_id]}
    ).all()
    collided = connection.exec_driver_sql(
        f"""
WITH own AS (SELECT table_name, row_ids FROM {schema}.journal
  WHERE merge_id = %(merge_id)s::uuid AND action = 'MOVED' AND from_id = ANY(%(losers)s::text[])),
newer AS (SELECT merge_id, merged_at FROM {schema}.merges
  WHERE tenant_id = %(tenant)s AND winner_id = %(winner)s AND merged_at > %(merged_at)s AND state <> 'UNMERGED')
SELECT j.merge_id::text FROM newer JOIN {schema}.journal j USING (merge_id) JOIN own USING (table_name)
WHERE j.action = 'REMOVED' AND (j.row_ids && own.row_ids
  OR EXISTS (SELECT 1 FROM jsonb_array_elements(j.before) x WHERE x->>'kept' = ANY(own.row_ids)))
GROUP BY j.merge_id ORDER BY max(newer.merged_at) DESC""",
        {
            "merge_id": merge.merge_id,
            "merged_at": merge.merged_at,
            "losers": list(losers),
            "tenant": merge.tenant_id,
            "winner": merge.winner_id,
        },
    )
    # In the order in which they must go: the way to the root backwards, then what happened at the winner itself.
    return tuple(dict.fromkeys([row[3] for row in reversed(path)] + [merge_id for (merge_id,) in collided]))


def _subtrees(identity: Identity, losers: Sequence[str]) -> Mapping[str, tuple[Member, ...]]:
    members = {member.customer_id: member for member in identity.members}
    edges = {id_: member.direct_to for id_, member in members.items() if member.direct_to != id_}
    return {loser_id: tuple(members[id_] for id_ in subtree_of(loser_id, edges)) for loser_id in losers}


def _deactivate(connection: Connection, compiled: CompiledPlan, undo: _Undo) -> bool:
    """Switch the edges off; answers whether the merge has no loser left."""
    schema = compiled.names.schema
    parameters = {"merge_id": undo.merge.merge_id, "losers": list(undo.losers)}
    connection.exec_driver_sql(
        f"UPDATE {schema}.edges SET active = false "
        "WHERE merge_id = %(merge_id)s::uuid AND loser_id = ANY(%(losers)s::text[])",
        parameters,
    )
    state = connection.exec_driver_sql(
        f"""
UPDATE {schema}.merges m SET state = CASE WHEN EXISTS (
  SELECT 1 FROM {schema}.edges e WHERE e.merge_id = m.merge_id AND e.active) THEN 'PARTLY_UNMERGED' ELSE 'UNMERGED' END
WHERE m.merge_id = %(merge_id)s::uuid RETURNING m.state""",
        parameters,
    ).scalar_one()
    return bool(state == "UNMERGED")


def _redirects(
    connection: Connection, compiled: CompiledPlan, undo: _Undo, subtrees: Mapping[str, tuple[Member, ...]]
) -> tuple[Redirect, ...]:
    changed = [
        redirect for loser_id, subtree in subtrees.items() for redirect in redirects_of_unmerge(loser_id, subtree)
    ]
    merge = undo.merge
    now = load_roots(connection, compiled, [(merge.tenant_id, merge.winner_id)]).now
    keep_redirects(connection, compiled, [(merge.merge_id, merge.tenant_id, changed)], now)
    return tuple(changed)


def _restore_records(
    connection: Connection,
    compiled: CompiledPlan,
    undo: _Undo,
    subtrees: Mapping[str, tuple[Member, ...]],
    done: Restoration,
) -> dict[str, int]:
    """Losers' records stand for themselves again; records that had been merged into them point at them again."""
    tenant = undo.merge.tenant_id
    images = {entry.from_id: entry.before for entry in undo.journal if entry.action == "LOSER"}
    versions = {}
    for loser_id in undo.losers:
        row = connection.exec_driver_sql(
            compiled.undo.restore_loser,
            {"tenant": tenant, "id": loser_id, "image": images[loser_id], **compiled.mark_parameters},
        ).one()
        versions[loser_id] = row[0]
        marks = zip(compiled.plan.disposition.set, row[1:], strict=True)
        for column, restored in marks:
            if not restored:
                done.conflict(compiled.plan.customer.table, loser_id, f"FIELD_CHANGED_SINCE: {column}")
    below = [
        (tenant, member.customer_id, loser_id)
        for loser_id, subtree in subtrees.items()
        for member in subtree[1:]
        if member.version is not None
    ]
    if below:
        tenants, ids, roots = columns(below, 3)
        connection.exec_driver_sql(compiled.customers.links, {"tenants": tenants, "ids": ids, "roots": roots})
    return versions


def _record(connection: Connection, compiled: CompiledPlan, undo: _Undo) -> str:
    """Keep who took the merge apart, and assert that the winner and each restored customer are different people."""
    order, merge = undo.order, undo.merge
    unmerge_id = str(uuid7())
    connection.exec_driver_sql(
        f"""
INSERT INTO {compiled.names.schema}.unmerges
  (unmerge_id, merge_id, tenant_id, command_id, loser_ids, actor, reason, unmerged_at)
VALUES (%(unmerge_id)s::uuid, %(merge_id)s::uuid, %(tenant)s, %(command)s, %(losers)s::text[], %(actor)s, %(reason)s,
  clock_timestamp())""",
        {
            "unmerge_id": unmerge_id,
            "merge_id": merge.merge_id,
            "tenant": order.tenant_id,
            "command": order.command_id,
            "losers": list(undo.losers),
            "actor": order.requested_by.id,
            "reason": order.reason,
        },
    )
    assertion = NotDuplicateOrder(
        tenant_id=order.tenant_id,
        command_id=order.command_id,
        customer_ids=(merge.winner_id, *undo.losers),
        requested_by=order.requested_by,
        reason=order.reason,
    )
    pairs = [(min(merge.winner_id, loser_id), max(merge.winner_id, loser_id)) for loser_id in undo.losers]
    keep_pairs(connection, compiled, assertion, pairs)
    return unmerge_id


def _refused(order: UnmergeOrder, rule: str, customer_ids: Sequence[str], message: str, remediation: str) -> Refused:
    failure = RuleFailure(
        rule=rule,
        side=Side.SYSTEM,
        customer_ids=tuple(customer_ids),
        field=None,
        message=message,
        remediation=remediation,
        permanent=True,
    )
    stage = Stage.ELIGIBILITY if rule in {"UNMERGE_NEWER_FIRST", "UNDO_WINDOW_CLOSED"} else Stage.VALIDATION
    return Refused(order=order, stage=stage, errors=(failure,))
