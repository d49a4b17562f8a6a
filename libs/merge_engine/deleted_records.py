"""Records that merges deleted: back for good, or only while rows pass through their customers."""

from collections.abc import Collection, Iterable, Mapping, Sequence
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
    return compiled.undo.insert_loser is not None and _broken_by(connection, compiled, record.image) is None


def stand_in(connection: Connection, compiled: CompiledPlan, record: DeletedRecord) -> bool:
    """The same for a record that only needs to be there.

    Fields of a constraint that forbids it (a unique value is another's by now) are left out, and no others as long as
    that is enough.
    """
    if compiled.undo.insert_loser is None:
        return False
    image, fields = record.image, set(compiled.plan.fields)
    while True:
        broken = _broken_by(connection, compiled, image)
        if broken is None:
            return True
        without = fields & _columns_of(connection, compiled, broken) or fields
        if not without:
            return False
        fields -= without
        image = _without(connection, image, without)


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


def _broken_by(connection: Connection, compiled: CompiledPlan, image: str) -> str | None:
    """Insert a record; the name of the constraint that forbids it ("" where it has none), None if none does."""
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(compiled.undo.insert_loser or "", {"image": image})
    except IntegrityError as fault:
        return getattr(getattr(fault.orig, "diag", None), "constraint_name", None) or ""
    return None


def _columns_of(connection: Connection, compiled: CompiledPlan, constraint: str) -> set[str]:
    """The columns of the customer table that a constraint or a unique index looks at."""
    rows = connection.exec_driver_sql(
        """
SELECT a.attname FROM pg_attribute a
WHERE a.attrelid = %(table)s::regclass AND (
  EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = a.attrelid AND k.conname = %(name)s
          AND a.attnum = ANY(k.conkey))
  OR EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
             JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
               AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
             WHERE i.indrelid = a.attrelid AND c.relname = %(name)s))""",
        {"table": compiled.names.customers, "name": constraint},
    )
    return {column for (column,) in rows}


def _without(connection: Connection, image: str, fields: Collection[str]) -> str:
    bare: str = connection.exec_driver_sql(
        "SELECT (%(image)s::text::jsonb - %(fields)s::text[])::text", {"image": image, "fields": sorted(fields)}
    ).scalar_one()
    return bare
