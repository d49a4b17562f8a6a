"""Table merge.requests: merges that could not end at once, and recommendations.

A command that ends in its first transaction never has a row here: its end is kept in the inbox
and its merge in merge.merges. States: recommended → approved → running → merged → unmerging →
unmerged; approved ↔ deferred; recommended | approved | deferred → removed | rejected.
`approved` is what may run and has not been tried: it waits for its time or for another command; `deferred` was
tried and waits until its temporary failures pass. A recommendation that somebody approved is `approved` too, and stands
behind the request of that approval. `running` and `unmerging` are passed inside one transaction, unless the rows of a
large merge still move, or go back.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from event_runtime.identifiers import uuid_of

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
    approved_as: str | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def is_recommendation(self) -> bool:
        """Whether it waits for somebody else's command, which may stand on the list already (`approved_as`)."""
        return self.status == "recommended" or self.approved_as is not None


_COLUMNS = (
    "tenant_id, request_id::text, command_id, command_type, command::text, status, customer_ids, "
    "requested_by, after_command_id, waiting_for, rules, notices, attempts, next_attempt_at, "
    "expires_at, merge_id, approved_as::text, created_at, updated_at"
)

_SAVE = text(
    """
    INSERT INTO merge.requests AS r (
        tenant_id, request_id, command_id, command_type, command, status, customer_ids, requested_by,
        after_command_id, waiting_for, rules, notices, attempts, next_attempt_at, expires_at,
        merge_id, approved_as, created_at, updated_at)
    VALUES (
        :tenant_id, CAST(:request_id AS uuid), :command_id, :command_type, CAST(:command AS jsonb),
        :status, :customer_ids, :requested_by, :after_command_id, :waiting_for, :rules, :notices,
        :attempts, :next_attempt_at, :expires_at, :merge_id, CAST(:approved_as AS uuid),
        :created_at, :updated_at)
    ON CONFLICT (tenant_id, request_id) DO UPDATE SET
        status = excluded.status, waiting_for = excluded.waiting_for, rules = excluded.rules,
        notices = excluded.notices, attempts = excluded.attempts,
        next_attempt_at = excluded.next_attempt_at, merge_id = excluded.merge_id,
        approved_as = excluded.approved_as, updated_at = excluded.updated_at
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
    f"SELECT {_COLUMNS} FROM merge.requests"
    " WHERE tenant_id = :tenant_id AND request_id = CAST(:request_id AS uuid) FOR UPDATE"
)
_OPEN_OF_CUSTOMER = text(
    f"SELECT {_COLUMNS} FROM merge.requests"
    " WHERE tenant_id = :tenant_id AND customer_ids @> ARRAY[:customer_id]"
    " AND status IN ('recommended', 'approved', 'deferred') ORDER BY created_at, request_id FOR UPDATE"
)
_ABOUT = text(
    f"SELECT {_COLUMNS} FROM merge.requests"
    " WHERE tenant_id = :tenant_id AND (customer_ids @> ARRAY[:id] OR command_id = :id"
    " OR request_id = CAST(:request_id AS uuid) OR merge_id = :id) ORDER BY created_at, request_id"
)
_CAME_TO = text(
    "UPDATE merge.requests SET status = :status, updated_at = :at WHERE tenant_id = :tenant_id AND merge_id = :merge_id"
)
# What waits for a time of its own, or for somebody else's command, is not called up.
_CALL_UP = text(
    """
    WITH called AS (
      UPDATE merge.requests SET next_attempt_at = least(next_attempt_at, :now)
       WHERE status IN ('approved', 'deferred') AND approved_as IS NULL
         AND (next_attempt_at <= :now OR NOT 'not_before' = ANY (waiting_for))
         AND (CAST(:tenant_id AS text) IS NULL OR tenant_id = :tenant_id)
      RETURNING 1)
    SELECT count(*) FROM called
    """
)
_APPROVE = text(
    """
    UPDATE merge.requests SET status = 'approved', approved_as = CAST(:request_id AS uuid), updated_at = :now
     WHERE tenant_id = :tenant_id AND status = 'recommended' AND request_id <> CAST(:request_id AS uuid)
       AND customer_ids @> CAST(:customer_ids AS text[]) AND customer_ids <@ CAST(:customer_ids AS text[])
    """
)
_APPROVAL_ENDED = text(
    """
    UPDATE merge.requests SET status = 'recommended', approved_as = NULL, next_attempt_at = :now, updated_at = :now
     WHERE tenant_id = :tenant_id AND approved_as = CAST(:request_id AS uuid) AND status = 'approved'
    """
)
_APPROVED_AS = text(
    f"SELECT {_COLUMNS} FROM merge.requests"
    " WHERE tenant_id = :tenant_id AND approved_as = CAST(:request_id AS uuid) AND status = 'approved' FOR UPDATE"
)
_MERGE_OF = text(
    """
    SELECT e.merge_id::text FROM merge.edges e JOIN merge.merges m USING (merge_id)
     WHERE e.active AND e.tenant_id = :tenant_id AND e.loser_id = ANY (CAST(:customer_ids AS text[]))
     ORDER BY m.merged_at DESC LIMIT 1
    """
)
# A recommendation is looked at as soon as one of its customers was merged, not only at its own pace.
_WAKE = text(
    """
    UPDATE merge.requests w SET next_attempt_at = clock_timestamp()
      FROM (SELECT DISTINCT r.tenant_id, r.request_id
              FROM merge.requests r CROSS JOIN LATERAL unnest(r.customer_ids) AS c(customer_id)
              JOIN merge.canonical k ON k.tenant_id = r.tenant_id AND k.customer_id = c.customer_id
             WHERE r.status = 'recommended' AND r.next_attempt_at > clock_timestamp()
               AND k.changed_at > greatest(r.updated_at, clock_timestamp() - CAST(:since AS interval))) AS t
     WHERE w.tenant_id = t.tenant_id AND w.request_id = t.request_id
    """
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
        found = connection.execute(_NAMED, {"tenant_id": tenant_id, "request_id": uuid_of(request_id)})
        return next(iter(_requests(found.mappings())), None)

    def open_of_customer(self, connection: Connection, tenant_id: str, customer_id: str) -> list[Request]:
        """Lock and return the open requests that name a customer, oldest first."""
        found = connection.execute(_OPEN_OF_CUSTOMER, {"tenant_id": tenant_id, "customer_id": customer_id})
        return _requests(found.mappings())

    def about(self, connection: Connection, tenant_id: str, any_id: str) -> list[Request]:
        """Return the requests of a customer, command, request or merge id, oldest first."""
        asked = {"tenant_id": tenant_id, "id": any_id, "request_id": uuid_of(any_id)}
        found = connection.execute(_ABOUT, asked)
        return _requests(found.mappings())

    def call_up(self, connection: Connection, now: datetime, tenant_id: str | None = None) -> int:
        """Make due now what is approved or deferred, of one tenant or of all; returns how many requests that are."""
        called: int = connection.execute(_CALL_UP, {"now": now, "tenant_id": tenant_id}).scalar_one()
        return called

    def approve(self, connection: Connection, request: Request, now: datetime) -> None:
        """Let recommendations of exactly these customers stand behind the request that carries them out."""
        connection.execute(
            _APPROVE,
            {
                "tenant_id": request.tenant_id,
                "request_id": request.request_id,
                "customer_ids": list(request.customer_ids),
                "now": now,
            },
        )

    def approved_as(self, connection: Connection, request: Request) -> list[Request]:
        """Lock and return the recommendations that stand behind a request."""
        asked = {"tenant_id": request.tenant_id, "request_id": request.request_id}
        return _requests(connection.execute(_APPROVED_AS, asked).mappings())

    def approval_ended(self, connection: Connection, request: Request, now: datetime) -> None:
        """Put recommendations back on the list: the request that they stood behind has ended, one way or the other."""
        asked = {"tenant_id": request.tenant_id, "request_id": request.request_id, "now": now}
        connection.execute(_APPROVAL_ENDED, asked)

    def merge_of(self, connection: Connection, request: Request) -> str | None:
        """The newest merge that a customer of a request was merged away by."""
        asked = {"tenant_id": request.tenant_id, "customer_ids": list(request.customer_ids)}
        merge_id: str | None = connection.execute(_MERGE_OF, asked).scalar_one_or_none()
        return merge_id

    def wake_recommendations(self, connection: Connection, since: timedelta) -> None:
        """Have recommendations looked at whose customers' identities changed lately."""
        connection.execute(_WAKE, {"since": since})

    def merge_came_to(self, connection: Connection, tenant_id: str, merge_id: str, status: str, at: datetime) -> None:
        """Note what becomes of the merge that a request ended in: its rows have moved, it is taken apart."""
        asked = {"tenant_id": tenant_id, "merge_id": merge_id, "status": status, "at": at}
        connection.execute(_CAME_TO, asked)

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
