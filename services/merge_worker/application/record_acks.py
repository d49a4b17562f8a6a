"""Topic relink-ack: note in the ledger which system has relinked which merge."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from customer_events import RelinkAcknowledged
from event_runtime.outbox import Draft
from event_runtime.records import Received
from merge_worker.adapters.relink_ledger import Acknowledgement, RelinkLedger


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAcks:
    """The handler of topic relink-ack. Its effect is idempotent, so it needs no inbox."""

    ledger: RelinkLedger

    def handle(self, connection: Connection, received: Sequence[Received]) -> Sequence[Draft]:
        """Record a batch of acknowledgements; nothing is published."""
        self.ledger.acknowledge(
            connection,
            [_acknowledgement(item.event) for item in received if isinstance(item.event, RelinkAcknowledged)],
        )
        return ()


def _acknowledgement(event: RelinkAcknowledged) -> Acknowledgement:
    return Acknowledgement(
        tenant_id=event.tenant_id,
        merge_id=event.merge_id,
        system=event.system,
        status=event.status.value,
        relinked={one.type: one.count for one in event.relinked},
        error=event.error,
        at=event.at,
    )
