"""The bus as somebody sees it who sends commands and waits for what becomes of them."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from uuid_utils import uuid7

import customer_events as wire
from event_runtime import cloudevents
from event_runtime.bus_config import consumer_config, is_passing, producer_config
from event_runtime.codec import Codec, Undecodable
from event_runtime.faults import ServerUnavailable
from event_runtime.records import MessageKey, content_digest
from event_runtime.signatures import SIGNATURE_HEADER, SignedRecord, Signer
from merge_worker.adapters.commands import Command
from merge_worker.adapters.outcomes import KEY_REUSED
from merge_worker.application import event_ids

# How long a broker may take to take a record or to say where a partition ends.
_ANSWER_LIMIT_S = 5.0
_LEADER_WAIT_S = 0.1

Answer = TypeVar("Answer")

Terminal = wire.MergeCompleted | wire.MergeRejected | wire.MergeRemoved | wire.MergeNoop


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandClient:
    """Publishes commands. `topic` gives a topic's real name by its default name.

    `signer` signs them; `approve` is called with their ids and contents before any is published.
    """

    kafka: Mapping[str, str]
    codec: Codec
    topic: Callable[[str], str]
    signer: Signer | None = None
    approve: Callable[[Sequence[tuple[MessageKey, bytes]]], None] | None = None

    def publish(self, commands: Sequence[Command]) -> int:
        """Publish commands in order and return their number once the broker has them all.

        Raises:
            ServerUnavailable: the broker does not take them in time.
        """
        if self.approve is not None:
            self.approve([(command.key, self._digest(command)) for command in commands])
        producer = Producer({**producer_config(self.kafka), "message.timeout.ms": int(_ANSWER_LIMIT_S * 1_000)})
        failed: list[KafkaError] = []
        for command in commands:
            self._produce(producer, command, failed)
        left = producer.flush(_ANSWER_LIMIT_S * 2)
        if failed or left:
            reason = failed[0].name() if failed else "no answer"
            raise ServerUnavailable(f"Kafka did not take {len(failed) + left} of {len(commands)} commands: {reason}")
        return len(commands)

    def outcomes(self, commands: Iterable[Command], *, timeout_s: float) -> "OutcomeReader":
        """Begin to listen for the outcomes of commands; to be called before they are published."""
        return OutcomeReader(
            kafka=self.kafka,
            codec=self.codec,
            topic=self.topic("merge-outcome"),
            awaited=AwaitedOutcomes((command.key, self._digest(command)) for command in commands),
            timeout_s=timeout_s,
        )

    def _digest(self, command: Command) -> bytes:
        # By way of the wire, as the worker sees it: a time is cut to microseconds there.
        return content_digest(self.codec.decode(self.codec.encode(command.event)))

    def _produce(self, producer: Producer, command: Command, failed: list[KafkaError]) -> None:
        kind = wire.event_type(command.event)
        key = kind.key(command.event)
        event_id, now = str(uuid7()), datetime.now(UTC)
        headers = cloudevents.headers(
            event_id=event_id,
            source="merge-worker submit",
            type_=kind.name,
            subject=kind.subject(command.event),
            time=now,
            partitionkey=key,
            dataschema=self.codec.schema_uri(kind.name),
        )
        value = self.codec.encode(command.event)
        if self.signer is not None:
            record = SignedRecord(tenant_id=command.tenant_id, event_id=event_id, body=value)
            headers[SIGNATURE_HEADER] = self.signer.sign(record, now)
        while True:
            try:
                producer.produce(
                    self.topic(kind.topic),
                    value,
                    key.encode(),
                    headers={name: text.encode() for name, text in headers.items()},
                    on_delivery=lambda error, _message: failed.append(error) if error is not None else None,
                )
            except BufferError:
                producer.poll(0.1)  # the client's own queue is full: let it send
            else:
                producer.poll(0)
                return


class AwaitedOutcomes:
    """Which commands have not ended, told from the outcomes that pass by.

    Two contents under one id are two commands: the worker accepts one and refuses the other under that same id. Such a
    refusal is the end of the content it names, by its event id, and of nothing else. `missing` is what has not ended.
    """

    def __init__(self, commands: Iterable[tuple[MessageKey, bytes]]) -> None:
        """With the key of each command and the digest of its content."""
        self._contents: dict[MessageKey, set[bytes]] = {}
        self._accepted: set[MessageKey] = set()
        for key, digest in commands:
            self._contents.setdefault(key, set()).add(digest)
        self.missing = set(self._contents)

    def ends(self, outcome: Terminal, event_id: str) -> bool:
        """Whether this outcome is the end of one of the commands; the same one again is not."""
        key = MessageKey(outcome.tenant_id, outcome.command_id)
        contents = self._contents.get(key, set())
        if isinstance(outcome, wire.MergeRejected) and any(error.rule == KEY_REUSED for error in outcome.errors):
            refused = {one for one in contents if event_ids.conflict_id(*key, one) == event_id}
            contents -= refused
            news = bool(refused)
        else:
            news = bool(contents) and key not in self._accepted
            self._accepted.add(key)
        if len(contents) <= (key in self._accepted):
            self.missing.discard(key)
        return news


class OutcomeReader:
    """Reads merge-outcome from where it ended when this was made."""

    def __init__(
        self, *, kafka: Mapping[str, str], codec: Codec, topic: str, awaited: AwaitedOutcomes, timeout_s: float
    ) -> None:
        """Find the ends of the topic.

        Raises:
            ServerUnavailable: the broker does not answer, or does not have the topic.
        """
        self._codec = codec
        self._timeout_s = timeout_s
        self._awaited = awaited
        self._consumer = Consumer(consumer_config(kafka, "merge-worker-submit"))
        try:
            self._consumer.assign(_ends(self._consumer, topic))
        except KafkaException as fault:
            raise ServerUnavailable(_unanswered(topic, fault.args[0])) from fault

    @property
    def missing(self) -> set[MessageKey]:
        """The commands that have not ended."""
        return self._awaited.missing

    def terminal(self) -> Iterator[Terminal]:
        """Yield the terminal outcome of each command as it comes, until all have ended or the time is over.

        What did not come in time is left in `missing`.
        """
        until = time.monotonic() + self._timeout_s
        while self.missing and (left := until - time.monotonic()) > 0:
            message = self._consumer.poll(min(left, 1.0))
            if message is None or message.error() is not None:
                continue
            outcome = self._decoded(message)
            if isinstance(outcome, Terminal) and self._awaited.ends(outcome, _event_id(message)):
                yield outcome

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()

    def _decoded(self, message: Message) -> object:
        try:
            return self._codec.decode(message.value() or b"")
        except Undecodable:
            return None  # not an answer to anybody; whoever consumes the topic quarantines it


def _unanswered(topic: str, error: KafkaError) -> str:
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return f"Kafka has no topic {topic}"
    return f"Kafka does not answer: {error.name()}"


def _event_id(message: Message) -> str:
    value = dict(message.headers() or ()).get("ce_id")
    return value.decode(errors="replace") if isinstance(value, bytes) else ""


def _ends(consumer: Consumer, topic: str) -> list[TopicPartition]:
    partitions = _settled(lambda: _partitions(consumer, topic))
    places = [TopicPartition(topic, partition) for partition in partitions]
    return [TopicPartition(topic, place.partition, _settled(partial(_end, consumer, place))) for place in places]


def _partitions(consumer: Consumer, topic: str) -> list[int]:
    known = consumer.list_topics(topic, timeout=_ANSWER_LIMIT_S).topics[topic]
    if known.error is not None:
        raise KafkaException(known.error)
    return list(known.partitions)


def _end(consumer: Consumer, place: TopicPartition) -> int:
    end: int = consumer.get_watermark_offsets(place, timeout=_ANSWER_LIMIT_S)[1]
    return end


def _settled(ask: Callable[[], Answer]) -> Answer:
    """Ask until the answer is final: what was made or moved a moment ago is not known to every broker yet."""
    until = time.monotonic() + _ANSWER_LIMIT_S
    while True:
        try:
            return ask()
        except KafkaException as fault:
            if not is_passing(fault.args[0]) or time.monotonic() > until:
                raise
            time.sleep(_LEADER_WAIT_S)
