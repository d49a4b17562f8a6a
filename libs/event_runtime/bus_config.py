"""Configuration of Kafka clients, and the creation of topics."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from event_runtime.faults import Fault, ServerUnavailable, SettingError

Kafka = Mapping[str, str]
"""Settings passed to librdkafka: its own names, such as `bootstrap.servers`."""

_log = logging.getLogger("event_runtime.kafka")

_CONSUMER_DEFAULTS: Mapping[str, Any] = {
    "isolation.level": "read_committed",
    "reconnect.backoff.max.ms": 3_000,  # work must go on within 30 s of a broker's return
    "topic.metadata.refresh.interval.ms": 10_000,  # a topic made later is found this soon
    "queued.max.messages.kbytes": 4_096,  # a partition, some seconds of work; librdkafka's 64 MB would not fit a worker
}
_CLASSIC_SESSION: Mapping[str, Any] = {
    "session.timeout.ms": 10_000,  # the partitions of a killed worker are taken over this soon; 45 s by default
    "heartbeat.interval.ms": 3_000,
}
_PRODUCER_DEFAULTS: Mapping[str, Any] = {
    "acks": "all",
    "enable.idempotence": True,
    # Java's default; librdkafka's own would put a key elsewhere than every other producer does
    "partitioner": "murmur2_random",
    # Records gather until the producer is flushed, which does not wait for this; without it nearly each one is a
    # request of its own.
    "linger.ms": 100,
    "retry.backoff.ms": 5,
    "message.max.bytes": 1_048_000,  # the default of a broker, less its framing; the codec keeps bodies below 1,000,000
    "reconnect.backoff.max.ms": 3_000,
}
# Settings that only one kind of client understands; the other one warns about each at start.
_CONSUMER_ONLY = (
    "auto.offset.reset", "enable.auto.", "fetch.", "group.", "heartbeat.interval.ms", "isolation.level",
    "max.poll.interval.ms", "partition.assignment.strategy", "queued.", "session.timeout.ms",
)  # fmt: skip
_PRODUCER_ONLY = (
    "acks", "batch.", "compression.", "delivery.", "enable.idempotence", "linger.ms", "message.timeout.ms",
    "partitioner", "queue.buffering.", "request.required.acks", "retries", "transaction",
)  # fmt: skip


class BusFault(Fault):
    """The bus refuses this client for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    """A topic as it should be; `configuration` in the broker's words."""

    name: str
    partitions: int
    configuration: Mapping[str, str]


def consumer_config(kafka: Kafka, group: str) -> dict[str, Any]:
    """The configuration of a consumer of `group` that never commits by itself. Raises SettingError."""
    _refuse_mock(kafka)
    # a broker refuses these of a member whose session it times itself (KIP-848)
    session = {} if kafka.get("group.protocol") == "consumer" else _CLASSIC_SESSION
    return {
        **_CONSUMER_DEFAULTS,
        **session,
        **_without(kafka, _PRODUCER_ONLY),
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        # a partition is read from the position in the database; this is for a log whose begin has moved past it
        "auto.offset.reset": "earliest",
        "logger": _log,
    }


def producer_config(kafka: Kafka, *, transactional_id: str | None = None) -> dict[str, Any]:
    """The configuration of an idempotent producer, transactional when it gets an id. Raises SettingError."""
    _refuse_mock(kafka)
    config = {**_PRODUCER_DEFAULTS, **_without(kafka, _CONSUMER_ONLY), "logger": _log}
    return config if transactional_id is None else {**config, "transactional.id": transactional_id}


def rebalances_incrementally(kafka: Kafka) -> bool:
    """Whether assignments come as changes (KIP-848 and cooperative-sticky) or as a whole."""
    return kafka.get("group.protocol") == "consumer" or "cooperative" in kafka.get("partition.assignment.strategy", "")


def is_passing(error: KafkaError) -> bool:
    """Whether a broker's answer may be another one a moment later, so that asking again is right.

    `KafkaError.retriable()` does not tell: outside of transactions librdkafka never sets it.
    """
    return error.code() in _PASSING


def create_topics(kafka: Kafka, plans: Iterable[TopicPlan], *, timeout_s: float = 30.0) -> list[str]:
    """Create the topics that are missing, with the cluster's default replication; returns the names of those created.

    Raises:
        SettingError: a topic exists with fewer partitions than planned; partitions are never added by themselves.
        ServerUnavailable: no broker answered in time.
        BusFault: the broker refused.
    """
    _refuse_mock(kafka)
    admin = AdminClient(_without(_without(kafka, _CONSUMER_ONLY), _PRODUCER_ONLY))
    try:
        existing = admin.list_topics(timeout=timeout_s).topics
    except KafkaException as fault:
        raise ServerUnavailable(f"no broker answered within {timeout_s:g} s: {fault.args[0].name()}") from fault
    missing = []
    for plan in plans:
        if plan.name not in existing:
            missing.append(NewTopic(plan.name, num_partitions=plan.partitions, config=dict(plan.configuration)))
        elif len(existing[plan.name].partitions) < plan.partitions:
            have = len(existing[plan.name].partitions)
            raise SettingError(f"topic {plan.name} has {have} partitions; {plan.partitions} are needed")
    created = []
    for name, done in admin.create_topics(missing).items() if missing else ():
        try:
            done.result(timeout_s)
        except KafkaException as fault:
            if fault.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise BusFault(f"topic {name} cannot be created: {fault.args[0].name()}") from fault
        else:
            created.append(name)
    return created


# A topic or partition that was made or moved a moment ago, and brokers that come back.
_PASSING = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError._TRANSPORT,  # noqa: SLF001 - librdkafka's own codes are public under these names
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
    }
)


def _refuse_mock(kafka: Kafka) -> None:
    for name in kafka:
        if name.startswith("test.mock."):
            raise SettingError(f"{name} is refused: a mock cluster inside a service would lose what it is told")


def _without(kafka: Mapping[str, Any], prefixes: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in kafka.items() if not name.startswith(prefixes)}
