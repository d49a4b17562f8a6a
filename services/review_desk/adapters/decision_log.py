"""Table review.decisions: who decided what. Rows are added and never changed; they hold ids and reasons only."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, text


class DecisionKind(StrEnum):
    """What was decided."""

    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    MERGE_ASKED = "MERGE_ASKED"
    RECOMMENDED = "RECOMMENDED"
    REMOVED = "REMOVED"
    PAUSED = "PAUSED"
    RESUMED = "RESUMED"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionMade:
    """One decision; `tenant_id` and `candidate_id` are None when it is about no tenant or no case."""

    decision: DecisionKind
    decided_by: str
    roles: tuple[str, ...]
    reason: str
    tenant_id: str | None = None
    candidate_id: str | None = None
    revision: int | None = None
    command_id: str | None = None
    detail: Mapping[str, object] = field(default_factory=dict)
    decided_at: datetime | None = None


class DecisionLog:
    """Every method runs in the caller's transaction."""

    def add(self, connection: Connection, made: Sequence[DecisionMade]) -> None:
        """Keep decisions, at the database's time."""
        if made:
            connection.execute(_ADD, [_values(one) for one in made])

    def of_case(self, connection: Connection, tenant_id: str, candidate_id: str) -> list[DecisionMade]:
        """The decisions about a case, oldest first."""
        rows = connection.execute(_OF_CASE, {"tenant_id": tenant_id, "candidate_id": candidate_id})
        return [
            DecisionMade(
                decision=DecisionKind(row.decision),
                decided_by=row.decided_by,
                roles=tuple(row.roles),
                reason=row.reason,
                tenant_id=tenant_id,
                candidate_id=candidate_id,
                revision=row.revision,
                command_id=row.command_id,
                detail=row.detail,
                decided_at=row.decided_at,
            )
            for row in rows
        ]


_ADD = text(
    "INSERT INTO review.decisions"
    " (tenant_id, candidate_id, revision, command_id, decision, decided_by, roles, reason, detail)"
    " VALUES (:tenant_id, :candidate_id, :revision, :command_id, :decision, :decided_by, :roles, :reason,"
    " CAST(:detail AS jsonb))"
)
_OF_CASE = text(
    "SELECT revision, command_id, decision, decided_by, roles, reason, detail, decided_at FROM review.decisions"
    " WHERE tenant_id = :tenant_id AND candidate_id = :candidate_id ORDER BY decision_id"
)


def _values(made: DecisionMade) -> dict[str, object]:
    return {
        "tenant_id": made.tenant_id,
        "candidate_id": made.candidate_id,
        "revision": made.revision,
        "command_id": made.command_id,
        "decision": made.decision.value,
        "decided_by": made.decided_by,
        "roles": list(made.roles),
        "reason": made.reason,
        "detail": json.dumps(made.detail),
    }
