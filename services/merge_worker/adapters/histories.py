"""The history of customer-merged, from either place that keeps it: the topic, or the outbox it is published from."""

from collections.abc import Iterator, Mapping

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from sqlalchemy import Connection, text

from customer_events import StreamEvent
from event_runtime.bus_config import consumer_config, is_passing
from event_runtime.codec import Codec, payload_of
from event_runtime.faults import Fault, ServerUnavailable
from merge_worker.application.audit_streams import Identity, Recorded, StreamEnd

# A broker that answers nothing for so long counts as away.
_ANSWER_LIMIT_S = 5.0

# The broker tells the end of a partition only when it has waited so long for more.
_TO_THE_END = {"enable.partition.eof": True, "fetch.wait.max.ms": 10}

_CHAIN = text("SELECT body FROM merge.outbox WHERE sequence IS NOT NULL ORDER BY stream, position")
_MAP = text("SELECT tenant_id, customer_id, canonical_id, version FROM merge.canonical")
_HEADS = text("SELECT stream, sequence, hash FROM merge.outbox_heads")


class NoHistory(Fault):
    """A record of customer-merged is no stream event."""


def stored_history(connection: Connection, codec: Codec) -> Iterator[Recorded]:
    """Yield the stream events in the outbox, stream by stream in order."""
    rows = connection.execution_options(yield_per=1_000).execute(_CHAIN)
    for row in rows:
        yield _recorded(codec, row.body)


def published_history(kafka: Mapping[str, str], topic: str, codec: Codec) -> Iterator[Recorded]:
    """Yield the stream events in the topic up to its ends of now, each partition in order, committed ones only.

    Raises:
        ServerUnavailable: the broker does not answer, or does not have the topic.
    """
    consumer = Consumer({**consumer_config(kafka, "merge-worker-audit"), **_TO_THE_END})
    try:
        partitions = _partitions(consumer, topic)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
        for message in _to_the_ends(consumer, partitions):
            yield _recorded(codec, message.value() or b"")
    finally:
        consumer.close()


def stored_map(connection: Connection) -> dict[tuple[str, str], Identity]:
    """Return the identity map of the database: every id whose answer was ever changed."""
    rows = connection.execution_options(yield_per=10_000).execute(_MAP)
    return {
        (row.tenant_id, row.customer_id): Identity(canonical_id=row.canonical_id, version=row.version) for row in rows
    }


def stored_heads(connection: Connection) -> dict[int, StreamEnd]:
    """Return where each stream stands in the database."""
    rows = connection.execute(_HEADS)
    return {row.stream: StreamEnd(sequence=row.sequence, digest=row.hash) for row in rows}


def _recorded(codec: Codec, body: bytes) -> Recorded:
    event = codec.decode(body)
    if not isinstance(event, StreamEvent):
        raise NoHistory(f"a record of customer-merged holds {type(event).__name__}")
    return Recorded(event=event, payload=payload_of(body))


def _partitions(consumer: Consumer, topic: str) -> set[int]:
    try:
        known = consumer.list_topics(topic, timeout=_ANSWER_LIMIT_S).topics[topic]
    except KafkaException as fault:
        raise ServerUnavailable(f"Kafka does not answer: {fault.args[0].name()}") from fault
    if known.error is not None:
        raise ServerUnavailable(f"Kafka has no topic {topic}")
    return set(known.partitions)


def _to_the_ends(consumer: Consumer, partitions: set[int]) -> Iterator[Message]:
    while partitions:
        message = consumer.poll(_ANSWER_LIMIT_S)
        if message is None:
            raise ServerUnavailable(f"Kafka sent nothing for {_ANSWER_LIMIT_S:g} s")
        fault = message.error()
        if fault is None:
            yield message
        elif fault.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 -- the library's own name for it
            partitions.discard(message.partition())
        elif not is_passing(fault):
            raise ServerUnavailable(f"Kafka cannot be read: {fault.name()}")
