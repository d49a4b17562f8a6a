"""Fitted models by tenant: which one scores, and the samples of records that the next is fitted to."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from customer_identity.matching.index import Entry, records_code
from dedupe_detector.adapters.postgres_index import entries_of_rows
from event_runtime.columns import longs, texts
from event_runtime.database import execute


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedModel:
    """A fit without its numbers."""

    tenant_id: str
    version: str
    records: int
    pinned: bool
    fitted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """How large a tenant's base is, and when its model was last fitted."""

    records: int
    fitted_to: int
    """Records at the newest fit; 0: never fitted."""
    pinned: bool
    """Whether one version scores whatever is fitted."""


# The pinned one, else the newest.
_SCORING = text("""
    SELECT DISTINCT ON (tenant_id) tenant_id, version FROM detector.models
    WHERE tenant_id = ANY(CAST(:tenants AS text[])) ORDER BY tenant_id, pinned DESC, fitted_at DESC
""")
_MODEL = text("SELECT model FROM detector.models WHERE tenant_id = :tenant AND version = :version")
_INSERT = text("""
    INSERT INTO detector.models (tenant_id, version, records, model) VALUES (:tenant, :version, :records, :model)
    ON CONFLICT (tenant_id, version) DO UPDATE SET model = excluded.model, fitted_at = clock_timestamp()
""")
_LIST = text("""
    SELECT tenant_id, version, records, pinned, fitted_at FROM detector.models
    WHERE tenant_id = :tenant ORDER BY fitted_at DESC
""")
_UNPIN = text("UPDATE detector.models SET pinned = false WHERE tenant_id = :tenant AND pinned")
_PIN = text("UPDATE detector.models SET pinned = true WHERE tenant_id = :tenant AND version = :version")
# One index probe a tenant, however many records they have.
_TENANTS = text("""
    WITH RECURSIVE tenants AS (
        (SELECT tenant_id FROM detector.records ORDER BY tenant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT r.tenant_id FROM detector.records r WHERE r.tenant_id > t.tenant_id ORDER BY r.tenant_id LIMIT 1)
        FROM tenants t WHERE t.tenant_id IS NOT NULL
    )
    SELECT tenant_id FROM tenants WHERE tenant_id IS NOT NULL
""")
_BASES = """
    SELECT t.tenant_id, coalesce(c.held, 0), coalesce(m.records, 0), coalesce(m.pinned, false)
    FROM unnest(%(tenants)s::text[], %(codes)s::bigint[]) AS t (tenant_id, code)
    LEFT JOIN detector.counters c ON c.code = t.code
    LEFT JOIN LATERAL (
        SELECT records, pinned FROM detector.models WHERE tenant_id = t.tenant_id
        ORDER BY pinned DESC, fitted_at DESC LIMIT 1
    ) AS m ON true
"""
_SAMPLE = text("""
    SELECT number, tenant_id, customer_id, version, source, comparable FROM detector.records
    WHERE tenant_id = :tenant AND comparable IS NOT NULL ORDER BY random() LIMIT :size
""")
_WHOLE = text("""
    SELECT number, tenant_id, customer_id, version, source, comparable FROM detector.records
    WHERE tenant_id = :tenant AND comparable IS NOT NULL ORDER BY number
""")
_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtext('detector.models'), 0)")
_AFTER_FITS = text("SELECT pg_advisory_xact_lock(hashtext('detector.models'), 0)")


def scoring(connection: Connection, tenants: Iterable[str]) -> Mapping[str, str]:
    """The version that scores each tenant's records; tenants without a fit are left out."""
    rows = connection.execute(_SCORING, {"tenants": sorted(tenants)})
    return {row.tenant_id: row.version for row in rows}


def model_text(connection: Connection, tenant: str, version: str) -> str:
    """A fit as JSON."""
    found: str = connection.execute(_MODEL, {"tenant": tenant, "version": version}).scalar_one()
    return found


def insert(connection: Connection, tenant: str, version: str, records: int, model: str) -> None:
    """A new fit; from the commit on it scores, unless another is pinned."""
    connection.execute(_INSERT, {"tenant": tenant, "version": version, "records": records, "model": model})


def listing(connection: Connection, tenant: str) -> list[FittedModel]:
    """A tenant's fits, the newest first."""
    return [FittedModel(**row._mapping) for row in connection.execute(_LIST, {"tenant": tenant})]  # noqa: SLF001 - SQLAlchemy's documented name


def pin(connection: Connection, tenant: str, version: str) -> bool:
    """Has this version score until it is unpinned; False when the tenant has no such version.

    Waits for a fit that is under way, so that none comes afterwards.
    """
    connection.execute(_AFTER_FITS)
    connection.execute(_UNPIN, {"tenant": tenant})
    return connection.execute(_PIN, {"tenant": tenant, "version": version}).rowcount == 1


def unpin(connection: Connection, tenant: str) -> bool:
    """Has the newest fit score again; False when none was pinned."""
    return connection.execute(_UNPIN, {"tenant": tenant}).rowcount > 0


def tenants(connection: Connection) -> list[str]:
    """Every tenant that has records."""
    return list(connection.execute(_TENANTS).scalars())


def bases(connection: Connection, some: Iterable[str]) -> Mapping[str, Base]:
    """The bases of these tenants: two or three index probes each, for use in every batch."""
    wanted = sorted(some)
    columns = {"tenants": texts(wanted), "codes": longs([records_code(tenant) for tenant in wanted])}
    return {
        tenant: Base(records=records, fitted_to=fitted_to, pinned=pinned)
        for tenant, records, fitted_to, pinned in execute(connection, _BASES, columns)
    }


def sample(connection: Connection, tenant: str, size: int) -> list[Entry]:
    """So many of a tenant's records, drawn at random."""
    return entries_of_rows([tuple(row) for row in connection.execute(_SAMPLE, {"tenant": tenant, "size": size})])


def whole_tenant(connection: Connection, tenant: str) -> Iterator[Entry]:
    """All records of a tenant in the order in which they came, a page at a time."""
    rows = connection.execution_options(yield_per=2_000).execute(_WHOLE, {"tenant": tenant})
    for page in rows.partitions():
        yield from entries_of_rows([tuple(row) for row in page])


def alone(connection: Connection) -> bool:
    """Whether this transaction is the only one that fits models; another's does not wait, it goes without."""
    return bool(connection.execute(_ALONE).scalar_one())
