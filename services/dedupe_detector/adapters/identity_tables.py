"""Who is who, as customer-merged told it."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text

from event_runtime.columns import Texts, texts
from event_runtime.database import execute

_FOLLOW = text("""
    INSERT INTO detector.identities AS i (tenant_id, customer_id, canonical_id, version)
    SELECT DISTINCT ON (tenant_id, customer_id) tenant_id, customer_id, canonical_id, version
    FROM unnest(CAST(:tenants AS text[]), CAST(:ids AS text[]), CAST(:canonical AS text[]), CAST(:versions AS bigint[]))
        AS t (tenant_id, customer_id, canonical_id, version)
    ORDER BY tenant_id, customer_id, version DESC
    ON CONFLICT (tenant_id, customer_id) DO UPDATE SET canonical_id = excluded.canonical_id, version = excluded.version
    WHERE excluded.version > i.version
""")
_ROOTS = """
    SELECT i.tenant_id, i.customer_id, i.canonical_id FROM detector.identities i
    JOIN unnest(%(tenants)s::text[], %(ids)s::text[]) AS t (tenant_id, customer_id)
        USING (tenant_id, customer_id)
    WHERE i.canonical_id <> i.customer_id
"""
# An erased customer is nobody that could be merged.
_MEMBERS = """
    WITH t AS (SELECT * FROM unnest(%(tenants)s::text[], %(ids)s::text[]) AS t (tenant_id, root))
    SELECT m.tenant_id, m.root, m.customer_id FROM (
        SELECT tenant_id, root, root AS customer_id FROM t
        UNION
        SELECT t.tenant_id, t.root, i.customer_id FROM t
        JOIN detector.identities i ON i.tenant_id = t.tenant_id AND i.canonical_id = t.root
    ) AS m
    WHERE NOT EXISTS (
        SELECT FROM detector.records r
        WHERE r.tenant_id = m.tenant_id AND r.customer_id = m.customer_id AND r.erased
    )
"""
_VERSIONS = """
    SELECT r.tenant_id, r.customer_id, r.version FROM detector.records r
    JOIN unnest(%(tenants)s::text[], %(ids)s::text[]) AS t (tenant_id, customer_id)
        USING (tenant_id, customer_id)
"""

Customer = tuple[str, str]
"""(tenant, customer id)"""


def follow(connection: Connection, redirects: Sequence[tuple[str, str, str, int]]) -> None:
    """Applies (tenant, customer, canonical, version)s; older versions change nothing."""
    if redirects:
        tenants, ids, canonical, versions = (list(column) for column in zip(*redirects, strict=True))
        connection.execute(_FOLLOW, {"tenants": tenants, "ids": ids, "canonical": canonical, "versions": versions})


def roots(connection: Connection, customers: Sequence[Customer]) -> Mapping[Customer, str]:
    """Canonical ids of those customers that were merged into another; nobody else is listed."""
    rows = execute(connection, _ROOTS, _columns(customers)) if customers else ()
    return {(tenant, one): canonical for tenant, one, canonical in rows}


def members(connection: Connection, canonical: Sequence[Customer]) -> Mapping[Customer, set[str]]:
    """All customers of each identity, itself included, but those that were erased."""
    out: dict[Customer, set[str]] = {customer: set() for customer in canonical}
    for tenant, root, one in execute(connection, _MEMBERS, _columns(canonical)) if canonical else ():
        out[tenant, root].add(one)
    return out


def versions(connection: Connection, customers: Sequence[Customer]) -> Mapping[Customer, int]:
    """Record versions as the detector holds them; unknown customers are left out."""
    rows = execute(connection, _VERSIONS, _columns(customers)) if customers else ()
    return {(tenant, one): version for tenant, one, version in rows}


def _columns(customers: Sequence[Customer]) -> dict[str, Texts]:
    return {"tenants": texts([tenant for tenant, _ in customers]), "ids": texts([one for _, one in customers])}
