"""The relay: publishes the outbox, in order, and on a bus with transactions exactly once.

The streams are grouped into slots; a slot is worked by whoever holds its lease, with one producer. Whatever goes wrong,
the producer is discarded and the relay starts over from what the bus says was published; a relay that was fenced has to
get the lease first, or two of them would fence each other for ever. When bus and database disagree it halts until a
person has looked.
"""

import threading
import uuid
from dataclasses import dataclass, field

import psycopg
from confluent_kafka import KafkaError, KafkaException
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from event_runtime import health
from event_runtime.bus_config import Kafka
from event_runtime.logs import get_logger
from event_runtime.metrics import RuntimeMetrics
from event_runtime.relay_lease import RelayLease
from event_runtime.relay_producer import DeliveryFailed, PlainProducer, RelayProducer, TransactionalProducer
from event_runtime.relay_rows import OutboxFork, OutboxGap, OutboxReader, RelayHalted
from event_runtime.relay_term import RelayPolicy, RelayTerm

__all__ = ["OutboxFork", "OutboxGap", "Relay", "RelayHalted", "RelayPolicy"]

_log = get_logger(__name__)

_FENCED = {KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED}  # noqa: SLF001 - librdkafka's local errors begin with an underscore
_TIMED_OUT = {KafkaError._TIMED_OUT, KafkaError._MSG_TIMED_OUT, KafkaError.REQUEST_TIMED_OUT}  # noqa: SLF001 - as above


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """The relay of one slot of one outbox.

    `carrier_topic` is a topic that exists: the progress in the bus is attached to its partition 0. Without
    `transactional` (for a bus that has no transactions) rows may be published twice after a fault.
    """

    engine: Engine
    schema: str
    kafka: Kafka
    progress: health.Progress
    metrics: RuntimeMetrics
    carrier_topic: str
    transactional: bool = True
    slot: int = 0
    slots: int = 1
    policy: RelayPolicy = field(default_factory=RelayPolicy)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. Faults of bus and database are waited out; a fork or a gap halts until `stop`."""
        if not self.transactional:
            _log.warning("relay_without_transactions", schema=self.schema, consequence="at least once")
        owner = str(uuid.uuid4())
        while not stop.is_set():
            try:
                self._work(owner, stop)
            except RelayHalted as fault:
                self._halt(fault)
                stop.wait()
            except (KafkaException, DeliveryFailed, SQLAlchemyError, psycopg.Error) as fault:
                why = _why(fault)
                self.metrics.relay_restarts_total.labels(why).inc()
                _log.warning("relay_starts_over", schema=self.schema, slot=self.slot, why=why, exc_info=fault)
                self.progress.waiting(f"starts over: {why}")
                stop.wait(self.policy.restart_s)
            finally:
                self.metrics.relay_leader.set(0)

    def _work(self, owner: str, stop: threading.Event) -> None:
        lease = RelayLease(schema=self.schema, slot=self.slot, owner=owner, seconds=self.policy.lease_s)
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # it listens and has settings of its own: not a connection to give back to the pool
            connection.detach()
            term = RelayTerm(
                connection,
                OutboxReader(self.schema),
                lease,
                progress=self.progress,
                metrics=self.metrics,
                policy=self.policy,
                streams=lambda stream: stream % self.slots == self.slot,
                connect=self._connect,
                stop=stop,
            )
            term.run()

    def _connect(self, identity: str) -> RelayProducer:
        if not self.transactional:
            return PlainProducer(self.kafka)
        name = f"relay-{self.schema}-{self.slot}-{identity}"
        return TransactionalProducer(self.kafka, name=name, carrier_topic=self.carrier_topic)

    def _halt(self, fault: RelayHalted) -> None:
        _log.critical("relay_halted", schema=self.schema, slot=self.slot, stream=fault.stream, reason=str(fault))
        self.metrics.relay_halted.set(1)
        gauge = self.metrics.relay_fork if isinstance(fault, OutboxFork) else self.metrics.relay_gap
        gauge.labels(str(fault.stream)).set(1)
        self.progress.failed(str(fault))


def _why(fault: Exception) -> str:
    if isinstance(fault, DeliveryFailed):
        return "timeout"
    if not isinstance(fault, KafkaException):
        return "database"
    error = fault.args[0]
    if error.code() in _FENCED:
        return "fenced"
    if error.code() in _TIMED_OUT:
        return "timeout"
    return "fatal" if error.fatal() else "abortable"
