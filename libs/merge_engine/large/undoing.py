"""Taking a large merge apart: first its rows go back in chunks (returning), and at their end everything else.

Whether anything stands in the way is found out before the first row moves; what comes up meanwhile, at the end.
"""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from customer_identity.merging import Refused, RowsReturning, Unmerged, UnmergeOrder, UnmergeResult
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.deleted_records import DeletedRecord, deleted_records, go_again, stand_in
from merge_engine.faults import MergeEngineError
from merge_engine.following import follow
from merge_engine.large.returning import is_refusal, rows_in_chunks
from merge_engine.large.undo_state import ReturningMerge, begin
from merge_engine.loading import TenantId
from merge_engine.merging import lock_customers
from merge_engine.reading import load_merge
from merge_engine.statements.customers import BOUNDS
from merge_engine.statements.owners import ChildRows
from merge_engine.unmerging import apart, scope_of, time_for, undoing_of
from merge_engine.unmerging_plan import Undoing, plan_undoing
from merge_engine.unmerging_scope import Scope, load_scope


def begin_unmerge(connection: Connection, compiled: CompiledPlan, order: UnmergeOrder) -> UnmergeResult | RowsReturning:
    """The same; but if very many rows are to go back, only have them begin to, when nothing stands in the way."""
    scope = scope_of(connection, compiled, order)
    if not isinstance(scope, Scope):
        return scope
    with time_for(connection, compiled, scope):
        undoing = undoing_of(connection, compiled, order, scope)
        if isinstance(undoing, Refused):
            return undoing
        rows = rows_in_chunks(connection, compiled, scope)
        if rows <= compiled.plan.inline_rows:
            return apart(connection, compiled, order, undoing)
        refused = _rehearsed(connection, compiled, order, undoing)
        if refused is not None:
            return refused
        if not _made_room(connection, compiled, scope):
            return apart(connection, compiled, order, undoing)
        return begin(connection, compiled, order, scope, rows)


def end_unmerge(connection: Connection, compiled: CompiledPlan, merge: ReturningMerge) -> Unmerged | Refused:
    """The rows of the chunks are back, as `merge.done` says: take the rest of the merge apart."""
    scope = _scope_of_returning(connection, compiled, merge)
    with time_for(connection, compiled, scope):
        undoing = replace(plan_undoing(connection, compiled, scope), chunks_returned=True)
        return apart(connection, compiled, merge.order, undoing, merge.done)


def give_up_unmerge(connection: Connection, compiled: CompiledPlan, merge: ReturningMerge) -> None:
    """The rows of the chunks are the winner's again: records that stood in for theirs go, unless they have rows yet."""
    if compiled.undo.insert_loser is None:
        return
    scope = _scope_of_returning(connection, compiled, merge)
    if any(one.reason == "NOT_IN_PLAN" for one in merge.done.kept):
        return  # rows of a table that nobody can look into any more may be theirs
    with time_for(connection, compiled, scope):
        for record in _leaving(connection, compiled, scope):
            _leave(connection, compiled, record)


def _scope_of_returning(connection: Connection, compiled: CompiledPlan, merge: ReturningMerge) -> Scope:
    connection.exec_driver_sql(BOUNDS)
    tenant_id = merge.tenant_id
    lock_customers(connection, compiled, {(tenant_id, id_): True for id_ in (merge.root_id, *merge.leaving)})
    record = load_merge(connection, compiled, merge.merge_id)
    if record is None:
        raise MergeEngineError(f"merge {merge.merge_id} is gone while it is being taken apart")
    return load_scope(connection, compiled, record, merge.leaving)


def _made_room(connection: Connection, compiled: CompiledPlan, scope: Scope) -> bool:
    """Where the plan deletes records, have some for the rows to come to; False where they cannot be without fields."""
    if compiled.undo.insert_loser is None:
        return True
    savepoint = connection.begin_nested()
    made = all(stand_in(connection, compiled, record) for record in _leaving(connection, compiled, scope))
    (savepoint.commit if made else savepoint.rollback)()
    return made


def _leave(connection: Connection, compiled: CompiledPlan, record: DeletedRecord) -> None:
    """Take to the winner what was written under the loser's id meanwhile, and delete the record.

    A row that cannot go keeps the record. Both are left for a person, and `verify` finds them.
    """
    loser = (record.pair.tenant_id, record.pair.loser_id)
    try:
        with connection.begin_nested():
            for _ in follow(connection, compiled, [loser]):
                pass
            if not _has_rows(connection, compiled, loser):
                go_again(connection, compiled, [record])
    except Exception as fault:
        if not is_refusal(fault):
            raise


def _has_rows(connection: Connection, compiled: CompiledPlan, customer: TenantId) -> bool:
    """Whether any table of the plan has a row of the customer, be it one that the plan does not move."""
    names = compiled.names
    tenant, key = names.typed_tenant("%(tenant)s::text"), names.typed_key("%(id)s::text")
    parameters = {"tenant": customer[0], "id": customer[1]}
    tables = [replace(ChildRows.of(child, names), conditions=()) for child in compiled.plan.children]
    return any(
        connection.exec_driver_sql(
            f"SELECT EXISTS (SELECT FROM {rows.rows} c WHERE {rows.owned('c', tenant, key)})", parameters
        ).scalar_one()
        for rows in tables
    )


def _leaving(connection: Connection, compiled: CompiledPlan, scope: Scope) -> Sequence[DeletedRecord]:
    records = deleted_records(connection, compiled, [scope.merge.merge_id])
    return [records[scope.tenant_id, loser_id] for loser_id in scope.leaving]


def _rehearsed(connection: Connection, compiled: CompiledPlan, order: UnmergeOrder, undoing: Undoing) -> Refused | None:
    """Why the merge could not be taken apart now, were its rows back; changes nothing."""
    savepoint = connection.begin_nested()
    result = apart(connection, compiled, order, replace(undoing, chunks_returned=True))
    savepoint.rollback()
    return result if isinstance(result, Refused) else None
