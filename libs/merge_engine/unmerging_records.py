"""Records of customers that merges marked or deleted, brought back: for good, or while rows pass through them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from customer_identity.merging.identity import Member
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.faults import MergeEngineError
from merge_engine.loading import columns
from merge_engine.moving_children import Pair, pair_parameters
from merge_engine.restoring_rows import Restoration
from merge_engine.unmerging_rows import Undoing
from merge_engine.unmerging_scope import Scope


class PlaceTaken(MergeEngineError):  # noqa: N818 - named for what happened
    """A record cannot come back: a value that only one record may hold is another's by now."""

    def __init__(self, customer_id: str) -> None:
        super().__init__(f"the record of {customer_id} cannot come back")
        self.customer_id = customer_id


@dataclass(frozen=True, slots=True, kw_only=True)
class _Deleted:
    """A record as the journal keeps it, and the merge that deleted it."""

    merge_id: str
    image: str


def bring_records_back(connection: Connection, compiled: CompiledPlan, undoing: Undoing) -> tuple[Pair, ...]:
    """Insert the losers' records, where the plan deletes records, and those that rows are going to pass through.

    The latter are answered, as the merges that deleted them: they go when the rows have passed. Raises PlaceTaken.
    """
    if compiled.undo.insert_loser is None:
        return ()
    scope = undoing.scope
    deleted = _deleted(connection, compiled, scope)
    passed = {entry.from_id for entry in (*undoing.entries, *undoing.others)} | set(scope.way)
    through = [id_ for id_ in deleted if id_ in passed and id_ not in scope.leaving]
    for customer_id in (*scope.leaving, *through):
        image = deleted[customer_id].image
        came = _inserted(connection, compiled, image)
        if not came and customer_id in through:
            # Rows only pass through it: it needs to be there, not to say anything.
            came = _inserted(connection, compiled, _without_fields(connection, compiled, image))
        if not came:
            raise PlaceTaken(customer_id)
    merges = scope.by_id
    return tuple(
        Pair(
            merge_id=deleted[customer_id].merge_id,
            tenant_id=scope.tenant_id,
            loser_id=customer_id,
            winner_id=merges[deleted[customer_id].merge_id].winner_id,
            position=1,
        )
        for customer_id in through
    )


def take_records_away(connection: Connection, compiled: CompiledPlan, scope: Scope, pairs: tuple[Pair, ...]) -> None:
    """Delete the records again that rows only passed through; the journal keeps them as it did."""
    if not pairs:
        return
    connection.exec_driver_sql(compiled.customers.losers, {**pair_parameters(pairs), **compiled.mark_parameters})
    schema = compiled.names.schema
    connection.exec_driver_sql(
        f"""
DELETE FROM {schema}.journal j
WHERE j.action = 'LOSER' AND j.from_id = ANY(%(ids)s::text[]) AND j.merge_id = ANY(%(merge_ids)s::text[]::uuid[])
  AND EXISTS (SELECT 1 FROM {schema}.journal k
              WHERE k.merge_id = j.merge_id AND k.action = 'LOSER' AND k.from_id = j.from_id AND k.seq < j.seq)""",
        {"ids": [pair.loser_id for pair in pairs], "merge_ids": list(scope.by_id)},
    )


def _inserted(connection: Connection, compiled: CompiledPlan, image: str) -> bool:
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(compiled.undo.insert_loser or "", {"image": image})
    except IntegrityError:
        return False
    return True


def _without_fields(connection: Connection, compiled: CompiledPlan, image: str) -> str:
    bare: str = connection.exec_driver_sql(
        "SELECT (%(image)s::text::jsonb - %(fields)s::text[])::text",
        {"image": image, "fields": list(compiled.plan.fields)},
    ).scalar_one()
    return bare


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
    rows = connection.exec_driver_sql(
        f"SELECT from_id, before::text FROM {compiled.names.schema}.journal "
        "WHERE merge_id = %(merge_id)s::uuid AND action = 'LOSER' AND from_id = ANY(%(losers)s::text[])",
        {"merge_id": scope.merge.merge_id, "losers": list(scope.leaving)},
    )
    images: dict[str, str] = {from_id: image for from_id, image in rows}  # noqa: C416 - rows are no pairs to mypy
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


def _deleted(connection: Connection, compiled: CompiledPlan, scope: Scope) -> Mapping[str, _Deleted]:
    """The losers that are still merged into somebody on the way."""
    rows = connection.exec_driver_sql(
        f"""
SELECT j.from_id, j.merge_id::text, j.before::text FROM {compiled.names.schema}.journal j
JOIN {compiled.names.schema}.edges e ON e.active AND e.merge_id = j.merge_id AND e.loser_id = j.from_id
WHERE j.merge_id = ANY(%(merge_ids)s::text[]::uuid[]) AND j.action = 'LOSER'""",
        {"merge_ids": list(scope.by_id)},
    )
    return {from_id: _Deleted(merge_id=merge_id, image=image) for from_id, merge_id, image in rows}
