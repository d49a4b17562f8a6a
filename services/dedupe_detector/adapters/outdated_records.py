"""Indexed records that an older normaliser read: today's would make other values and keys of some of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from customer_identity.matching.index import records_code
from customer_identity.normalise.record import NORMALISER_VERSION
from dedupe_detector.adapters.postgres_index import PostgresIndex
from event_runtime.database import execute

_OUTDATED = """
    SELECT tenant_id, count(*), min(normaliser), max(normaliser) FROM detector.records
    WHERE normaliser < %(normaliser)s AND NOT erased
        AND (%(tenant)s::text IS NULL OR tenant_id = %(tenant)s)
    GROUP BY tenant_id ORDER BY tenant_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutdatedRecords:
    """A tenant's records that were read by normalisers from version `oldest` to `newest`."""

    tenant_id: str
    records: int
    outdated: int
    oldest: int
    newest: int

    def __str__(self) -> str:
        """What a person is told."""
        versions = (
            f"version {self.newest}" if self.oldest == self.newest else f"versions {self.oldest} to {self.newest}"
        )
        return (
            f"{self.outdated:,} of {self.records:,} records of tenant {self.tenant_id} were normalised by {versions},"
            f" not by {NORMALISER_VERSION}: run dedupe-detector backfill with the table or file they come from"
        )


def outdated_records(connection: Connection, tenant_id: str | None = None) -> Sequence[OutdatedRecords]:
    """Of a tenant, or of all of them; tenants without any are left out."""
    asked = {"normaliser": NORMALISER_VERSION, "tenant": tenant_id}
    found = execute(connection, _OUTDATED, asked).fetchall()
    held = PostgresIndex(connection).counts([records_code(tenant) for tenant, *_ in found]).tolist()
    return [
        OutdatedRecords(tenant_id=tenant, records=records, outdated=outdated, oldest=oldest, newest=newest)
        for (tenant, outdated, oldest, newest), records in zip(found, held, strict=True)
    ]
