"""CustomerErased: forget a person, the whole identity, unless somebody has to look first.

A request is kept when it is read and tried at once. One that must wait (members that only an automatic merge joined,
rows of a large merge still on their way) is tried again by `work`, which runs every few seconds: it goes on by itself
when a person has confirmed it, when the wrong merge was taken apart, or when the rows have arrived.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from customer_events import CustomerErased, IdentityErased
from event_runtime.failpoints import failpoint
from event_runtime.handler import Refusal, RefusedFault
from event_runtime.logs import get_logger
from event_runtime.outbox import Draft, Outbox
from event_runtime.publisher import Publisher
from event_runtime.records import Received
from event_runtime.retry import FaultClass, classify
from merge_engine import AlreadyErased, Erased, ErasureWaits, MergeEngine
from merge_worker.adapters.erasures import CONFIRMED, Erasure, Erasures
from merge_worker.application import event_ids

_LIMITS = text("SELECT set_config('lock_timeout', '5s', true), set_config('statement_timeout', '10s', true)")

_NOBODYS_REQUEST = {FaultClass.RECONNECT, FaultClass.PAUSE}

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseCustomers:
    """The handler of topic customer-created, of which it wants one type of event, and the loop for what waits."""

    engine: Engine
    merge_engine: MergeEngine
    erasures: Erasures
    outbox: Outbox
    publisher: Publisher
    clock: Callable[[Connection], datetime]

    @property
    def event_types(self) -> frozenset[str]:
        """A worker has no use for what customers are like."""
        return frozenset({CustomerErased.__name__})

    @property
    def alone(self) -> frozenset[str]:
        """An erasure locks an identity; nobody is to be held up by several."""
        return self.event_types

    def handle(self, connection: Connection, received: Sequence[Received]) -> Sequence[Draft]:
        """Keep the requests that are news, and erase whoever can be erased at once."""
        drafts: list[Draft] = []
        for tenant_id, customer_id in sorted(self._keep(connection, received)):
            erasure = self.erasures.of(connection, tenant_id, customer_id)
            if erasure is not None:
                drafts.extend(self._erase(connection, erasure))
        failpoint("after_erasure")
        return drafts

    def refuse(self, connection: Connection, received: Received, fault: RefusedFault) -> Refusal | None:
        """Keep a request whose customers stay locked, or that takes too long: `work` tries it again."""
        if fault.fault_class is not FaultClass.CONTENTION:
            return None
        self._keep(connection, [received])
        return Refusal()

    def work(self) -> None:
        """Try everything that waits, one request a transaction; one that cannot be carried out holds up no other.

        Faults of a server that is away are raised: the caller comes again.
        """
        with self.engine.connect() as connection:
            due = self.erasures.due(connection)
        for tenant_id, customer_id in due:
            try:
                self._work_on(tenant_id, customer_id)
            except Exception as fault:
                if classify(fault) in _NOBODYS_REQUEST:
                    raise
                _log.warning("erasure_failed", exc_info=fault)

    def _work_on(self, tenant_id: str, customer_id: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(_LIMITS)
            erasure = self.erasures.lock(connection, tenant_id, customer_id)
            if erasure is not None:
                self.outbox.append(connection, self._erase(connection, erasure))

    def _keep(self, connection: Connection, received: Sequence[Received]) -> Collection[tuple[str, str]]:
        """Answers the requests that are news."""
        asked = [
            (event.tenant_id, event.customer_id, event.version, event.request_reference, event.occurred_at)
            for event in (message.event for message in received)
            if isinstance(event, CustomerErased)
        ]
        return self.erasures.ask(connection, asked, self.clock(connection)) if asked else ()

    def _erase(self, connection: Connection, erasure: Erasure) -> list[Draft]:
        tenant_id, customer_id = erasure.tenant_id, erasure.customer_id
        confirmed = erasure.state == CONFIRMED
        result = self.merge_engine.erase(connection, tenant_id, customer_id, confirmed=confirmed)
        match result:
            case ErasureWaits():
                self.erasures.wait(
                    connection,
                    erasure,
                    waiting_for=result.waiting_for,
                    merge_ids=result.merge_ids,
                    member_ids=result.member_ids,
                )
                if result.waiting_for != erasure.waiting_for:
                    _log.info("erasure_waits", waiting_for=result.waiting_for, members=len(result.member_ids))
                return []
            case AlreadyErased():
                self.erasures.finish(connection, erasure, (customer_id,), self.clock(connection))
                return []
            case Erased():
                self.erasures.finish(connection, erasure, result.member_ids, result.at)
                _log.info("identity_erased", members=len(result.member_ids))
                return self._drafts(result)

    def _drafts(self, erased: Erased) -> list[Draft]:
        """IdentityErased, and a tombstone for every id that had an alias: only an erasure takes aliases away."""
        event = IdentityErased(
            tenant_id=erased.tenant_id,
            canonical_id=erased.canonical_id,
            member_ids=erased.member_ids,
            at=erased.at,
        )
        event_id = event_ids.stream_event_id(erased.tenant_id, erased.canonical_id, "IdentityErased")
        return [
            self.publisher.draft(event, event_id=event_id),
            *(
                self.publisher.tombstone(
                    "CustomerAlias", erased.tenant_id, key=f"{erased.tenant_id}:{known}", subject=known
                )
                for known in erased.known_ids
            ),
        ]
