"""Records of customers that merges marked or deleted, brought back: for good, or while rows pass through them."""

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from customer_identity.merging.identity import Member
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.deleted_records import DeletedRecord, absent_customers, come_back, deleted_records, fill_in, stand_in
from merge_engine.faults import MergeEngineError
from merge_engine.loading import columns
from merge_engine.restoring_rows import Restoration
from merge_engine.unmerging_plan import Undoing
from merge_engine.unmerging_scope import Scope


class PlaceTaken(MergeEngineError):  # noqa: N818 - named for what happened
    """A record cannot come back: a value that only one record may hold is another's by now."""

    def __init__(self, customer_id: str) -> None:
        super().__init__(f"the record of {customer_id} cannot come back")
        self.customer_id = customer_id


def bring_records_back(connection: Connection, compiled: CompiledPlan, undoing: Undoing) -> Sequence[DeletedRecord]:
    """Insert the losers' records, where the plan deletes records, and those that rows are going to pass through.

    The latter are answered: they go when the rows have passed. Raises PlaceTaken.
    """
    if compiled.undo.insert_loser is None:
        return ()
    scope = undoing.scope
    deleted = {id_: record for (_, id_), record in deleted_records(connection, compiled, scope.by_id).items()}
    passed = {entry.from_id for entry in (*undoing.entries, *undoing.others)} | set(scope.way)
    for customer_id in scope.leaving:
        record = deleted[customer_id]
        # It stood in while rows went back, or has stayed since an undo that was refused.
        stood_in = fill_in(connection, compiled, record)
        if not (stood_in or come_back(connection, compiled, record)):
            raise PlaceTaken(customer_id)
    # Not everybody's is gone: another plan may have kept it, or a large merge keeps it until its rows have moved.
    absent = absent_customers(connection, compiled, [(scope.tenant_id, id_) for id_ in passed & deleted.keys()])
    through = [deleted[id_] for _, id_ in sorted(absent) if id_ not in scope.leaving]
    for record in through:
        if not stand_in(connection, compiled, record):
            raise PlaceTaken(record.pair.loser_id)
    return through


def restore_records(
    connection: Connection,
    compiled: CompiledPlan,
    scope: Scope,
    subtrees: Mapping[str, tuple[Member, ...]],
    done: Restoration,
) -> dict[str, int]:
    """Losers' records stand for themselves again; records that had been merged into them point at them again.

    Answers the losers' versions. Raises PlaceTaken.
    """
    images = _images(connection, compiled, scope)
    versions = {
        loser_id: _restore_record(connection, compiled, scope, loser_id=loser_id, image=images[loser_id], done=done)
        for loser_id in scope.leaving
    }
    below = [
        (scope.tenant_id, member.customer_id, loser_id)
        for loser_id, subtree in subtrees.items()
        for member in subtree[1:]
        if member.version is not None
    ]
    if below and compiled.customers.links is not None:
        tenants, ids, roots = columns(below, 3)
        connection.exec_driver_sql(compiled.customers.links, {"tenants": tenants, "ids": ids, "roots": roots})
    return versions


def _images(connection: Connection, compiled: CompiledPlan, scope: Scope) -> Mapping[str, str]:
    """The records of the losers that go, as the journal keeps them."""
    rows = connection.exec_driver_sql(
        f"SELECT from_id, before::text FROM {compiled.names.schema}.journal "
        "WHERE merge_id = %(merge_id)s::uuid AND action = 'LOSER' AND from_id = ANY(%(losers)s::text[])",
        {"merge_id": scope.merge.merge_id, "losers": list(scope.leaving)},
    )
    return {from_id: image for from_id, image in rows}  # noqa: C416 - rows are no pairs to mypy


def _restore_record(
    connection: Connection, compiled: CompiledPlan, scope: Scope, *, loser_id: str, image: str, done: Restoration
) -> int:
    """What marked the record goes, unless somebody changed it since or it cannot hold its old value any more."""
    table, marks = compiled.plan.customer.table, compiled.plan.disposition.set
    row = _try_to_restore(connection, compiled, scope, loser_id, image)
    for column in marks if row is None else ():
        as_marked = connection.exec_driver_sql(
            "SELECT (%(image)s::text::jsonb || %(mark)s::text::jsonb)::text",
            {"image": image, "mark": json.dumps({column: marks[column]})},
        ).scalar_one()
        row = row or _try_to_restore(connection, compiled, scope, loser_id, as_marked)
        if row is not None:
            done.conflict(table, loser_id, f"TAKEN_SINCE: {column}")
            break
    if row is None:
        raise PlaceTaken(loser_id)
    version, *restored = row
    for column, is_restored in zip(marks, restored, strict=True):
        if not is_restored:
            done.conflict(table, loser_id, f"FIELD_CHANGED_SINCE: {column}")
    return int(version)


def _try_to_restore(
    connection: Connection, compiled: CompiledPlan, scope: Scope, loser_id: str, image: str
) -> Sequence[int] | None:
    parameters = {"tenant": scope.tenant_id, "id": loser_id, "image": image, **compiled.mark_parameters}
    try:
        with connection.begin_nested():
            return tuple(connection.exec_driver_sql(compiled.undo.restore_loser, parameters).one())
    except IntegrityError:
        return None
