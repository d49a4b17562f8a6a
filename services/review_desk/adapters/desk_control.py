"""One writer at a time per tenant, database time, and the switch that pauses automatic approval."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, text

_AUTOMATIC_APPROVAL = "automatic approval"


def lock_tenants(connection: Connection, tenant_ids: Collection[str]) -> None:
    """Let nobody else decide about these tenants until the transaction ends.

    Whether a case may go depends on what is in flight, and an outcome wakes the cases that wait for it:
    without this lock a case could begin to wait just after it was looked for, and would wait for ever.
    """
    for tenant_id in sorted(set(tenant_ids)):
        connection.execute(_LOCK, {"name": f"review desk {tenant_id}"})


def database_time(connection: Connection) -> datetime:
    """The database's clock, aware."""
    now: datetime = connection.execute(_NOW).scalar_one()
    return now


def is_paused(connection: Connection) -> bool:
    """Whether somebody switched automatic approval off."""
    return bool(connection.execute(_PAUSED, {"name": _AUTOMATIC_APPROVAL}).scalar_one_or_none())


def set_paused(connection: Connection, *, paused: bool, by: str) -> None:
    """Switch automatic approval off or on for every desk on this database, at once."""
    connection.execute(_SWITCH, {"name": _AUTOMATIC_APPROVAL, "is_on": paused, "by": by})


_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_NOW = text("SELECT clock_timestamp()")
_PAUSED = text("SELECT is_on FROM review.switches WHERE name = :name")
_SWITCH = text(
    "INSERT INTO review.switches (name, is_on, changed_by) VALUES (:name, :is_on, :by)"
    " ON CONFLICT (name) DO UPDATE SET is_on = excluded.is_on, changed_by = excluded.changed_by,"
    " changed_at = clock_timestamp()"
)
