"""Values of losers that are deleted later: what only one record may hold must be free when the winner takes it."""

import json
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from customer_identity.merging.planning import MergePlan
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.loading import TenantId


def free_values(connection: Connection, compiled: CompiledPlan, merges: Iterable[tuple[str, MergePlan]]) -> None:
    """Empty the fields that the winners of these large merges take from records which stay until their rows moved.

    The journal keeps such a record as it was. A field that may not be empty stays: then its value is nobody's alone.
    """
    if compiled.undo.insert_loser is None:
        return
    for merge_id, plan in merges:
        for loser in plan.losers:
            members = {member.customer_id for member in loser.members}
            taken = [
                one.field
                for one in plan.fields.decisions
                if one.from_customer_id in members and plan.fields.patch.get(one.field) is not None
            ]
            if taken:
                _free(connection, compiled, merge_id, (plan.order.tenant_id, loser.root_id), taken)


def _free(
    connection: Connection, compiled: CompiledPlan, merge_id: str, loser: TenantId, fields: Sequence[str]
) -> None:
    customer = {"tenant": loser[0], "id": loser[1]}
    image = connection.exec_driver_sql(compiled.undo.record_image, customer).scalar_one()
    freed = [field for field in fields if _emptied(connection, compiled, customer, field)]
    if freed:
        connection.exec_driver_sql(
            f"INSERT INTO {compiled.names.schema}.journal (merge_id, tenant_id, table_name, from_id, action, row_ids, "
            "before) VALUES (%(merge_id)s::uuid, %(tenant)s, %(table)s, %(id)s, 'LOSER', '{}', %(image)s::text::jsonb)",
            {**customer, "merge_id": merge_id, "table": compiled.plan.customer.table, "image": image},
        )


def _emptied(connection: Connection, compiled: CompiledPlan, customer: dict[str, str], field: str) -> bool:
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(compiled.undo.patch_record, {**customer, "patch": json.dumps({field: None})})
    except IntegrityError:
        return False
    return True
