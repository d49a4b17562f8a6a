"""Table merge.requests: merges that could not end at once, and recommendations.

A command that ends in its first transaction never has a row here: its end is kept in the inbox
and its merge in merge.merges. States: recommended → approved → running → merged → unmerging →
unmerged; approved ↔ deferred; recommended | approved | deferred → removed | rejected.
`running` and `unmerging` are passed inside one transaction and are seen by nobody else yet.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, text

OPEN_STATUSES = ("recommended", "approved", "deferred")
STATUSES = (*OPEN_STATUSES, "running", "merged", "unmerging", "unmerged", "removed", "rejected")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A command that waits. `command` is its JSON, `rules` the names of the rules it failed last."""

    tenant_id: str
    request_id: str
    command_id: str
    command_type: str
    command: str
    status: str
    customer_ids: tuple[str, ...]
    requested_by: str
    after_command_id: str | None = None
    waiting_for: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    notices: int = 0
    attempts: int = 0
    next_attempt_at: datetime
    expires_at: datetime | None = None
    merge_id: str | None = None
    created_at: datetime
    updated_at: datetime


_COLUMNS = (
    "tenant_id, request_id::text, command_id, command_type, command::text, status, customer_ids, "
    "requested_by, after_command_id, waiting_for, rules, notices, attempts, next_attempt_at, "
    "expires_at, merge_id, created_at, updated_at"
)

_SAVE = text(
    """
    INSERT INTO merge.requests AS r (
        tenant_id, request_id, command_id, command_type, command, status, customer_ids, requested_by,
        after_command_id, waiting_for, rules, notices, attempts, next_attempt_at, expires_at,
        merge_id, created_at, updated_at)
    VALUES (
        :tenant_id, CAST(:request_id AS uuid), :command_id, :command_type, CAST(:command AS jsonb),
        :status, :customer_ids, :requested_by, :after_command_id, :waiting_for, :rules, :notices,
        :attempts, :next_attempt_at, :expires_at, :merge_id, :created_at, :updated_at)
    ON CONFLICT (tenant_id, request_id) DO UPDATE SET
        status = excluded.status, waiting_for = excluded.waiting_for, rules = excluded.rules,
        notices = excluded.notices, attempts = excluded.attempts,
        next_attempt_at = excluded.next_attempt_at, merge_id = excluded.merge_id,
        updated_at = excluded.updated_at
    """
)

# A request is due at its time, or as soon as the command it waits for has ended.
_DUE = text(
    f"""
    SELECT {_COLUMNS} FROM merge.requests r
     WHERE status IN ('recommended', 'approved', 'deferred')
       AND (next_attempt_at <= clock_timestamp()
            OR (after_command_id IS NOT NULL AND 'after_command_id' = ANY (waiting_for)
                AND EXISTS (SELECT FROM merge.inbox i
                             WHERE i.tenant_id = r.tenant_id AND i.message_id = r.after_command_id
                               AND i.outcome_id IS NOT NULL)))
     ORDER BY next_attempt_at, request_id
     LIMIT :limit
     FOR UPDATE SKIP LOCKED
    """
)
_OPEN_OF_COMMAND = text(
    f"SELECT {_COLUMNS} FROM merge.requests"
    " WHERE tenant_id = :tenant_id AND command_id = :command_id"
    " AND status IN ('recommended', 'approved', 'deferred') FOR UPDATE"
)
_NAMED = text(
    f"SELECT {_COLUMNS} FROM merge.requests WHERE tenant_id = :tenant_id AND request_id::text = :request_id FOR UPDATE"
)
_OPEN_OF_CUSTOMER = text(
    f"SELECT {_COLUMNS} FROM merge.requests"
    " WHERE tenant_id = :tenant_id AND customer_ids @> ARRAY[:customer_id]"
    " AND status IN ('recommended', 'approved', 'deferred') ORDER BY created_at, request_id FOR UPDATE"
)
_ABOUT = text(
    f"SELECT {_COLUMNS} FROM merge.requests"
    " WHERE tenant_id = :tenant_id AND (customer_ids @> ARRAY[:id] OR command_id = :id"
    " OR request_id::text = :id OR merge_id = :id) ORDER BY created_at, request_id"
)
_UNMERGED = text(
    "UPDATE merge.requests SET status = 'unmerged', updated_at = :at"
    " WHERE tenant_id = :tenant_id AND merge_id = :merge_id"
)
_COUNTS = text(
    "SELECT status, count(*) AS requests FROM merge.requests"
    " WHERE CAST(:tenant_id AS text) IS NULL OR tenant_id = :tenant_id GROUP BY status ORDER BY status"
)

_OLDEST = text(
    "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 FROM merge.requests"
    " WHERE status = 'deferred'"
)


class Requests:
    """The worker's requests. Every method runs in the caller's transaction."""

    def save(self, connection: Connection, requests: Collection[Request]) -> None:
        """Insert each request, or replace its state if it is there."""
        if requests:
            connection.execute(_SAVE, [_values(request) for request in requests])

    def due(self, connection: Connection, limit: int) -> list[Request]:
        """Lock and return at most `limit` requests whose time has come, the longest due first."""
        return _requests(connection.execute(_DUE, {"limit": limit}).mappings())

    def open_of_command(self, connection: Connection, tenant_id: str, command_id: str) -> Request | None:
        """Lock and return the open request of a command."""
        found = connection.execute(_OPEN_OF_COMMAND, {"tenant_id": tenant_id, "command_id": command_id})
        return next(iter(_requests(found.mappings())), None)

    def named(self, connection: Connection, tenant_id: str, request_id: str) -> Request | None:
        """Lock and return a request by its id, whatever its state."""
        found = connection.execute(_NAMED, {"tenant_id": tenant_id, "request_id": request_id})
        return next(iter(_requests(found.mappings())), None)

    def open_of_customer(self, connection: Connection, tenant_id: str, customer_id: str) -> list[Request]:
        """Lock and return the open requests that name a customer, oldest first."""
        found = connection.execute(_OPEN_OF_CUSTOMER, {"tenant_id": tenant_id, "customer_id": customer_id})
        return _requests(found.mappings())

    def about(self, connection: Connection, tenant_id: str, any_id: str) -> list[Request]:
        """Return the requests of a customer, command, request or merge id, oldest first."""
        found = connection.execute(_ABOUT, {"tenant_id": tenant_id, "id": any_id})
        return _requests(found.mappings())

    def mark_unmerged(self, connection: Connection, tenant_id: str, merge_id: str, at: datetime) -> None:
        """Note that the merge a request ended in was undone."""
        connection.execute(_UNMERGED, {"tenant_id": tenant_id, "merge_id": merge_id, "at": at})

    def counts(self, connection: Connection, tenant_id: str | None = None) -> dict[str, int]:
        """Return how many requests are in each state."""
        rows = connection.execute(_COUNTS, {"tenant_id": tenant_id})
        return dict.fromkeys(STATUSES, 0) | {row.status: row.requests for row in rows}

    def oldest_seconds(self, connection: Connection) -> float:
        """Return for how many seconds the oldest deferred request has waited; 0 when none does."""
        seconds: float = connection.execute(_OLDEST).scalar_one()
        return seconds


def _values(request: Request) -> dict[str, Any]:
    values = {name: getattr(request, name) for name in Request.__slots__}
    for name in ("customer_ids", "waiting_for", "rules"):
        values[name] = list(values[name])
    return values


def _requests(rows: Iterable[RowMapping]) -> list[Request]:
    return [_request(row) for row in rows]


def _request(row: RowMapping) -> Request:
    values: dict[str, Any] = dict(row)
    for name in ("customer_ids", "waiting_for", "rules"):
        values[name] = tuple(values[name])
    return Request(**values)
