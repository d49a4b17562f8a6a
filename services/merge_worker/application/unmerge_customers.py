"""UnmergeCustomers: take a merge apart again, as far as that can be done, and say what could not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from customer_events import Stage
from customer_events import UnmergeCustomers as Unmerging
from customer_identity.merging import Noop, Refused, RowsReturning, Unmerged
from event_runtime.outbox import Draft
from merge_engine import MergeEngine
from merge_worker.adapters.commands import Command
from merge_worker.adapters.merge_orders import rule_errors, unmerge_order
from merge_worker.adapters.outcomes import Outcomes
from merge_worker.adapters.relink_ledger import RelinkLedger
from merge_worker.adapters.requests import Requests
from merge_worker.application.authority import Role, highest_role, not_allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmergeCustomers:
    """The use case. Needs the role to merge.

    A large merge is not taken apart at once: its rows go back first (returning_rows), and then the command ends.
    """

    engine: MergeEngine
    outcomes: Outcomes
    requests: Requests
    ledger: RelinkLedger

    def __call__(self, connection: Connection, commands: Sequence[Command], now: datetime) -> list[Draft]:
        """Undo each merge in turn."""
        return [draft for command in commands for draft in self._unmerge(connection, command, now)]

    def _unmerge(self, connection: Connection, command: Command, now: datetime) -> list[Draft]:
        event = command.event
        if not isinstance(event, Unmerging):
            raise TypeError(f"{command.kind} is no unmerge")
        if highest_role(command.roles) < Role.MERGE:
            return [self.outcomes.rejected(command, Stage.AUTHORISATION, [not_allowed(Role.MERGE)], now)]
        result = self.engine.begin_unmerge(connection, unmerge_order(event))
        match result:
            case RowsReturning():
                self.requests.merge_came_to(connection, event.tenant_id, result.merge_id, "unmerging", now)
                return [self.outcomes.returning(result)]
            case Noop():
                return [self.outcomes.noop(command, result.reason.value, result.canonical_id)]
            case _:
                return self.conclude(connection, result, now)

    def conclude(self, connection: Connection, result: Unmerged | Refused, now: datetime) -> list[Draft]:
        """Keep what became of a merge, and end the command."""
        match result:
            case Unmerged():
                self.requests.merge_came_to(connection, result.order.tenant_id, result.merge_id, "unmerged", result.at)
                self.ledger.expect(connection, self.outcomes.required_acks(result))
                return self.outcomes.unmerged(result)
            case Refused():
                return [
                    self.outcomes.rejected(result.order, Stage(result.stage.value), rule_errors(result.errors), now)
                ]
