"""Tables review.commands and review.in_flight: what the desk asked for, and whose identity is busy with it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

from customer_events import CATALOGUE
from event_runtime.records import content_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class SentCommand:
    """A command of the desk: the customers it was made for, and the canonical ids that are busy with it.

    `content` is its JSON: what is sent again when no outcome comes.
    """

    tenant_id: str
    command_id: str
    command_type: str
    candidate_id: str | None
    customer_ids: tuple[str, ...]
    actor: str
    takes: tuple[str, ...] = ()
    outcome: str | None = None
    content: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resent:
    """A command in flight that is to be sent again. `content` is its JSON."""

    command_type: str
    content: str


class CommandTable:
    """Every method runs in the caller's transaction, under the tenant's lock.

    With `approves` each command that is sent is approved in the worker's table as well, with exactly its content.
    """

    def __init__(self, *, approves: bool = False) -> None:
        self._approves = approves

    def busy(self, connection: Connection, tenant_id: str, customer_ids: Collection[str]) -> dict[str, str]:
        """Of these canonical ids those that a command in flight has taken, with the command's id."""
        asked = {"tenant_id": tenant_id, "ids": sorted(set(customer_ids))}
        return {row.customer_id: row.command_id for row in connection.execute(_BUSY, asked)}

    def send(self, connection: Connection, commands: Sequence[SentCommand]) -> None:
        """Note commands that are on their way; what they take is busy until they end."""
        if not commands:
            return
        connection.execute(
            _SEND,
            [
                {
                    "tenant_id": command.tenant_id,
                    "command_id": command.command_id,
                    "command_type": command.command_type,
                    "candidate_id": command.candidate_id,
                    "customer_ids": list(command.customer_ids),
                    "actor": command.actor,
                    "content": command.content,
                }
                for command in commands
            ],
        )
        if self._approves:
            connection.execute(_APPROVE, [_approval(command) for command in commands])
        takes = [
            {"tenant_id": command.tenant_id, "customer_id": root, "command_id": command.command_id}
            for command in commands
            for root in sorted(set(command.takes))
        ]
        if takes:
            connection.execute(_TAKE, takes)

    def end(self, connection: Connection, tenant_id: str, command_id: str, outcome: str) -> SentCommand | None:
        """Note how a command ended and free its identities.

        None when it is not the desk's, or ended before.
        """
        asked = {"tenant_id": tenant_id, "command_id": command_id, "outcome": outcome}
        row = connection.execute(_END, asked).one_or_none()
        if row is None:
            return None
        connection.execute(_FREE, {"tenant_id": tenant_id, "command_id": command_id})
        return _sent(tenant_id, command_id, row)

    def resend(self, connection: Connection, after: timedelta, limit: int) -> list[Resent]:
        """Take at most `limit` commands in flight whose time to be sent again has come, and note that they are sent.

        Needs no tenant's lock: nothing else changes, and rows that somebody else is ending or sending are left out.
        """
        rows = connection.execute(_RESEND, {"after": after, "longest": _LONGEST_SILENCE, "limit": limit})
        return [Resent(command_type=row.command_type, content=row.content) for row in rows]

    def in_flight_since(
        self, connection: Connection, commands: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], datetime]:
        """When those of these commands that are in flight were first sent, all by (tenant id, command id)."""
        ordered = sorted(set(commands))
        asked = {"tenants": [tenant for tenant, _ in ordered], "ids": [command_id for _, command_id in ordered]}
        return {(row.tenant_id, row.command_id): row.sent_at for row in connection.execute(_SINCE, asked)}

    def sent(self, connection: Connection, tenant_id: str, command_id: str) -> SentCommand | None:
        """A command of the desk, ended or not."""
        row = connection.execute(_SENT, {"tenant_id": tenant_id, "command_id": command_id}).one_or_none()
        return None if row is None else _sent(tenant_id, command_id, row)


def _sent(tenant_id: str, command_id: str, row: Row[Any]) -> SentCommand:
    return SentCommand(
        tenant_id=tenant_id,
        command_id=command_id,
        command_type=row.command_type,
        candidate_id=row.candidate_id,
        customer_ids=tuple(row.customer_ids),
        actor=row.actor,
        outcome=row.outcome,
    )


_BUSY = text(
    "SELECT customer_id, command_id FROM review.in_flight"
    " WHERE tenant_id = :tenant_id AND customer_id = ANY (CAST(:ids AS text[]))"
)
_SEND = text(
    "INSERT INTO review.commands (tenant_id, command_id, command_type, candidate_id, customer_ids, actor, content)"
    " VALUES (:tenant_id, :command_id, :command_type, :candidate_id, :customer_ids, :actor, :content)"
)
_APPROVE = text(
    "INSERT INTO merge.approvals (tenant_id, command_id, content, approved_by)"
    " VALUES (:tenant_id, :command_id, :content, :approved_by)"
)
_TAKE = text(
    "INSERT INTO review.in_flight (tenant_id, customer_id, command_id) VALUES (:tenant_id, :customer_id, :command_id)"
)
_END = text(
    "UPDATE review.commands SET outcome = :outcome, ended_at = clock_timestamp()"
    " WHERE tenant_id = :tenant_id AND command_id = :command_id AND outcome IS NULL"
    " RETURNING command_type, candidate_id, customer_ids, actor, outcome"
)
_FREE = text("DELETE FROM review.in_flight WHERE tenant_id = :tenant_id AND command_id = :command_id")
# A command that waits for hours or days in good order is sent ever more rarely, and one that was lost not too late.
_LONGEST_SILENCE = timedelta(days=1)
_RESEND = text(
    "UPDATE review.commands SET last_sent_at = clock_timestamp() WHERE (tenant_id, command_id) IN ("
    " SELECT tenant_id, command_id FROM review.commands WHERE outcome IS NULL AND content IS NOT NULL"
    " AND last_sent_at + greatest(CAST(:after AS interval),"
    " least(last_sent_at - sent_at, CAST(:longest AS interval))) <= clock_timestamp()"
    " ORDER BY last_sent_at LIMIT :limit FOR UPDATE SKIP LOCKED)"
    " RETURNING command_type, content"
)
_SINCE = text(
    "SELECT c.tenant_id, c.command_id, c.sent_at FROM review.commands AS c"
    " JOIN unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) AS asked (tenant_id, command_id)"
    " USING (tenant_id, command_id) WHERE c.outcome IS NULL"
)
_SENT = text(
    "SELECT command_type, candidate_id, customer_ids, actor, outcome FROM review.commands"
    " WHERE tenant_id = :tenant_id AND command_id = :command_id"
)


def _approval(command: SentCommand) -> dict[str, object]:
    event = CATALOGUE[command.command_type].model.model_validate_json(command.content or "")
    return {
        "tenant_id": command.tenant_id,
        "command_id": command.command_id,
        "content": content_digest(event),
        "approved_by": command.actor,
    }
