"""How a command is put aside and how a request ends: the row, and the notice that says so."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from customer_events import MergeCustomers, RecommendMerge, RuleError
from event_runtime.outbox import Draft
from merge_worker.adapters.commands import Command
from merge_worker.adapters.outcomes import Outcomes
from merge_worker.adapters.requests import Request, Requests
from merge_worker.application import event_ids
from merge_worker.application.deferral import AFTER_COMMAND, NOT_BEFORE, Wait

# What waits for nothing else has not been tried yet.
UNTRIED = frozenset({NOT_BEFORE, AFTER_COMMAND})


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Keeps merge.requests in step with what is told about a command."""

    requests: Requests
    outcomes: Outcomes

    def wait(
        self,
        connection: Connection,
        command: MergeCustomers,
        request: Request | None,
        wait: Wait,
        *,
        now: datetime,
        errors: Sequence[RuleError] = (),
    ) -> list[Draft]:
        """Put a command aside; a notice is published the first time and whenever the reasons change."""
        told = request is not None and request.waiting_for == wait.waiting_for
        row = replace(
            request or new_request(command, "approved", now),
            status="approved" if set(wait.waiting_for) <= UNTRIED else "deferred",
            waiting_for=wait.waiting_for,
            rules=tuple(error.rule for error in errors),
            next_attempt_at=wait.until,
            updated_at=now,
        )
        number = row.notices
        row = replace(row, attempts=row.attempts + 1, notices=number if told else number + 1)
        self.requests.save(connection, [row])
        if request is None:
            self.requests.approve(connection, row, now)
        return [] if told else [self.outcomes.deferred(Command.of(command), wait, errors, number)]

    def end(
        self,
        connection: Connection,
        request: Request | None,
        status: str,
        now: datetime,
        *,
        merge_id: str | None = None,
    ) -> None:
        """Close a request, if the command left one."""
        if request is not None:
            closed = replace(
                request, status=status, merge_id=merge_id, waiting_for=(), attempts=request.attempts + 1, updated_at=now
            )
            self.requests.save(connection, [closed])
            self.requests.approval_ended(connection, closed, now)


def new_request(
    command: MergeCustomers | RecommendMerge,
    status: str,
    now: datetime,
    *,
    next_attempt_at: datetime | None = None,
    expires_after: timedelta | None = None,
) -> Request:
    """Return the request a command leaves behind when it cannot end at once."""
    named = (command.winner_id, *command.loser_ids) if command.winner_id is not None else command.loser_ids
    return Request(
        tenant_id=command.tenant_id,
        request_id=event_ids.request_id(command.tenant_id, command.command_id),
        command_id=command.command_id,
        command_type=type(command).__name__,
        command=command.model_dump_json(),
        status=status,
        customer_ids=tuple(dict.fromkeys(named)),
        requested_by=command.requested_by.id,
        after_command_id=command.after_command_id,
        next_attempt_at=next_attempt_at or now,
        expires_at=None if expires_after is None else now + expires_after,
        created_at=now,
        updated_at=now,
    )
