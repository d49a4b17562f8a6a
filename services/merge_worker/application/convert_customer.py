"""ConvertCustomer: make an individual an organisation, or the other way round, as the merge plan says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from customer_events import ConvertCustomer as Conversion
from customer_events import Stage
from customer_identity.merging.conversion import ConversionRefused, Converted
from event_runtime.outbox import Draft
from merge_engine import MergeEngine
from merge_worker.adapters.commands import Command
from merge_worker.adapters.merge_orders import conversion_order, rule_errors
from merge_worker.adapters.outcomes import Outcomes
from merge_worker.application.authority import Role, highest_role, not_allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertCustomer:
    """The use case. Needs the role to merge."""

    engine: MergeEngine
    outcomes: Outcomes

    def __call__(self, connection: Connection, commands: Sequence[Command], now: datetime) -> list[Draft]:
        """Convert each customer in turn."""
        return [draft for command in commands for draft in self._convert(connection, command, now)]

    def _convert(self, connection: Connection, command: Command, now: datetime) -> list[Draft]:
        event = command.event
        if not isinstance(event, Conversion):
            raise TypeError(f"{command.kind} is no conversion")
        if highest_role(command.roles) < Role.MERGE:
            return [self.outcomes.rejected(command, Stage.AUTHORISATION, [not_allowed(Role.MERGE)], now)]
        result = self.engine.convert(connection, conversion_order(event))
        match result:
            case Converted():
                return self.outcomes.converted(result)
            case ConversionRefused():
                return [self.outcomes.rejected(command, Stage.ELIGIBILITY, rule_errors(result.errors), now)]
