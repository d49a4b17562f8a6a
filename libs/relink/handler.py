"""Takes customer-merged into a subscriber's database.

One transaction holds everything: which events were seen, the alias table, the subscriber's own rows and the
acknowledgement. It is the pipeline's transaction, so the position of the input is in it too.
"""

import uuid
from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text

from customer_events import (
    AckStatus,
    CustomerConverted,
    CustomerMerged,
    CustomerUnmerged,
    IdentityErased,
    RelinkAcknowledged,
    RelinkedCount,
    RowsMoved,
)
from event_runtime.drafts import Draft
from event_runtime.handler import Refusal, RefusedFault
from event_runtime.publisher import Publisher
from event_runtime.records import Received
from event_runtime.retry import FaultClass
from relink.aliases import AliasTable
from relink.redirection import Forgetting, Redirection, Relinker
from relink.stream_progress import StreamProgress

# The ids of acknowledgements are derived, so that the same event acknowledged again is the same message.
_ACKNOWLEDGEMENTS: Final = uuid.UUID("7a3c1a52-4be0-5d63-9a4e-0d8a3e1b6c55")

_DATABASE_TIME: Final = text("SELECT clock_timestamp()")

_Relinking = CustomerMerged | CustomerUnmerged
_InStream = CustomerMerged | CustomerUnmerged | RowsMoved | CustomerConverted | IdentityErased


class RelinkHandler:
    """An event_runtime handler for the topic customer-merged.

    CustomerMerged and CustomerUnmerged are applied and acknowledged. The redirects of a CustomerConverted are
    applied; nobody waits to hear of it. At IdentityErased the aliases of its members go, and a relinker that is
    Forgetting erases its own rows. RowsMoved only counts as seen. An event that was seen before is dropped without
    another acknowledgement.
    """

    def __init__(self, *, relinker: Relinker, publisher: Publisher, schema: str) -> None:
        """`schema` holds the tables of `relink_ddl_v1` and the outbox that the pipeline appends to."""
        self._relinker = relinker
        self._publisher = publisher
        self._aliases = AliasTable(schema)
        self._progress = StreamProgress(schema)

    def handle(self, connection: Connection, received: Sequence[Received]) -> Sequence[Draft]:
        """Apply the events not seen before, in the order given; return their acknowledgements."""
        events = [(item, item.event) for item in received if isinstance(item.event, _InStream)]
        if not events:
            return []
        before = self._progress.load(connection, {event.stream for _, event in events})
        after = deepcopy(before)
        now: datetime = connection.execute(_DATABASE_TIME).scalar_one()
        drafts = []
        for item, event in events:
            if not after[event.stream].take(event.sequence):
                continue
            match event:
                case CustomerMerged() | CustomerUnmerged():
                    counts = self._relink(connection, event, _change_id(event))
                    drafts.append(self._acknowledge(event, counts, now))
                case CustomerConverted():
                    self._relink(connection, event, item.event_id)
                case IdentityErased():
                    self._forget(connection, event)
                case RowsMoved():
                    pass
        self._progress.save(connection, before, after)
        return drafts

    def refuse(self, connection: Connection, received: Received, fault: RefusedFault) -> Refusal | None:
        """Acknowledge FAILED for an event that the relinker cannot apply; the record is quarantined, to be replayed.

        Its number stays unseen, so that the replay counts. Locks that others hold are no failure: tried again later.
        """
        event = received.event
        if fault.fault_class is FaultClass.CONTENTION or not isinstance(event, _Relinking):
            return None
        now: datetime = connection.execute(_DATABASE_TIME).scalar_one()
        failed = RelinkAcknowledged(
            tenant_id=event.tenant_id,
            system=self._relinker.system,
            merge_id=_change_id(event),
            status=AckStatus.FAILED,
            stream=event.stream,
            sequence=event.sequence,
            error=fault.reason,
            at=now,
        )
        return Refusal(drafts=(self._publisher.draft(failed),), quarantine=True)

    def _forget(self, connection: Connection, event: IdentityErased) -> None:
        ids = {event.canonical_id, *event.member_ids}
        self._aliases.forget(connection, event.tenant_id, ids)
        if isinstance(self._relinker, Forgetting):
            self._relinker.forget(connection, event.tenant_id, ids)

    def _relink(
        self, connection: Connection, event: _Relinking | CustomerConverted, change_id: str
    ) -> Mapping[str, int]:
        announced = [
            Redirection(
                tenant_id=event.tenant_id,
                customer_id=redirect.from_,
                canonical_id=redirect.canonical,
                version=redirect.version,
                merge_id=change_id,
            )
            for redirect in event.redirects
        ]
        changed = self._aliases.announce(connection, announced)
        return self._relinker.apply(connection, changed) if changed else {}

    def _acknowledge(self, event: _Relinking, counts: Mapping[str, int], now: datetime) -> Draft:
        relinked = any(counts.values())
        acknowledgement = RelinkAcknowledged(
            tenant_id=event.tenant_id,
            system=self._relinker.system,
            merge_id=_change_id(event),
            status=AckStatus.RELINKED if relinked else AckStatus.NOT_APPLICABLE,
            stream=event.stream,
            sequence=event.sequence,
            relinked=tuple(RelinkedCount(type=name, count=n) for name, n in sorted(counts.items())),
            at=now,
        )
        place = f"{self._relinker.system}\n{event.stream}\n{event.sequence}"
        return self._publisher.draft(acknowledgement, event_id=str(uuid.uuid5(_ACKNOWLEDGEMENTS, place)))


def _change_id(event: _Relinking) -> str:
    """What is acknowledged: a merge by its id; the undoing of one is another thing to do, and has an id of its own."""
    return event.unmerge_id if isinstance(event, CustomerUnmerged) else event.merge_id
