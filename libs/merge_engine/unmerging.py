"""Taking a merge apart: who stands alone again, what went back, and an honest list of what did not.

LINEAR takes apart what no newer merge was built on. TREE takes a loser, with all that was merged into it, out of
whoever answers for it now; the merges in between stay, as if the loser had never been there.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection
from uuid_utils.compat import uuid7

from customer_identity.merging import (
    Noop,
    NoopReason,
    NotDuplicateOrder,
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
from merge_engine.deleted_records import go_again
from merge_engine.large import returning
from merge_engine.large.progress import large_merges, moving_merges
from merge_engine.loading import load_identities, load_roots
from merge_engine.merging import lock_customers, require_unmoved
from merge_engine.reading import load_merge
from merge_engine.restoring_fields import restore_fields
from merge_engine.restoring_rows import Restoration
from merge_engine.statements.customers import BOUNDS, LIMITS, SET_LIMITS, UNHURRIED
from merge_engine.unmerging_plan import Undoing, plan_undoing
from merge_engine.unmerging_records import (
    PlaceTaken,
    bring_records_back,
    restore_records,
)
from merge_engine.unmerging_rows import take_rows_back
from merge_engine.unmerging_scope import Scope, load_scope
from merge_engine.unmerging_sums import take_sums_back
from merge_engine.values import MergeRecord


def unmerge(connection: Connection, compiled: CompiledPlan, order: UnmergeOrder) -> UnmergeResult:
    """Restore the losers of a merge from its journal. Nothing is guessed: what cannot go back is listed."""
    scope = scope_of(connection, compiled, order)
    if not isinstance(scope, Scope):
        return scope
    with time_for(connection, compiled, scope):
        undoing = undoing_of(connection, compiled, order, scope)
        return undoing if isinstance(undoing, Refused) else apart(connection, compiled, order, undoing)


def scope_of(connection: Connection, compiled: CompiledPlan, order: UnmergeOrder) -> Scope | Noop | Refused:
    """Lock everybody concerned and see what is to be taken apart, unless nothing is or something forbids it."""
    merge = load_merge(connection, compiled, order.merge_id)
    if merge is None or merge.tenant_id != order.tenant_id:
        return _refused(order, "MERGE_NOT_FOUND", (), "there is no such merge", "look up the id with status")
    unknown = tuple(loser_id for loser_id in order.loser_ids if loser_id not in merge.loser_ids)
    if unknown:
        return _refused(order, "NOT_A_LOSER", unknown, "the merge has no such loser", "name losers of that merge")
    connection.exec_driver_sql(BOUNDS)
    asked = order.loser_ids or merge.loser_ids
    winner = (merge.tenant_id, merge.winner_id)
    roots = load_roots(connection, compiled, [winner])
    named = {merge.winner_id, roots.by_id[winner], *asked}
    lock_customers(connection, compiled, {(merge.tenant_id, customer_id): True for customer_id in named})
    now = require_unmoved(roots, load_roots(connection, compiled, [winner])).now
    merge = load_merge(connection, compiled, order.merge_id) or merge  # an erasure may have come first
    losers = _still_merged(connection, compiled, merge, asked)
    if merge.erased_at is not None:
        return _refused(order, "ERASED", asked, "a customer of the merge was erased", "what was erased stays erased")
    if not losers:
        return Noop(order=order, reason=NoopReason.NOTHING_TO_DO, canonical_id=roots.by_id[winner])
    if now > merge.undoable_until:
        return _refused(order, "UNDO_WINDOW_CLOSED", losers, "the merge can no longer be undone", "correct it by hand")
    if moving_merges(connection, compiled, merge.tenant_id, [roots.by_id[winner]]):
        message = "rows of a large merge of these customers still move"
        return _refused(order, "MERGE_IN_PROGRESS", losers, message, "wait until they have moved", permanent=False)
    scope = load_scope(connection, compiled, merge, losers)
    if scope.conversions:
        message = f"the customer got another id since, by conversion {', '.join(scope.conversions)}"
        return _refused(order, "UNMERGE_NEWER_FIRST", losers, message, "convert the customer back first")
    return scope


@contextmanager
def time_for(connection: Connection, compiled: CompiledPlan, scope: Scope) -> Iterator[None]:
    """Lines of all merges of the identity are read, and a large merge's are many."""
    if not large_merges(connection, compiled, list(scope.by_id)):
        yield
        return
    limits = connection.exec_driver_sql(LIMITS).one()._asdict()
    connection.exec_driver_sql(SET_LIMITS, UNHURRIED)
    yield
    connection.exec_driver_sql(SET_LIMITS, limits)


def undoing_of(connection: Connection, compiled: CompiledPlan, order: UnmergeOrder, scope: Scope) -> Undoing | Refused:
    """What is to be taken back, unless newer merges stand in the way; large ones know no order but newest first."""
    undoing = plan_undoing(connection, compiled, scope)
    if order.mode is UnmergeMode.TREE and not returning.rows_in_chunks(connection, compiled, scope):
        return undoing
    newer = ", ".join(newer_than(undoing))
    if not newer:
        return undoing
    message = f"newer merges involve these rows: {newer}"
    if order.mode is UnmergeMode.TREE:
        message = f"a large merge is undone newest first; newer merges: {newer}"
    return _refused(order, "UNMERGE_NEWER_FIRST", scope.leaving, message, f"unmerge first: {newer}")


def newer_than(undoing: Undoing) -> tuple[str, ...]:
    """The merges that go before this one, newest first: the way to the root backwards, then what met its rows."""
    return tuple(dict.fromkeys([*reversed(undoing.scope.hops), *undoing.met]))


def apart(
    connection: Connection,
    compiled: CompiledPlan,
    order: UnmergeOrder,
    undoing: Undoing,
    done: Restoration | None = None,
) -> Unmerged | Refused:
    """Take the merge apart; `done` is what went back before."""
    try:
        with connection.begin_nested():
            return _take_apart(connection, compiled, order, undoing, done or Restoration())
    except PlaceTaken as taken:
        scope = undoing.scope
        if taken.customer_id in scope.leaving:
            message = "a value of the customer that only one record may hold is another's by now"
            return _refused(order, "VALUE_TAKEN", (taken.customer_id,), message, "free the value first")
        newer = ", ".join(reversed(scope.hops))
        message = f"records that newer merges deleted cannot come back: {newer}"
        return _refused(order, "UNMERGE_NEWER_FIRST", scope.leaving, message, f"unmerge first: {newer}")


def _take_apart(
    connection: Connection, compiled: CompiledPlan, order: UnmergeOrder, undoing: Undoing, done: Restoration
) -> Unmerged:
    scope = undoing.scope
    root = (scope.tenant_id, scope.root_id)
    now = load_roots(connection, compiled, [root]).now
    subtrees = _subtrees(load_identities(connection, compiled, [root])[root], scope.leaving)
    gone = [member.customer_id for subtree in subtrees.values() for member in subtree]
    # The winner before the losers: what only one record may hold is free when its owner comes back.
    restore_fields(connection, compiled, scope, gone, done)
    brought_back = bring_records_back(connection, compiled, undoing)
    take_rows_back(connection, compiled, undoing, done)
    take_sums_back(connection, compiled, scope, undoing.sums, done)
    go_again(connection, compiled, brought_back)
    _deactivate(connection, compiled, scope)
    redirects = tuple(redirect for id_, subtree in subtrees.items() for redirect in redirects_of_unmerge(id_, subtree))
    keep_redirects(connection, compiled, [(scope.merge.merge_id, scope.tenant_id, redirects)], now)
    versions = restore_records(connection, compiled, scope, subtrees, done)
    kept, conflicts = done.told()
    return Unmerged(
        order=order,
        unmerge_id=_record(connection, compiled, order, scope),
        merge_id=scope.merge.merge_id,
        from_id=scope.root_id,
        restored=tuple(VersionedId(id=loser_id, version=versions[loser_id]) for loser_id in scope.leaving),
        redirects=redirects,
        returned=done.returned_rows(),
        kept=kept,
        recomputed_fields=tuple(done.recomputed_fields),
        conflicts=conflicts,
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


def _subtrees(identity: Identity, losers: Sequence[str]) -> Mapping[str, tuple[Member, ...]]:
    members = {member.customer_id: member for member in identity.members}
    edges = {id_: member.direct_to for id_, member in members.items() if member.direct_to != id_}
    return {loser_id: tuple(members[id_] for id_ in subtree_of(loser_id, edges)) for loser_id in losers}


def _deactivate(connection: Connection, compiled: CompiledPlan, scope: Scope) -> None:
    """Switch the edges off."""
    schema = compiled.names.schema
    connection.exec_driver_sql(
        f"UPDATE {schema}.edges SET active = false "
        "WHERE merge_id = %(merge_id)s::uuid AND loser_id = ANY(%(losers)s::text[])",
        {"merge_id": scope.merge.merge_id, "losers": list(scope.leaving)},
    )
    connection.exec_driver_sql(
        f"UPDATE {schema}.merges SET state = %(state)s WHERE merge_id = %(merge_id)s::uuid",
        {"merge_id": scope.merge.merge_id, "state": "PARTLY_UNMERGED" if scope.staying else "UNMERGED"},
    )


def _record(connection: Connection, compiled: CompiledPlan, order: UnmergeOrder, scope: Scope) -> str:
    """Keep who took the merge apart, and assert that the winner and each restored customer are different people."""
    unmerge_id = str(uuid7())
    connection.exec_driver_sql(
        f"""
INSERT INTO {compiled.names.schema}.unmerges
  (unmerge_id, merge_id, tenant_id, command_id, loser_ids, actor, reason, unmerged_at)
VALUES (%(unmerge_id)s::uuid, %(merge_id)s::uuid, %(tenant)s, %(command)s, %(losers)s::text[], %(actor)s, %(reason)s,
  clock_timestamp())""",
        {
            "unmerge_id": unmerge_id,
            "merge_id": scope.merge.merge_id,
            "tenant": order.tenant_id,
            "command": order.command_id,
            "losers": list(scope.leaving),
            "actor": order.requested_by.id,
            "reason": order.reason,
        },
    )
    winner_id = scope.merge.winner_id
    assertion = NotDuplicateOrder(
        tenant_id=order.tenant_id,
        command_id=order.command_id,
        customer_ids=(winner_id, *scope.leaving),
        requested_by=order.requested_by,
        reason=order.reason,
    )
    keep_pairs(
        connection,
        compiled,
        assertion,
        [(min(winner_id, loser_id), max(winner_id, loser_id)) for loser_id in scope.leaving],
    )
    return unmerge_id


_ELIGIBILITY = frozenset({"UNMERGE_NEWER_FIRST", "UNDO_WINDOW_CLOSED", "MERGE_IN_PROGRESS", "ERASED", "VALUE_TAKEN"})


def _refused(
    order: UnmergeOrder,
    rule: str,
    customer_ids: Sequence[str],
    message: str,
    remediation: str,
    *,
    permanent: bool = True,
) -> Refused:
    failure = RuleFailure(
        rule=rule,
        side=Side.SYSTEM,
        customer_ids=tuple(customer_ids),
        field=None,
        message=message,
        remediation=remediation,
        permanent=permanent,
    )
    stage = Stage.ELIGIBILITY if rule in _ELIGIBILITY else Stage.VALIDATION
    return Refused(order=order, stage=stage, errors=(failure,))
