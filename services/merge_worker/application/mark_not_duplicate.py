"""MarkNotDuplicate: assert that customers are different people, or withdraw that."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from customer_events import MarkNotDuplicate as Marking
from customer_events import Stage
from customer_identity.merging import Noop, NotDuplicateRecorded, Refused
from customer_identity.merging.approvers import POLICY_PREFIX
from event_runtime.outbox import Draft
from merge_engine import MergeEngine
from merge_worker.adapters.commands import Command
from merge_worker.adapters.merge_orders import not_duplicate_order, rule_errors
from merge_worker.adapters.outcomes import Outcomes
from merge_worker.application.authority import Role, highest_role, not_allowed, person_required


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkNotDuplicate:
    """The use case.

    To assert takes the role to recommend; to withdraw, which lets a merge through, a person with the role to merge.
    """

    engine: MergeEngine
    outcomes: Outcomes

    def __call__(self, connection: Connection, commands: Sequence[Command], now: datetime) -> list[Draft]:
        """Record each assertion or withdrawal in turn."""
        return [self._mark(connection, command, now) for command in commands]

    def _mark(self, connection: Connection, command: Command, now: datetime) -> Draft:
        event = command.event
        if not isinstance(event, Marking):
            raise TypeError(f"{command.kind} is no assertion")
        needed = Role.MERGE if event.withdrawn else Role.RECOMMEND
        if highest_role(command.roles) < needed:
            return self.outcomes.rejected(command, Stage.AUTHORISATION, [not_allowed(needed)], now)
        if event.withdrawn and event.requested_by.id.startswith(POLICY_PREFIX):
            return self.outcomes.rejected(command, Stage.AUTHORISATION, [person_required()], now)
        result = self.engine.assert_not_duplicate(connection, not_duplicate_order(event))
        match result:
            case NotDuplicateRecorded():
                return self.outcomes.not_duplicate(command, result.at)
            case Noop():
                return self.outcomes.noop(command, result.reason.value, result.canonical_id)
            case Refused():
                return self.outcomes.rejected(command, Stage(result.stage.value), rule_errors(result.errors), now)
