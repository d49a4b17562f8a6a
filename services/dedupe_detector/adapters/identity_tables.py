"""Who is who, as customer-merged told it."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text

_FOLLOW = text("""
    INSERT INTO detector.identities AS i (tenant_id, customer_id, canonical_id, version)
    SELECT DISTINCT ON (tenant_id, customer_id) tenant_id, customer_id, canonical_id, version
    FROM unnest(CAST(:tenants AS text[]), CAST(:ids AS text[]), CAST(:canonical AS text[]), CAST(:versions AS bigint[]))
        AS t (tenant_id, customer_id, canonical_id, version)
    ORDER BY tenant_id, customer_id, version DESC
    ON CONFLICT (tenant_id, customer_id) DO UPDATE SET canonical_id = excluded.canonical_id, version = excluded.version
    WHERE excluded.version > i.version
""")
_ROOTS = text("""
    SELECT i.tenant_id, i.customer_id, i.canonical_id FROM detector.identities i
    JOIN unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) AS t (tenant_id, customer_id)
        USING (tenant_id, customer_id)
    WHERE i.canonical_id <> i.customer_id
""")
_MEMBERS = text("""
    SELECT t.tenant_id, t.root, i.customer_id
    FROM unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) AS t (tenant_id, root)
    JOIN detector.identities i ON i.tenant_id = t.tenant_id AND i.canonical_id = t.root
""")
_VERSIONS = text("""
    SELECT r.tenant_id, r.customer_id, r.version FROM detector.records r
    JOIN unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) AS t (tenant_id, customer_id)
        USING (tenant_id, customer_id)
""")

Customer = tuple[str, str]
"""(tenant, customer id)"""


def follow(connection: Connection, redirects: Sequence[tuple[str, str, str, int]]) -> None:
    """Applies (tenant, customer, canonical, version)s; older versions change nothing."""
    if redirects:
        tenants, ids, canonical, versions = (list(column) for column in zip(*redirects, strict=True))
        connection.execute(_FOLLOW, {"tenants": tenants, "ids": ids, "canonical": canonical, "versions": versions})


def roots(connection: Connection, customers: Sequence[Customer]) -> Mapping[Customer, str]:
    """Canonical ids of those customers that were merged into another; nobody else is listed."""
    rows = connection.execute(_ROOTS, _columns(customers)) if customers else ()
    return {(row.tenant_id, row.customer_id): row.canonical_id for row in rows}


def members(connection: Connection, canonical: Sequence[Customer]) -> Mapping[Customer, set[str]]:
    """All customers of each identity, itself included."""
    out: dict[Customer, set[str]] = {(tenant, root): {root} for tenant, root in canonical}
    for row in connection.execute(_MEMBERS, _columns(canonical)) if canonical else ():
        out[row.tenant_id, row.root].add(row.customer_id)
    return out


def versions(connection: Connection, customers: Sequence[Customer]) -> Mapping[Customer, int]:
    """Record versions as the detector holds them; unknown customers are left out."""
    rows = connection.execute(_VERSIONS, _columns(customers)) if customers else ()
    return {(row.tenant_id, row.customer_id): row.version for row in rows}


def _columns(customers: Sequence[Customer]) -> dict[str, list[str]]:
    return {"tenants": [tenant for tenant, _ in customers], "ids": [one for _, one in customers]}
