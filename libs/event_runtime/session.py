"""The life of one consumer in a pipeline: its partitions are placed, its batches settled, its state told."""

import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import psycopg
from confluent_kafka import KafkaException
from sqlalchemy.exc import SQLAlchemyError

from event_runtime.batch import BatchAbandoned, BatchRunner, Workplace
from event_runtime.breaker import Breaker
from event_runtime.bus import BusConsumer
from event_runtime.database import describe
from event_runtime.failpoints import failpoint
from event_runtime.health import Progress
from event_runtime.items import Decoder, Item, Refused, understood
from event_runtime.logs import get_logger
from event_runtime.positions import Start
from event_runtime.quarantine import KILLED_PROCESS
from event_runtime.records import Partition, Record
from event_runtime.replay import Replays
from event_runtime.retry import FaultClass
from event_runtime.suspects import Suspects

_log = get_logger(__name__)

_POLL_S = 0.5  # how late a loop notices that it is asked to stop
_FIRST_PLACING_WAIT_S = 0.02  # an assigned partition can be sought after some milliseconds
_MAX_PLACING_WAIT_S = 2.0
# Shorter waits do not pause the partitions: what was fetched ahead would be thrown away and fetched again.
_PAUSE_ABOVE_S = 0.5
_TELL_LAG_EVERY_S = 1.0
_IDLE_AFTER_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPolicy:
    """How many records make a batch, and how long the first one may wait for the others."""

    max_records: int = 200
    linger_ms: float = 5.0


class Session:
    """One consumer at work. Used by one thread."""

    def __init__(
        self,
        consumer: BusConsumer,
        workplace: Workplace,
        *,
        codec: Decoder,
        progress: Progress,
        policy: BatchPolicy,
        breaker: Breaker,
        replays: Replays,
        stop: threading.Event,
    ) -> None:
        self._consumer = consumer
        self._at = workplace
        self._codec = codec
        self._progress = progress
        self._policy = policy
        self._replays = replays
        self._stop = stop
        self._suspects = Suspects(window=policy.max_records)
        self._runner = BatchRunner(workplace, consumer, breaker, wait=self._wait, waiting=self._say_waiting)
        self._in_work: frozenset[Partition] = frozenset()
        self._place_at_s, self._placing_wait_s = 0.0, _FIRST_PLACING_WAIT_S
        self._unplaceable: str | None = None
        self._lag_told_at_s = self._busy_at_s = 0.0

    def run(self) -> None:
        """Work until asked to stop. Raises BreakerOpen, BusFault."""
        while not self._stop.is_set():
            self._progress.beat()
            try:
                self._place()
                records = self._consumer.poll_batch(
                    self._policy.max_records, timeout_s=self._patience_s(), linger_s=self._policy.linger_ms / 1_000
                )
                self._tell(records)
                self._note_orderly(self._consumer.take_given_up())
                if records:
                    failpoint("after_poll")
                    self._work(records)
                    self._busy_at_s = time.monotonic()
                elif time.monotonic() > self._busy_at_s + _IDLE_AFTER_S:
                    self._go_to_ends()
                if self._replays.due():
                    self._replays.run(self._runner.retried)
            except BatchAbandoned as abandoned:
                _log.info("batch_abandoned", reason=str(abandoned))
                # what is not done is read again from the position in the database
                self._consumer.unplace(self._in_work)
            finally:
                self._in_work = frozenset()
            self._consumer.release()
        self._note_orderly(self._consumer.placed)

    def stand_still(self) -> None:
        """Keep the membership and do nothing until asked to stop."""
        self._consumer.hold()
        while not self._stop.is_set():
            self._consumer.keep_alive(_POLL_S)
            self._progress.beat()

    def _place(self) -> None:
        """Begin to read newly assigned partitions at the positions of the database."""
        unplaced = self._consumer.unplaced
        if not unplaced:
            self._unplaceable, self._placing_wait_s, self._place_at_s = None, _FIRST_PLACING_WAIT_S, 0.0
            return
        if time.monotonic() < self._place_at_s:
            return
        try:
            self._consumer.cluster()
        except KafkaException:
            self._consumer.trouble = "no broker can be reached"
            return
        starts = self._runner.retried(lambda: self._starts(sorted(unplaced)))
        self._unplaceable = None
        for partition, start in starts.items():
            reason = self._consumer.place(partition, start.next_offset)
            if reason is None:
                self._suspects.note(partition, start)
            self._unplaceable = reason or self._unplaceable
        self._place_at_s = time.monotonic() + self._placing_wait_s
        self._placing_wait_s = min(2 * self._placing_wait_s, _MAX_PLACING_WAIT_S)

    def _starts(self, partitions: Sequence[Partition]) -> dict[Partition, Start]:
        new = [partition for partition in partitions if self._consumer.unplaced.get(partition)]
        again = [partition for partition in partitions if partition not in new]
        starts: dict[Partition, Start] = {}
        with self._at.engine.connect() as connection, connection.begin():
            for some, taken_up in ((new, True), (again, False)):
                if some:
                    cluster = self._consumer.cluster()
                    starts |= self._at.positions.start(connection, cluster, some, taken_up=taken_up)
        self._consumer.taken_up(new)
        return starts

    def _patience_s(self) -> float:
        if not self._consumer.unplaced:
            return _POLL_S
        return min(_POLL_S, max(0.0, self._place_at_s - time.monotonic()))

    def _work(self, records: Sequence[Record]) -> None:
        self._in_work = frozenset(record.source for record in records)
        watched = [record for record in records if record.source in self._suspects.watched]
        others = [record for record in records if record.source not in self._suspects.watched]
        if others:
            self._runner.settle(self._runner.retried(lambda: [self._understood(record) for record in others]))
        for record in watched:
            self._try_alone(record)

    def _understood(self, record: Record) -> Item:
        return understood(record, self._codec, self._at.event_types(record.topic))

    def _go_to_ends(self) -> None:
        """Move positions past what no reader sees, so that a partition at rest shows no lag."""
        ends = self._consumer.ends()
        if not ends:
            return

        def advance() -> dict[Partition, int]:
            with self._at.engine.connect() as connection, connection.begin():
                cluster = self._consumer.cluster()
                held = self._at.positions.lock(connection, cluster, ends)
                moved = {p: end for p, end in ends.items() if held.get(p) == self._consumer.known_position(p)}
                self._at.positions.advance(connection, cluster, moved)
                return moved

        self._consumer.done(self._runner.retried(advance))

    def _try_alone(self, record: Record) -> None:
        """Settle one record so that, should it kill the process, the next start knows which one it was."""
        starts = self._suspects.condemns(record)
        if starts is not None:
            _log.error("record_kills_process", topic=record.topic, partition=record.partition, offset=record.offset)
            reason = f"the process ended {starts} times while it was being processed"
            refused = Refused(class_=KILLED_PROCESS, reason=reason, attempts=starts)
            self._runner.settle([Item(record=record, refused=refused)])
        else:
            self._note_trying(record, record.offset)
            try:
                self._runner.settle([self._runner.retried(lambda: self._understood(record))])
            except BaseException:
                self._note_trying(record, None)  # it raised; it did not kill
                raise
        self._suspects.passed(record)

    def _note_trying(self, record: Record, offset: int | None) -> None:
        def note() -> None:
            with self._at.engine.connect() as connection, connection.begin():
                self._at.positions.try_alone(connection, self._consumer.cluster(), record.source, offset)

        self._runner.retried(note)

    def _wait(self, seconds: float) -> None:
        """Wait and serve the group. Raises BatchAbandoned when the batch in work cannot be finished any more."""
        if seconds < _PAUSE_ABOVE_S:
            self._stop.wait(seconds)
            self._consumer.keep_alive(0.0)
        else:
            self._consumer.hold()
            until_s = time.monotonic() + seconds
            while not self._stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
                self._consumer.keep_alive(min(_POLL_S, left_s))
        self._progress.beat()
        if self._stop.is_set():
            raise BatchAbandoned("the service stops")
        if not self._consumer.owns(self._in_work):
            raise BatchAbandoned("a partition was revoked")

    def _say_waiting(self, kind: FaultClass, fault: BaseException) -> None:
        self._at.metrics.retries_total.labels(kind.value).inc()
        if kind in {FaultClass.RECONNECT, FaultClass.PAUSE}:
            _log.warning("transaction_waits", treated_as=kind.value, exc_info=fault)
            self._progress.waiting(f"the database: {describe(fault)}")
        else:
            _log.info("transaction_tried_again", treated_as=kind.value, exc_info=fault)

    def _tell(self, records: Sequence[Record]) -> None:
        """Say in health and metrics where this consumer stands."""
        trouble = self._consumer.trouble or self._unplaceable
        if trouble is not None:
            self._progress.waiting(trouble)
        elif not self._consumer.unplaced:
            self._progress.ready()
        if records and time.monotonic() < self._lag_told_at_s + _TELL_LAG_EVERY_S:
            return
        self._lag_told_at_s = time.monotonic()
        lag = self._consumer.lag()
        for topic in self._consumer.topics:
            oldest_ms = min((r.timestamp_ms for r in records if r.topic == topic and r.timestamp_ms >= 0), default=None)
            age_s = 0.0 if oldest_ms is None else max(0.0, time.time() - oldest_ms / 1_000)
            self._at.metrics.oldest_lag_seconds.labels(topic).set(age_s)
            self._at.metrics.lag_records.labels(topic).set(lag.get(topic, 0))

    def _note_orderly(self, given_up: Collection[Partition]) -> None:
        """Note that this was no crash; with the database away it will look like one, which costs nothing but speed."""
        if not given_up:
            return
        try:
            with self._at.engine.connect() as connection, connection.begin():
                self._at.positions.finish(connection, self._consumer.cluster(), given_up)
        except (SQLAlchemyError, psycopg.Error) as fault:
            _log.warning("orderly_end_not_noted", exc_info=fault)
