"""One term of a relay: from getting the lease to losing it, to a fault or to the end, with one producer."""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, text

from event_runtime import health
from event_runtime.database import driver_of
from event_runtime.failpoints import failpoint
from event_runtime.faults import SettingError
from event_runtime.identifiers import channel
from event_runtime.logs import get_logger
from event_runtime.metrics import RuntimeMetrics
from event_runtime.relay_lease import RelayLease
from event_runtime.relay_producer import DIGEST_CHARACTERS, MAX_STREAMS_A_SLOT, RelayProducer
from event_runtime.relay_rows import OutboxFork, OutboxReader, OutboxRow, Progress

_log = get_logger(__name__)

_TELL_EVERY_S = 5.0
_NOTICE_STOP_WITHIN_S = 0.5
# The relay's marks and leases may be lost with the server: Kafka's progress and its fencing are what counts. A plan
# made while the outbox was empty is kept when it is full: it must be one by index from the start.
_SETTINGS = text(
    "SELECT set_config('synchronous_commit', 'off', false), set_config('enable_seqscan', 'off', false),"
    " set_config('enable_bitmapscan', 'off', false), set_config('jit', 'off', false)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayPolicy:
    """The pace of a relay."""

    lease_s: float = 10.0  # a dead relay's slot is taken over after this long
    max_rows: int = 2_000  # of a stream, in one transaction
    busy_rows: int = 50  # after a transaction of this many rows it rests, so that the next one carries more …
    rest_a_row_s: float = 0.0002  # … as long as they were many …
    rest_s: float = 0.2  # … and no longer
    poll_s: float = 1.0  # without a notification
    restart_s: float = 1.0  # between a fault and the next producer
    refresh_s: float = 3_600.0  # a broker forgets a group's offsets after 7 days without a commit
    keep_published_s: float = 3_600.0  # published rows stay in the outbox this long
    prune_every_s: float = 30.0
    prune_rows: int = 10_000


class RelayTerm:
    """Works the streams that `streams` picks while the lease is held.

    `connect` makes the producer, given what tells this outbox from every other.
    """

    def __init__(
        self,
        connection: Connection,
        reader: OutboxReader,
        lease: RelayLease,
        *,
        progress: health.Progress,
        metrics: RuntimeMetrics,
        policy: RelayPolicy,
        streams: Callable[[int], bool],
        connect: Callable[[str], RelayProducer],
        stop: threading.Event,
    ) -> None:
        self._connection = connection
        self._reader = reader
        self._lease = lease
        self._health = progress
        self._metrics = metrics
        self._policy = policy
        self._mine = streams
        self._connect = connect
        self._stop = stop
        self._token: int | None = None
        self._renew_at_s = self._tell_at_s = self._prune_at_s = self._refresh_at_s = 0.0
        self._progress: dict[int, Progress] = {}

    def run(self) -> None:
        """Wait for the lease and publish for as long as it is held.

        Raises:
            RelayHalted: bus and database disagree, or rows are missing.
            KafkaException, DeliveryFailed, SQLAlchemyError, psycopg.Error: the term is over; nothing is lost.
        """
        self._connection.execute(_SETTINGS)
        if not self._elected():
            return
        identity = hashlib.sha256(self._reader.identity(self._connection).encode()).hexdigest()[:12]
        producer = self._connect(identity)
        try:
            self._progress = self._agreed(producer)
            self._connection.exec_driver_sql(f'LISTEN "{channel(self._lease.schema)}"')
            self._refresh_at_s = time.monotonic() + self._policy.refresh_s
            while not self._stop.is_set() and self._still_elected():
                self._round(producer)
        finally:
            producer.close()
        if self._stop.is_set():
            self._lease.release(self._connection)

    def _elected(self) -> bool:
        while not self._stop.is_set():
            self._health.beat()
            self._token = self._lease.take(self._connection)
            if self._token is not None:
                self._renew_at_s = time.monotonic() + self._policy.lease_s / 3
                self._metrics.relay_leader.set(1)
                _log.info("relay_elected", schema=self._lease.schema, slot=self._lease.slot, term=self._token)
                return True
            self._health.ready()  # standing by is what a second relay is for
            self._stop.wait(self._policy.lease_s / 3)
        return False

    def _still_elected(self) -> bool:
        if time.monotonic() < self._renew_at_s:
            return True
        self._renew_at_s = time.monotonic() + self._policy.lease_s / 3
        if self._lease.take(self._connection) == self._token:
            return True
        _log.warning("relay_lease_lost", schema=self._lease.schema, slot=self._lease.slot)
        return False

    def _agreed(self, producer: RelayProducer) -> dict[int, Progress]:
        """Where to go on: what the bus says, which must continue what the database knows. Raises OutboxFork."""
        marks = {stream: mark for stream, mark in self._reader.marks(self._connection).items() if self._mine(stream)}
        if len(marks) > MAX_STREAMS_A_SLOT:
            raise SettingError(f"{len(marks)} streams in one relay slot; {MAX_STREAMS_A_SLOT} at most: use more slots")
        told = producer.progress()
        if told is None:
            return marks
        agreed = {stream: self._judged(stream, mark, *told.get(stream, (0, ""))) for stream, mark in marks.items()}
        self._reader.mark(self._connection, agreed)
        return agreed

    def _judged(self, stream: int, mark: Progress, position: int, digest: str) -> Progress:
        if position < mark.position:
            raise OutboxFork(
                f"stream {stream}: the bus knows of position {position}, the database has published up to"
                f" {mark.position}; it is another bus, or its progress was lost or has expired",
                stream,
            )
        if position == mark.position:
            ours: bytes | None = mark.digest
        else:
            ours = self._reader.digest_at(self._connection, stream, position)
        if ours is None:
            raise OutboxFork(
                f"stream {stream}: position {position} is published and not in this database, which was"
                " probably restored from an older backup",
                stream,
            )
        if position > 0 and ours.hex()[:DIGEST_CHARACTERS] != digest:
            raise OutboxFork(f"stream {stream}: another row than this database's was published at {position}", stream)
        return Progress(position, ours)

    def _round(self, producer: RelayProducer) -> None:
        self._health.beat()
        self._tell()
        rows = self._reader.after(self._connection, self._progress, self._policy.max_rows)
        if not rows:
            self._health.ready()
            self._when_idle(producer)
            return
        self._publish(producer, rows)
        if len(rows) >= self._policy.busy_rows and max(_per_stream(rows).values()) < self._policy.max_rows:
            self._stop.wait(min(self._policy.rest_s, len(rows) * self._policy.rest_a_row_s))

    def _publish(self, producer: RelayProducer, rows: Sequence[OutboxRow]) -> None:
        moved = {row.stream: Progress(row.position, row.digest) for row in rows}
        producer.publish(rows, {**self._progress, **moved})
        self._progress.update(moved)
        failpoint("after_relay_commit")
        self._reader.mark(self._connection, moved)
        failpoint("after_mark")
        now = datetime.now(UTC)
        for topic, count in Counter(row.topic for row in rows).items():
            oldest = min(row.created_at for row in rows if row.topic == topic)
            self._metrics.relay_rows_total.labels(topic).inc(count)
            self._metrics.relay_delay_seconds.labels(topic).observe(max(0.0, (now - oldest).total_seconds()))

    def _when_idle(self, producer: RelayProducer) -> None:
        now_s = time.monotonic()
        if now_s >= self._prune_at_s:
            kept_s, limit = self._policy.keep_published_s, self._policy.prune_rows
            pruned = self._reader.prune(self._connection, self._progress, keep_s=kept_s, limit=limit)
            self._prune_at_s = now_s if pruned == limit else now_s + self._policy.prune_every_s
        if now_s >= self._refresh_at_s:
            self._refresh_at_s = now_s + self._policy.refresh_s
            if any(behind.position for behind in self._progress.values()):
                producer.publish([], self._progress)
        self._await_notification()

    def _await_notification(self) -> None:
        driver = driver_of(self._connection)
        until_s = time.monotonic() + self._policy.poll_s
        while not self._stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
            if list(driver.notifies(timeout=min(_NOTICE_STOP_WITHIN_S, left_s), stop_after=1)):
                return

    def _tell(self) -> None:
        if time.monotonic() < self._tell_at_s:
            return
        self._tell_at_s = time.monotonic() + _TELL_EVERY_S
        for stream, behind, oldest_s in self._reader.backlog(self._connection):
            if self._mine(stream):
                self._metrics.relay_backlog_rows.labels(str(stream)).set(behind)
                self._metrics.relay_oldest_unpublished_seconds.labels(str(stream)).set(oldest_s)


def _per_stream(rows: Sequence[OutboxRow]) -> Counter[int]:
    return Counter(row.stream for row in rows)
