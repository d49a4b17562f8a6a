"""Reading what a decision needs: roots, identities with their facts, asserted pairs."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection

from customer_identity.merging.identity import Identity, Member
from customer_identity.merging.rules import AssertedPairs
from event_runtime.columns import Texts, texts
from event_runtime.database import execute
from frozen_values import dataclass
from merge_engine.compiled_plan import CompiledPlan

TenantId = tuple[str, str]
"""(tenant, customer id): what every id is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roots:
    """Canonical ids as one statement saw them, and when."""

    by_id: Mapping[TenantId, str]
    now: datetime


def load_roots(connection: Connection, compiled: CompiledPlan, ids: Sequence[TenantId]) -> Roots:
    """Where each id ends; `ids` must not be empty."""
    tenants, customer_ids = text_columns(ids, 2)
    (_, _, _, now), *known = execute(
        connection, compiled.customers.resolve, {"tenants": tenants, "ids": customer_ids}
    ).fetchall()
    by_id = {id_: id_[1] for id_ in ids}
    by_id.update({(tenant, id_): root for tenant, id_, root, _ in known})
    return Roots(by_id=by_id, now=now.astimezone(UTC))


def load_identities(
    connection: Connection, compiled: CompiledPlan, roots: Iterable[TenantId]
) -> dict[TenantId, Identity]:
    """The identity of each root. A root that cannot be a key of this database is answered as one without a record."""
    wanted = list(dict.fromkeys(roots))
    names = compiled.names
    keys = [(tenant, root) for tenant, root in wanted if names.is_tenant(tenant) and names.is_key(root)]
    members: dict[TenantId, list[Member]] = {root: [] for root in wanted}
    tenants, ids = text_columns(keys, 2)
    for row in execute(connection, compiled.identities, {"tenants": tenants, "roots": ids}).fetchall():
        tenant, root, customer_id, owner, version, direct_to, alias_version, is_asserted = row[:8]
        member = Member(
            customer_id=customer_id,
            tenant_id=owner,
            version=version,
            direct_to=direct_to,
            alias_version=alias_version,
            is_asserted=is_asserted,
            facts=row[8:],
        )
        members[tenant, root].append(member)
    return {root: _identity(root[1], found) for root, found in members.items()}


def load_asserted(
    connection: Connection, compiled: CompiledPlan, identities: Mapping[TenantId, Identity]
) -> AssertedPairs:
    """Pairs asserted to be different people of which at least the smaller id is a member of these identities."""
    ids = [
        (tenant, member.customer_id)
        for (tenant, _), found in identities.items()
        for member in found.members
        if member.is_asserted
    ]
    if not ids:
        return frozenset()
    tenants, customer_ids = text_columns(ids, 2)
    rows = execute(connection, compiled.customers.asserted, {"tenants": tenants, "ids": customer_ids})
    return frozenset((tenant, a, b) for tenant, a, b in rows)


def columns(rows: Sequence[tuple[object, ...]], width: int) -> tuple[list[object], ...]:
    """Rows as one list a column, the form in which statements take them."""
    return tuple(list(column) for column in zip(*rows, strict=True)) if rows else tuple([] for _ in range(width))


def text_columns(rows: Sequence[tuple[str | None, ...]], width: int) -> tuple[Texts, ...]:
    """The same, all of text, encoded once for all the statements that take them."""
    return tuple(texts(column) for column in zip(*rows, strict=True)) if rows else (texts(()),) * width


def _identity(root_id: str, members: list[Member]) -> Identity:
    if not members:
        members = [
            Member(customer_id=root_id, tenant_id=None, version=None, direct_to=root_id, alias_version=0, facts=())
        ]
    if len(members) > 1:
        members.sort(key=lambda member: (member.customer_id != root_id, member.customer_id))
    return Identity(members=tuple(members))
