"""ConvertCustomer: no plan says yet how a customer's type is changed, so it is refused, and says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from customer_events import ConvertCustomer as Conversion
from customer_events import RuleError, Side, Stage
from event_runtime.outbox import Draft
from merge_worker.adapters.commands import Command
from merge_worker.adapters.outcomes import Outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertCustomer:
    """The use case."""

    outcomes: Outcomes

    def __call__(self, _connection: Connection, commands: Sequence[Command], now: datetime) -> list[Draft]:
        """Refuse each conversion."""
        return [
            self.outcomes.rejected(command, Stage.VALIDATION, [_not_supported(command)], now) for command in commands
        ]


def _not_supported(command: Command) -> RuleError:
    event = command.event
    return RuleError(
        rule="NOT_SUPPORTED",
        side=Side.SYSTEM,
        customer_ids=(event.customer_id,) if isinstance(event, Conversion) else (),
        field="to_type",
        message="the merge plan does not say how a customer's type is changed",
        remediation="Change the type in the customer database itself.",
        permanent=True,
    )
