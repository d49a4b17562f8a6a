"""Reads for people and services: canonical ids, records, searches, accounts, merges."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from event_runtime.identifiers import uuid_of
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.values import (
    Account,
    Canonical,
    CustomerSummary,
    Identifier,
    MergedAccount,
    MergeRecord,
    MergeState,
    SearchCriteria,
)


def canonical(
    connection: Connection, compiled: CompiledPlan, tenant_id: str, ids: Sequence[str]
) -> dict[str, Canonical]:
    """Where each id ends now."""
    rows = connection.exec_driver_sql(
        f"SELECT customer_id, canonical_id, version FROM {compiled.names.schema}.canonical "
        "WHERE tenant_id = %(tenant)s AND customer_id = ANY(%(ids)s::text[])",
        {"tenant": tenant_id, "ids": list(ids)},
    )
    known = {id_: Canonical(canonical_id=canonical_id, version=version) for id_, canonical_id, version in rows}
    return {id_: known.get(id_) or Canonical(canonical_id=id_, version=0) for id_ in ids}


def load_records(
    connection: Connection, compiled: CompiledPlan, tenant_id: str, ids: Sequence[str]
) -> dict[str, CustomerSummary]:
    """The customers with these ids that exist, in the order of their ids."""
    return {summary.customer_id: summary for summary, _ in _records(connection, compiled, tenant_id, ids)}


def search(
    connection: Connection, compiled: CompiledPlan, tenant_id: str, criteria: SearchCriteria, limit: int
) -> list[CustomerSummary]:
    """Customers that match all criteria. A criterion that the plan cannot answer matches nobody; no criterion, too."""
    given = _parameters(criteria)
    reads = compiled.reads
    if not given or not given.keys() <= reads.conditions.keys() or not compiled.names.is_tenant(tenant_id):
        return []
    conditions = " AND ".join(reads.conditions[name] for name in given)
    statement = f"{reads.search_from}{conditions}{reads.search_to}"
    rows = connection.exec_driver_sql(statement, {**given, "tenant": tenant_id, "limit": limit})
    return list(load_records(connection, compiled, tenant_id, [id_ for (id_,) in rows]).values())


def account(connection: Connection, compiled: CompiledPlan, tenant_id: str, customer_id: str) -> Account | None:
    """One customer in full."""
    found = _records(connection, compiled, tenant_id, [customer_id])
    if not found:
        return None
    summary, values = found[0]
    one = {"tenants": [tenant_id], "ids": [customer_id]}
    merged = connection.exec_driver_sql(compiled.reads.merged_accounts, {"tenant": tenant_id, "id": customer_id})
    return Account(
        summary=summary,
        canonical=canonical(connection, compiled, tenant_id, [customer_id])[customer_id],
        values={field: value for field, value in zip(compiled.plan.fields, values, strict=True) if value is not None},
        rows=_count_rows(connection, compiled, one),
        merged_accounts=tuple(
            MergedAccount(
                customer_id=id_, direct_to=direct_to, merge_id=merge_id, merged_at=merged_at, actor=actor, reason=reason
            )
            for id_, direct_to, merge_id, merged_at, actor, reason in merged
        ),
    )


def _count_rows(connection: Connection, compiled: CompiledPlan, one: Mapping[str, list[str]]) -> dict[str, int]:
    rows: dict[str, int] = {}
    if compiled.plan.children:
        for number, count in connection.exec_driver_sql(compiled.reads.counts, one):
            table = compiled.plan.children[int(number)].table
            rows[table] = rows.get(table, 0) + count
    return rows


def load_merge(connection: Connection, compiled: CompiledPlan, merge_id: str) -> MergeRecord | None:
    """One merge as it was recorded; None for an unknown id, and for text that is no id at all."""
    if uuid_of(merge_id) is None:
        return None
    row = connection.exec_driver_sql(compiled.reads.merges, {"merge_id": merge_id}).one_or_none()
    if row is None:
        return None
    return MergeRecord(
        merge_id=row[0],
        tenant_id=row[1],
        command_id=row[2],
        state=MergeState(row[3]),
        winner_id=row[4],
        loser_ids=tuple(row[11]),
        actor=row[5],
        reason=row[6],
        policy_version=row[7],
        candidate_id=row[8],
        merged_at=row[9],
        undoable_until=row[10],
        erased_at=row[12],
    )


def _records(
    connection: Connection, compiled: CompiledPlan, tenant_id: str, ids: Sequence[str]
) -> list[tuple[CustomerSummary, list[str | None]]]:
    names = compiled.names
    keys = [id_ for id_ in dict.fromkeys(ids) if names.is_tenant(tenant_id) and names.is_key(id_)]
    parameters = {"tenants": [tenant_id] * len(keys), "ids": keys}
    identifiers: dict[str, list[Identifier]] = {}
    for kind, statement in compiled.reads.identifiers:
        for id_, value, verified in connection.exec_driver_sql(statement, parameters):
            identifiers.setdefault(id_, []).append(Identifier(kind=kind, value=value, verified=verified))
    return [
        (
            CustomerSummary(
                customer_id=id_,
                version=version,
                status=status,
                source=source,
                display_name=full_name or parts or None,
                merged_into=link,
                identifiers=tuple(identifiers.get(id_, ())),
            ),
            values[1:],
        )
        for id_, version, status, source, full_name, parts, link, values in connection.exec_driver_sql(
            compiled.reads.records, parameters
        )
    ]


def _parameters(criteria: SearchCriteria) -> dict[str, object]:
    """The criteria that were given, in the form in which they are compared."""
    parameters: dict[str, object] = {}
    if criteria.name:
        escaped = criteria.name.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        parameters["name"] = f"% {escaped}%"
    if criteria.phone:
        digits = "".join(character for character in criteria.phone if character.isdecimal())
        parameters["phone"] = [criteria.phone, digits, f"+{digits}"]
    if criteria.email:
        parameters["email"] = [criteria.email, criteria.email.strip().lower()]
    if criteria.national_id:
        parameters["national_id"] = [criteria.national_id]
    if criteria.customer_id:
        parameters["customer_id"] = criteria.customer_id
    if criteria.postal_code:
        parameters["postal_code"] = criteria.postal_code
    return parameters
