"""Reads the worker's list of requests, its schedule and the state of customers. The desk never writes them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, text

from customer_events import MergeCustomers, RecommendMerge
from event_runtime.identifiers import uuid_of

STATUSES = (
    "recommended",
    "approved",
    "running",
    "deferred",
    "merged",
    "unmerging",
    "unmerged",
    "removed",
    "rejected",
)
OPEN_STATUSES = ("recommended", "approved", "deferred")


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeRequest:
    """A request as the worker keeps it. `winner_id` is None when the plan is to choose.

    A recommendation that was approved is no line of its own: `recommended_by` of what carries it out names who asked.
    `approved_by` approved it already; another person has to, too.
    """

    tenant_id: str
    request_id: str
    command_id: str
    status: str
    winner_id: str | None
    loser_ids: tuple[str, ...]
    requested_by: str
    roles: tuple[str, ...]
    reason: str
    waived_rules: tuple[str, ...]
    candidate_id: str | None
    waiting_for: tuple[str, ...]
    failed_rules: tuple[str, ...]
    merge_id: str | None
    recommended_by: tuple[str, ...]
    approved_by: str | None
    next_attempt_at: datetime | None
    created_at: datetime
    updated_at: datetime
    command: MergeCustomers | RecommendMerge

    @property
    def is_open(self) -> bool:
        """Whether it can still be merged, deferred or removed."""
        return self.status in OPEN_STATUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerState:
    """What became of a customer, as every program may read it (view merge.customer_state)."""

    state: str
    canonical_id: str
    merge_id: str | None
    merged_at: datetime | None
    merged_by: str | None
    merged_accounts: int
    open_requests: int
    rows_moving: bool


class MergeRequestView:
    """Read-only; every method runs in the caller's transaction."""

    def listed(
        self, connection: Connection, *, tenant_id: str | None, statuses: Collection[str], limit: int | None
    ) -> list[MergeRequest]:
        """Requests in these statuses, newest first."""
        asked = {"tenant_id": tenant_id, "statuses": sorted(statuses), "limit": limit}
        return [_request(row) for row in connection.execute(_LISTED, asked).mappings()]

    def named(
        self, connection: Connection, request_ids: Collection[str], tenant_id: str | None = None
    ) -> list[MergeRequest]:
        """The requests with these ids that there are, oldest first."""
        asked = {"ids": sorted(filter(None, map(uuid_of, set(request_ids)))), "tenant_id": tenant_id}
        return [_request(row) for row in connection.execute(_NAMED, asked).mappings()]

    def open_of(self, connection: Connection, tenant_id: str, customer_id: str) -> list[MergeRequest]:
        """The open requests that name a customer, oldest first."""
        asked = {"tenant_id": tenant_id, "id": customer_id}
        return [_request(row) for row in connection.execute(_ABOUT, asked).mappings()]

    def state_of(self, connection: Connection, tenant_id: str, customer_id: str) -> CustomerState | None:
        """What became of a customer; None when nothing ever did and nobody asked for anything."""
        asked = {"tenant_id": tenant_id, "id": customer_id}
        row = connection.execute(_STATE, asked).mappings().one_or_none()
        return None if row is None else CustomerState(**row)

    def next_schedule(self, connection: Connection) -> datetime | None:
        """When the worker next tries everything that waits; None when nothing is scheduled."""
        at: datetime | None = connection.execute(_NEXT_SCHEDULE).scalar_one()
        return at

    def open_for(
        self, connection: Connection, tenant_id: str, winner_id: str, loser_ids: Collection[str]
    ) -> list[MergeRequest]:
        """The open requests for exactly these customers, whoever of them wins where the plan is to choose."""
        everybody = sorted({winner_id, *loser_ids})
        asked = {"tenant_id": tenant_id, "ids": everybody}
        found = [_request(row) for row in connection.execute(_OPEN_FOR, asked).mappings()]
        return [
            request
            for request in found
            if request.winner_id in {winner_id, None}
            and sorted({*request.loser_ids, *filter(None, (request.winner_id,))}) == everybody
        ]


_SELECT = """
SELECT r.tenant_id, r.request_id::text AS request_id, r.command_id, r.command_type, r.command::text AS command,
       r.status, r.requested_by, r.waiting_for, r.rules, r.merge_id, r.next_attempt_at, r.created_at, r.updated_at,
       ARRAY(SELECT b.requested_by FROM merge.requests b
              WHERE b.tenant_id = r.tenant_id AND b.approved_as = r.request_id ORDER BY b.created_at) AS recommended_by,
       (SELECT f.approved_by FROM review.first_approvals f
         WHERE f.tenant_id = r.tenant_id AND f.command_id = r.command_id AND r.status = 'recommended') AS approved_by
  FROM merge.requests r
 WHERE NOT EXISTS (SELECT FROM merge.requests a WHERE a.tenant_id = r.tenant_id AND a.request_id = r.approved_as)
   AND """
_STATE = text(
    "SELECT state, canonical_id, merge_id::text, merged_at, merged_by, merged_accounts, open_requests, rows_moving"
    "  FROM merge.customer_state WHERE tenant_id = :tenant_id AND customer_id = :id"
)
_NEXT_SCHEDULE = text("SELECT min(next_at) FROM merge.schedules WHERE next_at > clock_timestamp()")
_LISTED = text(
    f"{_SELECT} (CAST(:tenant_id AS text) IS NULL OR r.tenant_id = :tenant_id)"
    " AND r.status = ANY (CAST(:statuses AS text[])) ORDER BY r.created_at DESC, r.request_id LIMIT :limit"
)
_OPEN_FOR = text(
    f"{_SELECT} r.tenant_id = :tenant_id AND r.customer_ids @> CAST(:ids AS text[])"
    " AND r.status IN ('recommended', 'approved', 'deferred') ORDER BY r.created_at, r.request_id"
)
_NAMED = text(
    f"{_SELECT} r.request_id = ANY (CAST(:ids AS uuid[]))"
    " AND (CAST(:tenant_id AS text) IS NULL OR r.tenant_id = :tenant_id) ORDER BY r.created_at, r.request_id"
)
_ABOUT = text(
    f"{_SELECT} r.tenant_id = :tenant_id AND r.customer_ids @> ARRAY[CAST(:id AS text)]"
    " AND r.status IN ('recommended', 'approved', 'deferred') ORDER BY r.created_at, r.request_id"
)


def _request(row: RowMapping) -> MergeRequest:
    command = _COMMANDS[row["command_type"]].model_validate_json(row["command"])
    return MergeRequest(
        tenant_id=row["tenant_id"],
        request_id=row["request_id"],
        command_id=row["command_id"],
        status=row["status"],
        winner_id=command.winner_id,
        loser_ids=command.loser_ids,
        requested_by=row["requested_by"],
        roles=command.requested_by.roles,
        reason=command.reason,
        waived_rules=command.waived_rules,
        candidate_id=command.candidate_id,
        waiting_for=tuple(row["waiting_for"]),
        failed_rules=tuple(row["rules"]),
        merge_id=row["merge_id"],
        recommended_by=tuple(row["recommended_by"]),
        approved_by=row["approved_by"],
        next_attempt_at=row["next_attempt_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        command=command,
    )


_COMMANDS: dict[str, type[MergeCustomers | RecommendMerge]] = {
    "MergeCustomers": MergeCustomers,
    "RecommendMerge": RecommendMerge,
}
