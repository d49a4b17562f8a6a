"""RecommendMerge, and MergeCustomers from somebody who may only recommend: the merge goes on a list.

A recommendation ends when it is removed, when it expires, or when its customers have become one
identity by somebody else's command. It never blocks anybody who may merge.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from customer_events import MergeCustomers, Stage
from customer_events import RecommendMerge as Recommendation
from event_runtime.outbox import Draft
from merge_engine import MergeEngine
from merge_worker.adapters.commands import Command, waiting_command
from merge_worker.adapters.merge_orders import merge_order, names_itself, rule_errors, unsound
from merge_worker.adapters.outcomes import Outcomes
from merge_worker.adapters.requests import Request, Requests
from merge_worker.application.authority import Role, highest_role, not_allowed, proof_missing
from merge_worker.application.waiting import Waiting, new_request


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendMerge:
    """The use case. A recommendation is looked at again every `look_again` and lives for `lifetime`."""

    engine: MergeEngine
    outcomes: Outcomes
    requests: Requests
    waiting: Waiting
    lifetime: timedelta = timedelta(days=30)
    look_again: timedelta = timedelta(minutes=5)

    def __call__(self, connection: Connection, commands: Sequence[Command], now: datetime) -> list[Draft]:
        """Put each merge on the list and say whether it could be done as things are."""
        return [draft for command in commands for draft in self._recommend(connection, command, now)]

    def look_again_at(self, connection: Connection, request: Request, now: datetime) -> list[Draft]:
        """End a recommendation that is over; otherwise keep it."""
        command = Command.of(waiting_command(request))
        canonical = self._one_identity(connection, request)
        if canonical is not None:
            self.waiting.end(connection, request, "merged", now, merge_id=self.requests.merge_of(connection, request))
            return [self.outcomes.noop(command, "SAME_IDENTITY", canonical)]
        # One that was approved is no recommendation any more: it ends with the request that carries it out.
        if request.status == "recommended" and request.expires_at is not None and request.expires_at <= now:
            self.waiting.end(connection, request, "removed", now)
            return [self.outcomes.removed(command, request.request_id, now)]
        self.requests.save(connection, [replace(request, next_attempt_at=now + self.look_again, updated_at=now)])
        return []

    def _recommend(self, connection: Connection, command: Command, now: datetime) -> list[Draft]:
        event = command.event
        if not isinstance(event, MergeCustomers | Recommendation):
            raise TypeError(f"{command.kind} is no merge")
        if highest_role(command.roles) < Role.RECOMMEND:
            return [self.outcomes.rejected(command, Stage.AUTHORISATION, [not_allowed(Role.RECOMMEND)], now)]
        errors = [*unsound(event), *names_itself(event)]
        if errors:
            return [self.outcomes.rejected(command, Stage.VALIDATION, errors, now)]
        row = new_request(event, "recommended", now, next_attempt_at=now + self.look_again, expires_after=self.lifetime)
        canonical = self._one_identity(connection, row)
        if canonical is not None:
            return [self.outcomes.noop(command, "SAME_IDENTITY", canonical)]
        preview = self.engine.preview(connection, merge_order(event))
        errors = rule_errors(preview.failures)
        if isinstance(event, MergeCustomers):
            # Asked to merge, it became a recommendation: the notice says why.
            errors.insert(0, not_allowed(Role.MERGE) if command.proven else proof_missing())
        self.requests.save(connection, [replace(row, rules=tuple(error.rule for error in errors))])
        return [self.outcomes.recommended(command, row.request_id, errors, eligible=preview.eligible)]

    def _one_identity(self, connection: Connection, request: Request) -> str | None:
        known = self.engine.canonical(connection, request.tenant_id, request.customer_ids)
        roots = {known[one].canonical_id for one in request.customer_ids}
        return roots.pop() if len(roots) == 1 else None
