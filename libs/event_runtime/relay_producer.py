"""How the relay writes to the bus: in fenced transactions with its progress in them, or, on a bus without, plainly."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from pydantic_core import from_json

from event_runtime.bus_config import Kafka, consumer_config, producer_config
from event_runtime.failpoints import failpoint
from event_runtime.faults import Fault
from event_runtime.relay_rows import OutboxFork, OutboxRow, Progress

# A transaction holds at most some thousand small records; what takes longer than this is stuck.
TRANSACTION_TIMEOUT_S = 20.0
_REQUEST_TIMEOUT_S = 10.0
_PROBE_TIMEOUT_S = 3.0
# A broker takes 4096 bytes of metadata with an offset (offset.metadata.max.bytes); a stream needs 60 at most.
MAX_STREAMS_A_SLOT = 64
DIGEST_CHARACTERS = 32
_ANY_PARTITION = -1  # by key


class DeliveryFailed(Fault):
    """The bus did not take a record."""


class RelayProducer(Protocol):
    """Publishes rows in order. After any exception it is of no more use and is closed."""

    def progress(self) -> dict[int, tuple[int, str]] | None:
        """What the bus knows of earlier progress: stream → position and begin of the digest in hex.

        None when this bus keeps none. Raises when it cannot be read: that is never "nothing yet".
        """

    def publish(self, rows: Sequence[OutboxRow], progress: Mapping[int, Progress]) -> None:
        """Publish rows; returns when they are durably there. `progress` is that of every stream after them."""

    def close(self) -> None:
        """Give up whatever is under way."""


class TransactionalProducer:
    """Exactly once: the rows and the progress behind them become visible together, or never.

    Starting one fences every earlier producer of the same slot and ends its transaction. The progress is an offset of a
    consumer group that nobody joins, on partition 0 of `carrier_topic`; its metadata holds position and digest of each
    stream.
    """

    def __init__(self, kafka: Kafka, *, name: str, carrier_topic: str) -> None:
        """Start. Raises KafkaException when the bus does not answer in time."""
        self._carrier = TopicPartition(carrier_topic, 0)
        self._group = Consumer(consumer_config(kafka, name))
        # asked first, as it gives up early: starting a producer on a bus that is away cannot be interrupted
        self._group.list_topics(carrier_topic, timeout=_PROBE_TIMEOUT_S)
        self._producer = Producer(
            {
                **producer_config(kafka, transactional_id=name),
                "transaction.timeout.ms": int(TRANSACTION_TIMEOUT_S * 1_000),
                "message.timeout.ms": int(TRANSACTION_TIMEOUT_S * 1_000),
            }
        )
        try:
            self._producer.init_transactions(TRANSACTION_TIMEOUT_S)
        except KafkaException:
            self._group.close()  # the producer has nothing to end; asking it to would only warn
            raise
        self._beside = ThreadPoolExecutor(max_workers=1)

    def progress(self) -> dict[int, tuple[int, str]] | None:
        """See RelayProducer. An answer comes only when no transaction about it is open any more."""
        answer = self._group.committed([self._carrier], timeout=_REQUEST_TIMEOUT_S)[0]
        if answer.error is not None:
            raise KafkaException(answer.error)
        if answer.offset == OFFSET_INVALID:
            return {}
        return _read_progress(answer.metadata or "")

    def publish(self, rows: Sequence[OutboxRow], progress: Mapping[int, Progress]) -> None:
        """See RelayProducer."""
        self._producer.begin_transaction()
        for row in rows:
            _produce(self._producer, row, None)
        # At once and in few requests, while the progress is on its way as well; what fails is told by the commit.
        flushed = self._beside.submit(self._producer.flush, TRANSACTION_TIMEOUT_S)
        self._producer.send_offsets_to_transaction(
            [_write_progress(self._carrier.topic, progress)],
            self._group.consumer_group_metadata(),
            _REQUEST_TIMEOUT_S,
        )
        flushed.result()
        failpoint("after_produce")
        self._producer.commit_transaction(TRANSACTION_TIMEOUT_S)

    def close(self) -> None:
        """See RelayProducer."""
        self._producer.purge()
        self._beside.shutdown()  # with nothing left to send a flush ends
        self._producer.close()
        self._group.close()


class PlainProducer:
    """At least once: for a bus without transactions. What was published before a crash may be published again."""

    def __init__(self, kafka: Kafka) -> None:
        self._producer = Producer({**producer_config(kafka), "message.timeout.ms": int(TRANSACTION_TIMEOUT_S * 1_000)})

    def progress(self) -> dict[int, tuple[int, str]] | None:
        """See RelayProducer."""
        return None

    def publish(self, rows: Sequence[OutboxRow], progress: Mapping[int, Progress]) -> None:  # noqa: ARG002 - the port's
        """See RelayProducer. Raises DeliveryFailed."""
        refused: list[KafkaError] = []

        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is not None:
                refused.append(error)

        for row in rows:
            _produce(self._producer, row, delivered)
        if self._producer.flush(TRANSACTION_TIMEOUT_S) > 0:
            raise DeliveryFailed("the bus did not take all records in time")
        if refused:
            raise DeliveryFailed(f"the bus refused a record: {refused[0].name()}")
        failpoint("after_produce")

    def close(self) -> None:
        """See RelayProducer."""
        self._producer.purge()
        self._producer.close()


def _produce(
    producer: Producer, row: OutboxRow, delivered: Callable[[KafkaError | None, Message], None] | None
) -> None:
    producer.produce(
        row.topic,
        value=row.body,
        key=row.key,
        partition=_ANY_PARTITION if row.partition is None else row.partition,
        headers=from_json(row.headers),
        on_delivery=delivered,
    )


def _write_progress(topic: str, progress: Mapping[int, Progress]) -> TopicPartition:
    # only position and digest per stream mean something; the offset itself is for people who look at the group
    told = {stream: behind for stream, behind in progress.items() if behind.position > 0}
    metadata = ",".join(
        f"{stream}:{behind.position}:{behind.digest.hex()[:DIGEST_CHARACTERS]}" for stream, behind in told.items()
    )
    return TopicPartition(topic, 0, sum(behind.position for behind in told.values()), metadata)


def _read_progress(metadata: str) -> dict[int, tuple[int, str]]:
    progress = {}
    for entry in metadata.split(",") if metadata else ():
        try:
            stream, position, digest = entry.split(":")
            progress[int(stream)] = (int(position), digest)
        except ValueError:
            raise OutboxFork("the progress on the bus was written by something else than this relay", -1) from None
    return progress
