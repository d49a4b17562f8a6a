"""RemoveMerge: take a request, or every open request of a customer, off the list."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from customer_events import RemoveMerge as Removal
from customer_events import RuleError, Side, Stage
from event_runtime.outbox import Draft
from merge_worker.adapters.commands import Command, waiting_command
from merge_worker.adapters.outcomes import Outcomes
from merge_worker.adapters.requests import OPEN_STATUSES, Request, Requests
from merge_worker.application.authority import Role, highest_role, not_allowed
from merge_worker.application.waiting import Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveMerge:
    """The use case. Who may only recommend takes away only what they asked for themselves."""

    outcomes: Outcomes
    requests: Requests
    waiting: Waiting

    def __call__(self, connection: Connection, commands: Sequence[Command], now: datetime) -> list[Draft]:
        """End each request found, and the removal itself."""
        return [draft for command in commands for draft in self._remove(connection, command, now)]

    def _remove(self, connection: Connection, command: Command, now: datetime) -> list[Draft]:
        event = command.event
        if not isinstance(event, Removal):
            raise TypeError(f"{command.kind} is no removal")
        found = self._open(connection, event)
        if not found:
            return [self.outcomes.rejected(command, Stage.VALIDATION, [_nothing_open(event)], now)]
        role = highest_role(command.roles)
        own = [request for request in found if request.requested_by == event.requested_by.id]
        if role < Role.RECOMMEND or (role < Role.MERGE and not own):
            missing = Role.RECOMMEND if role < Role.RECOMMEND else Role.MERGE
            return [self.outcomes.rejected(command, Stage.AUTHORISATION, [not_allowed(missing)], now)]
        removed = found if role >= Role.MERGE else own
        drafts: list[Draft] = []
        for request in removed:
            self.waiting.end(connection, request, "removed", now)
            drafts.append(self.outcomes.removed(Command.of(waiting_command(request)), request.request_id, now))
        drafts.append(self.outcomes.removed(command, removed[0].request_id, now))
        return drafts

    def _open(self, connection: Connection, event: Removal) -> list[Request]:
        if event.request_id is not None:
            request = self.requests.named(connection, event.tenant_id, event.request_id)
            if request is None or request.status not in OPEN_STATUSES:
                return []
            # Who takes an approved recommendation off the list means the recommendation too.
            return [request, *self.requests.approved_as(connection, request)]
        if event.customer_id is not None:
            return self.requests.open_of_customer(connection, event.tenant_id, event.customer_id)
        return []


def _nothing_open(event: Removal) -> RuleError:
    return RuleError(
        rule="REQUEST_NOT_FOUND",
        side=Side.SYSTEM,
        customer_ids=() if event.customer_id is None else (event.customer_id,),
        field="request_id" if event.request_id is not None else "customer_id",
        message="no open request is found",
        remediation="Name an open request or a customer with one; a merge that is done can be unmerged.",
        permanent=True,
    )
