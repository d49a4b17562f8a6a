"""Reads the worker's table merge.requests. The desk follows it and never writes it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, text

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
    """A request as the worker keeps it. `winner_id` is None when the plan is to choose."""

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
    next_attempt_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def is_open(self) -> bool:
        """Whether it can still be merged, deferred or removed."""
        return self.status in OPEN_STATUSES


class MergeRequestView:
    """Read-only; every method runs in the caller's transaction."""

    def listed(
        self, connection: Connection, *, tenant_id: str | None, statuses: Collection[str], limit: int | None
    ) -> list[MergeRequest]:
        """Requests in these statuses, newest first."""
        asked = {"tenant_id": tenant_id, "statuses": sorted(statuses), "limit": limit}
        return [_request(row) for row in connection.execute(_LISTED, asked).mappings()]

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


_SELECT = (
    "SELECT tenant_id, request_id::text AS request_id, command_id, command, status, requested_by, waiting_for, rules,"
    " merge_id, next_attempt_at, created_at, updated_at FROM merge.requests"
)
_LISTED = text(
    f"{_SELECT} WHERE (CAST(:tenant_id AS text) IS NULL OR tenant_id = :tenant_id)"
    " AND status = ANY (CAST(:statuses AS text[])) ORDER BY created_at DESC, request_id LIMIT :limit"
)
_OPEN_FOR = text(
    f"{_SELECT} WHERE tenant_id = :tenant_id AND customer_ids @> CAST(:ids AS text[])"
    " AND status IN ('recommended', 'approved', 'deferred') ORDER BY created_at, request_id"
)


def _request(row: RowMapping) -> MergeRequest:
    command: dict[str, Any] = row["command"]
    return MergeRequest(
        tenant_id=row["tenant_id"],
        request_id=row["request_id"],
        command_id=row["command_id"],
        status=row["status"],
        winner_id=command.get("winner_id"),
        loser_ids=tuple(command["loser_ids"]),
        requested_by=row["requested_by"],
        roles=tuple(command.get("requested_by", {}).get("roles", ())),
        reason=command.get("reason", ""),
        waived_rules=tuple(command.get("waived_rules", ())),
        candidate_id=command.get("candidate_id"),
        waiting_for=tuple(row["waiting_for"]),
        failed_rules=tuple(row["rules"]),
        merge_id=row["merge_id"],
        next_attempt_at=row["next_attempt_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
