"""The consumer's side of the bus: batches of records from the partitions this process owns.

Where to read is not the bus's to know: a partition that was assigned stands still until it is placed at the position
that the database holds. So the database may be away while the group rebalances, and membership survives it: polling
goes on.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from event_runtime.bus_config import BusFault, Kafka, consumer_config, rebalances_incrementally
from event_runtime.logs import get_logger
from event_runtime.records import Partition, Record

_log = get_logger(__name__)

_REQUEST_TIMEOUT_S = 10.0
_PROBE_TIMEOUT_S = 1.0
_PROBE_EVERY_S = 2.0
_KEEP_ALIVE_STEP_S = 0.1
_TELL_EVERY_S = 1.0


class BusConsumer:
    """A member of a consumer group. One thread uses it.

    A partition is in one of three states: assigned and not placed (nothing is read), placed (read), given up. `trouble`
    says in one line why nothing can be read now, or is None.
    """

    def __init__(self, kafka: Kafka, *, group: str, topics: Sequence[str]) -> None:
        """Join the group in the background; nothing is awaited. Raises SettingError."""
        self.group = group
        self.topics = tuple(topics)
        self.trouble: str | None = "joining the group"
        self._incremental = rebalances_incrementally(kafka)
        self._unplaced: dict[Partition, bool] = {}  # → whether it was taken up newly
        self._next_read: dict[Partition, int] = {}  # of the placed ones
        self._given_up: set[Partition] = set()
        self._unread: set[Partition] = set()  # placed, and no record at or behind the position has come yet
        self._done: dict[Partition, int] = {}  # of the placed ones: the position the database is known to hold
        self._untold: dict[Partition, int] = {}  # what Kafka has not been told of `_done`
        self._told_at = -_TELL_EVERY_S
        self._ends: dict[Partition, int] = {}  # of the placed ones: nothing lies between the last record read and this
        self._early: list[Message] = []  # came while held
        self._held = False
        self._probed_at = time.monotonic()
        self._cluster: str | None = None
        self._consumer = self._connect(kafka)

    @property
    def unplaced(self) -> Mapping[Partition, bool]:
        """Assigned partitions that wait for their position; the value tells whether it was newly taken up."""
        return dict(self._unplaced)

    @property
    def placed(self) -> Collection[Partition]:
        """The partitions that are read."""
        return self._done.keys()

    def cluster(self) -> str:
        """The id of the Kafka cluster. Raises KafkaException when no broker answers."""
        if self._cluster is None:
            self._cluster = str(self._consumer.cluster_id(timeout=_REQUEST_TIMEOUT_S))
        return self._cluster

    def owns(self, partitions: Iterable[Partition]) -> bool:
        """Whether all of them have been placed and not given up since."""
        return all(partition in self._done for partition in partitions)

    def known_position(self, partition: Partition) -> int:
        """The position that the database is known to hold for a placed partition."""
        return self._done[partition]

    def taken_up(self, partitions: Iterable[Partition]) -> None:
        """Note that the start of these unplaced partitions has been counted."""
        for partition in partitions:
            if partition in self._unplaced:
                self._unplaced[partition] = False

    def place(self, partition: Partition, next_offset: int) -> str | None:
        """Read the partition from `next_offset` on (0: from its beginning).

        Returns why that is not possible now, or None. A partition that was not assigned any more is left alone.
        """
        if partition not in self._unplaced:
            return None
        try:
            begin, refused = self._checked(partition, next_offset)
            if refused is not None:
                return refused
            self._consumer.seek(TopicPartition(partition.topic, partition.number, begin or OFFSET_BEGINNING))
        except KafkaException as fault:
            # _STATE: assigned a moment ago and not ready to seek
            return f"{_name(partition)} cannot be placed yet: {_error(fault).name()}"
        del self._unplaced[partition]
        self._done[partition] = next_offset
        self._next_read[partition] = begin
        self._unread.add(partition)
        if not self._held:
            self._consumer.resume([TopicPartition(*partition)])
        return None

    def take_given_up(self) -> Collection[Partition]:
        """The partitions that were handed to another member in an orderly way since this was last asked."""
        given_up, self._given_up = self._given_up, set()
        return given_up

    def unplace(self, partitions: Iterable[Partition]) -> None:
        """Stop reading partitions until they are placed again."""
        again = [partition for partition in partitions if partition in self._done]
        for partition in again:
            del self._done[partition], self._next_read[partition]
            self._ends.pop(partition, None)
            self._unplaced[partition] = False
        self._pause(again)

    def poll_batch(self, max_records: int, *, timeout_s: float, linger_s: float) -> list[Record]:
        """Up to `max_records` records: the first within `timeout_s`, then those that come within `linger_s` more.

        A list may be empty; a record without a value is a tombstone and is there. Raises BusFault.
        """
        messages, self._early = self._early, []
        if not messages:
            first = self._consumer.poll(timeout_s)
            if first is not None:
                messages = [first]
        if messages and len(messages) < max_records:
            messages += self._consumer.consume(max_records - len(messages), linger_s)
        self._early, messages = messages[max_records:], messages[:max_records]
        records = self._read(messages)
        # a partition whose log went back in the middle of this is read again from its position
        kept = [record for record in records if record.source in self._done]
        self._tell_kafka()
        self._probe()
        return kept

    def hold(self) -> None:
        """Stop the flow of records; membership is kept by `keep_alive`."""
        if not self._held:
            self._held = True
            self._pause(self._done)

    def release(self) -> None:
        """Let records flow again."""
        if self._held:
            self._held = False
            self._consumer.resume([TopicPartition(*partition) for partition in self._done])

    def keep_alive(self, seconds: float) -> None:
        """Serve the group for this long while records are held. Raises BusFault."""
        until = time.monotonic() + seconds
        while True:
            message = self._consumer.poll(max(0.0, min(_KEEP_ALIVE_STEP_S, until - time.monotonic())))
            if message is not None:
                self._early.append(message)
            if time.monotonic() >= until:
                return

    def done(self, next_offsets: Mapping[Partition, int]) -> None:
        """Note positions that the database holds now; Kafka is told of them within a second or so."""
        for partition, offset in next_offsets.items():
            if partition in self._done:
                self._done[partition] = offset
                self._untold[partition] = offset
        self._tell_kafka()

    def ends(self) -> dict[Partition, int]:
        """The ends of partitions whose position is behind them though every record is done.

        The marks that end transactions have offsets too, and no reader sees them.
        """
        return {
            partition: end
            for partition, end in self._ends.items()
            if self._next_read[partition] <= self._done[partition] < end
        }

    def lag(self) -> dict[str, int]:
        """How many records lie before us in the placed partitions, by topic, as far as the last fetch knows."""
        behind: dict[str, int] = {}
        for partition, done in {**self._done, **self.ends()}.items():
            # negative before the first fetch
            _low, high = self._consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)
            behind[partition.topic] = behind.get(partition.topic, 0) + max(0, high - done)
        return behind

    def close(self) -> None:
        """Leave the group."""
        self._told_at = -_TELL_EVERY_S
        self._tell_kafka()
        self._consumer.close()

    def _connect(self, kafka: Kafka) -> Consumer:
        consumer = Consumer({**consumer_config(kafka, self.group), "error_cb": self._on_error})
        consumer.subscribe(
            list(self.topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        return consumer

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.trouble = None
        begun = [TopicPartition(partition.topic, partition.partition, OFFSET_BEGINNING) for partition in partitions]
        if self._incremental:
            consumer.incremental_assign(begun)
        else:
            consumer.assign(begun)
        if begun:
            consumer.pause(begun)
        for partition in begun:
            self._unplaced[Partition(partition.topic, partition.partition)] = True
        _log.info("partitions_assigned", group=self.group, partitions=_names(begun))

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._given_up.update(Partition(partition.topic, partition.partition) for partition in partitions)
        self._on_lost(consumer, partitions)

    def _on_lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            key = Partition(partition.topic, partition.partition)
            self._unplaced.pop(key, None)
            self._done.pop(key, None)
            self._next_read.pop(key, None)
            self._ends.pop(key, None)
        _log.info("partitions_revoked", group=self.group, partitions=_names(partitions))

    def _on_error(self, error: KafkaError) -> None:
        _log.warning("bus_error", group=self.group, error=error.name())
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - librdkafka's local errors begin with an underscore
            self.trouble = "no broker can be reached"

    def _checked(self, partition: Partition, next_offset: int) -> tuple[int, str | None]:
        """Where to begin, and why not, after comparing the position with what the log holds."""
        if next_offset == 0:
            return 0, None
        low, high = self._consumer.get_watermark_offsets(TopicPartition(*partition), timeout=_REQUEST_TIMEOUT_S)
        where = _name(partition)
        if next_offset > high:
            return 0, f"the position of {where} is {next_offset}, its end {high}: the log was truncated or made anew"
        if next_offset < low:
            _log.error("records_lost_to_retention", group=self.group, partition=where, position=next_offset, begin=low)
            return low, None
        return next_offset, None

    def _read(self, messages: Iterable[Message]) -> list[Record]:
        records = []
        for message in messages:
            error = message.error()
            if error is not None:
                self._told(message, error)
                continue
            record = _record(message)
            source = record.source
            expected = self._next_read.get(source)
            if expected is None:
                continue  # a rebalance took the partition away meanwhile; whoever has it begins at its position
            if record.offset < expected:
                if source not in self._unread:  # else fetched from the beginning before the partition was placed
                    _log.error("log_went_back", group=self.group, partition=_name(source), offset=record.offset)
                    self.unplace([source])
                continue
            self._unread.discard(source)
            self._next_read[source] = record.offset + 1
            self._ends.pop(source, None)
            records.append(record)
        return records

    def _told(self, message: Message, error: KafkaError) -> None:
        topic, number, offset = message.topic(), message.partition(), message.offset()
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - as below
            if topic is not None and number is not None and offset is not None and (topic, number) in self._done:
                self._ends[Partition(topic, number)] = offset
            return
        if error.fatal():
            raise BusFault(f"the bus refuses this consumer: {error.name()}")
        self.trouble = f"{topic or 'the bus'}: {error.name()}"
        _log.warning("bus_refuses", group=self.group, topic=topic, error=error.name())

    def _tell_kafka(self) -> None:
        """Commit offsets, which serve the display of lag only: a commit a batch would be work for nothing."""
        if not self._untold or time.monotonic() < self._told_at + _TELL_EVERY_S:
            return
        told = [
            TopicPartition(*partition, offset) for partition, offset in self._untold.items() if partition in self._done
        ]
        self._untold, self._told_at = {}, time.monotonic()
        if told:
            try:
                self._consumer.commit(offsets=told, asynchronous=True)
            except KafkaException as fault:
                _log.debug("offsets_not_committed", group=self.group, error=_error(fault).name())

    def _probe(self) -> None:
        """While in trouble, look now and then whether it is over; librdkafka tells only of its begin."""
        if self.trouble is None or time.monotonic() - self._probed_at < _PROBE_EVERY_S:
            return
        self._probed_at = time.monotonic()
        try:
            known = self._consumer.list_topics(timeout=_PROBE_TIMEOUT_S).topics
        except KafkaException:
            self.trouble = "no broker can be reached"
            return
        missing = [topic for topic in self.topics if topic not in known or known[topic].error is not None]
        if missing:
            self.trouble = f"topics are missing: {', '.join(missing)}"
        elif self._done or self._unplaced or self.trouble != "joining the group":
            self.trouble = None

    def _pause(self, partitions: Iterable[Partition]) -> None:
        paused = [TopicPartition(*partition) for partition in partitions]
        if paused:
            self._consumer.pause(paused)


def _record(message: Message) -> Record:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise BusFault("the bus delivered a record without a place")
    kind, timestamp_ms = message.timestamp()
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        key=message.key(),
        value=message.value(),
        headers=_headers(message),
        timestamp_ms=-1 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp_ms,
    )


def _headers(message: Message) -> dict[str, bytes]:
    given = message.headers() or ()
    pairs = given.items() if isinstance(given, dict) else given
    return {name: _bytes(value) for name, value in pairs}


def _bytes(value: bytes | str | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


def _error(fault: KafkaException) -> KafkaError:
    error = fault.args[0]
    return error if isinstance(error, KafkaError) else KafkaError(KafkaError._FAIL)  # noqa: SLF001 - as above


def _name(partition: Partition) -> str:
    return f"{partition.topic}/{partition.number}"


def _names(partitions: Iterable[TopicPartition]) -> list[str]:
    return sorted(f"{partition.topic}/{partition.partition}" for partition in partitions)
