"""Table merge.relink_ledger: which system has relinked which merge, and who is late.

Acknowledgements come in any order and more than once. A state only moves forward: PENDING →
RECEIVED → FAILED → RELINKED or NOT_APPLICABLE, so a late RECEIVED never hides a RELINKED.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, text

_RANK = {"PENDING": 0, "RECEIVED": 1, "FAILED": 2, "NOT_APPLICABLE": 3, "RELINKED": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredAck:
    """A system that must acknowledge a merge by `due_at`."""

    tenant_id: str
    merge_id: str
    system: str
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """What a system said about a merge. `relinked` counts what it moved, by its own names."""

    tenant_id: str
    merge_id: str
    system: str
    status: str
    relinked: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None
    at: datetime


_EXPECT = text(
    """
    INSERT INTO merge.relink_ledger AS l (tenant_id, merge_id, system, status, required, due_at)
    SELECT tenant_id, merge_id, system, 'PENDING', true, due_at
      FROM unnest(CAST(:tenant_ids AS text[]), CAST(:merge_ids AS text[]), CAST(:systems AS text[]),
                  CAST(:due_ats AS timestamptz[])) AS t(tenant_id, merge_id, system, due_at)
    ON CONFLICT (tenant_id, merge_id, system) DO UPDATE SET required = true, due_at = excluded.due_at
    """
)

_ACKNOWLEDGE = text(
    """
    INSERT INTO merge.relink_ledger AS l (
        tenant_id, merge_id, system, status, required, relinked, error, acknowledged_at)
    VALUES (:tenant_id, :merge_id, :system, :status, false, CAST(:relinked AS jsonb), :error, :at)
    ON CONFLICT (tenant_id, merge_id, system) DO UPDATE SET
        status = excluded.status, relinked = excluded.relinked, error = excluded.error,
        acknowledged_at = excluded.acknowledged_at
     WHERE array_position(CAST(:ranking AS text[]), excluded.status)
        >= array_position(CAST(:ranking AS text[]), l.status)
    """
)

_SUMMARY = text(
    """
    SELECT system, count(*) FILTER (WHERE status IN ('RELINKED', 'NOT_APPLICABLE')) AS done,
           count(*) FILTER (WHERE status IN ('PENDING', 'RECEIVED')) AS waiting,
           count(*) FILTER (WHERE status = 'FAILED') AS failed,
           count(*) FILTER (WHERE required AND due_at < clock_timestamp()
                              AND status IN ('PENDING', 'RECEIVED', 'FAILED')) AS overdue
      FROM merge.relink_ledger
     WHERE CAST(:tenant_id AS text) IS NULL OR tenant_id = :tenant_id
     GROUP BY system ORDER BY system
    """
)

_OF_MERGE = text(
    "SELECT system, status, due_at, acknowledged_at, error FROM merge.relink_ledger"
    " WHERE tenant_id = :tenant_id AND merge_id = :merge_id ORDER BY system"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemSummary:
    """How far one system is; counts are merges."""

    system: str
    done: int
    waiting: int
    failed: int
    overdue: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """Where one system stands with one merge."""

    system: str
    status: str
    due_at: datetime | None
    acknowledged_at: datetime | None
    error: str | None


class RelinkLedger:
    """The ledger. Every method runs in the caller's transaction."""

    def expect(self, connection: Connection, required: Collection[RequiredAck]) -> None:
        """Open an entry for each acknowledgement that a merge requires."""
        if not required:
            return
        connection.execute(
            _EXPECT,
            {
                "tenant_ids": [ack.tenant_id for ack in required],
                "merge_ids": [ack.merge_id for ack in required],
                "systems": [ack.system for ack in required],
                "due_ats": [ack.due_at for ack in required],
            },
        )

    def acknowledge(self, connection: Connection, acks: Collection[Acknowledgement]) -> None:
        """Record what systems said; what is further along already stays."""
        if not acks:
            return
        ranking = sorted(_RANK, key=lambda status: _RANK[status])
        # Locked in one order by every worker, so two of them cannot wait for each other.
        ordered = sorted(acks, key=lambda ack: (ack.tenant_id, ack.merge_id, ack.system, _RANK[ack.status]))
        connection.execute(
            _ACKNOWLEDGE,
            [
                {
                    "tenant_id": ack.tenant_id,
                    "merge_id": ack.merge_id,
                    "system": ack.system,
                    "status": ack.status,
                    "relinked": json.dumps(dict(ack.relinked)),
                    "error": ack.error,
                    "at": ack.at,
                    "ranking": ranking,
                }
                for ack in ordered
            ],
        )

    def summary(self, connection: Connection, tenant_id: str | None = None) -> list[SystemSummary]:
        """Return how far each system is."""
        rows = connection.execute(_SUMMARY, {"tenant_id": tenant_id}).mappings()
        return [SystemSummary(**row) for row in rows]

    def of_merge(self, connection: Connection, tenant_id: str, merge_id: str) -> list[LedgerEntry]:
        """Return where each system stands with one merge."""
        rows = connection.execute(_OF_MERGE, {"tenant_id": tenant_id, "merge_id": merge_id}).mappings()
        return [LedgerEntry(**row) for row in rows]
