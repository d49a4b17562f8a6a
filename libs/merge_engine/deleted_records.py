"""Records that merges deleted: back for good, or only while rows pass through their customers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from merge_engine.compiled_plan import CompiledPlan
from merge_engine.loading import TenantId, columns
from merge_engine.moving_children import Pair, pair_parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedRecord:
    """A record as the journal keeps it, and the merge that deleted it."""

    pair: Pair
    image: str


def deleted_records(
    connection: Connection, compiled: CompiledPlan, merge_ids: Iterable[str]
) -> Mapping[TenantId, DeletedRecord]:
    """The losers of these merges that are still merged and whose records the journal still holds."""
    schema = compiled.names.schema
    rows = connection.exec_driver_sql(
        f"""
SELECT e.tenant_id, e.loser_id, e.winner_id, e.merge_id::text, j.before::text FROM {schema}.edges e
JOIN {schema}.journal j ON j.merge_id = e.merge_id AND j.from_id = e.loser_id AND j.action = 'LOSER'
WHERE e.active AND e.merge_id = ANY(%(merge_ids)s::text[]::uuid[]) AND j.before IS NOT NULL""",
        {"merge_ids": list(merge_ids)},
    )
    return {
        (tenant, loser): DeletedRecord(
            pair=Pair(merge_id=merge_id, tenant_id=tenant, loser_id=loser, winner_id=winner, position=1), image=image
        )
        for tenant, loser, winner, merge_id, image in rows
    }


def absent_customers(connection: Connection, compiled: CompiledPlan, ids: Sequence[TenantId]) -> set[TenantId]:
    """Those of these customers that have no record."""
    names = compiled.names
    tenants, customer_ids = columns(ids, 2)
    match = names.match("c", names.typed_tenant("n.tenant_id"), names.typed_key("n.customer_id"))
    rows = connection.exec_driver_sql(
        "SELECT n.tenant_id, n.customer_id "
        "FROM unnest(%(tenants)s::text[], %(ids)s::text[]) AS n(tenant_id, customer_id) "
        f"WHERE NOT EXISTS (SELECT FROM {names.customers} c WHERE {match})",
        {"tenants": tenants, "ids": customer_ids},
    )
    return {(tenant, customer_id) for tenant, customer_id in rows}


def come_back(connection: Connection, compiled: CompiledPlan, record: DeletedRecord) -> bool:
    """Insert a record as it was; False if a value that only one record may hold is another's by now."""
    return _inserted(connection, compiled, record.image)


def stand_in(connection: Connection, compiled: CompiledPlan, record: DeletedRecord) -> bool:
    """The same for a record that only needs to be there: it comes without its fields if it cannot with them."""
    return come_back(connection, compiled, record) or _inserted(
        connection, compiled, _without_fields(connection, compiled, record.image)
    )


def fill_in(connection: Connection, compiled: CompiledPlan, record: DeletedRecord) -> bool:
    """Give a record that stood in its fields; False if there is none, or if its values are another's by now."""
    patch = {"tenant": record.pair.tenant_id, "id": record.pair.loser_id, "patch": record.image}
    try:
        with connection.begin_nested():
            return bool(connection.exec_driver_sql(compiled.undo.patch_record, patch).rowcount)
    except IntegrityError:
        return False


def go_again(connection: Connection, compiled: CompiledPlan, records: Sequence[DeletedRecord]) -> None:
    """Delete records again that only stood in; the journal keeps them as it did."""
    if records:
        delete_again(connection, compiled, [record.pair for record in records])


def delete_again(connection: Connection, compiled: CompiledPlan, pairs: Sequence[Pair]) -> None:
    """Delete losers' records; of those that the journal keeps already, it keeps the first image."""
    connection.exec_driver_sql(compiled.customers.losers, {**pair_parameters(pairs), **compiled.mark_parameters})
    schema = compiled.names.schema
    connection.exec_driver_sql(
        f"""
DELETE FROM {schema}.journal j
WHERE j.action = 'LOSER' AND j.from_id = ANY(%(ids)s::text[]) AND j.merge_id = ANY(%(merge_ids)s::text[]::uuid[])
  AND EXISTS (SELECT 1 FROM {schema}.journal k
              WHERE k.merge_id = j.merge_id AND k.action = 'LOSER' AND k.from_id = j.from_id AND k.seq < j.seq)""",
        {"ids": [pair.loser_id for pair in pairs], "merge_ids": [pair.merge_id for pair in pairs]},
    )


def _inserted(connection: Connection, compiled: CompiledPlan, image: str) -> bool:
    if compiled.undo.insert_loser is None:
        return False
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(compiled.undo.insert_loser, {"image": image})
    except IntegrityError:
        return False
    return True


def _without_fields(connection: Connection, compiled: CompiledPlan, image: str) -> str:
    bare: str = connection.exec_driver_sql(
        "SELECT (%(image)s::text::jsonb - %(fields)s::text[])::text",
        {"image": image, "fields": list(compiled.plan.fields)},
    ).scalar_one()
    return bare
