"""Topics on a real broker: made, read to their ends, removed."""

from collections.abc import Mapping

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

_ANSWER_LIMIT_S = 60.0


def create(bootstrap: str, partitions: Mapping[str, int], *, configuration: Mapping[str, str] | None = None) -> None:
    """Make the topics `partitions` names, and wait until they are there."""
    wanted = [NewTopic(name, count, 1, config=dict(configuration or {})) for name, count in partitions.items()]
    admin = AdminClient({"bootstrap.servers": bootstrap})  # dropping it would cancel what it was asked for
    for made in admin.create_topics(wanted).values():
        made.result(_ANSWER_LIMIT_S)


def delete_all(bootstrap: str, prefix: str) -> None:
    """Remove every topic whose name begins with `prefix`."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    names = [name for name in admin.list_topics(timeout=_ANSWER_LIMIT_S).topics if name.startswith(prefix)]
    if names:
        for gone in admin.delete_topics(names).values():
            gone.result(_ANSWER_LIMIT_S)


def read_topic(bootstrap: str, topic: str, isolation: str = "read_committed") -> list[Message]:
    """Every record of `topic` up to its end at this moment, partition by partition in offset order."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "test-reader",  # never joined: partitions are assigned by hand
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,  # an empty partition answers at once instead of after half a second
        }
    )
    try:
        partitions = sorted(consumer.list_topics(topic, timeout=_ANSWER_LIMIT_S).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
        return _read_to_ends(consumer, set(partitions))
    finally:
        consumer.close()


def _read_to_ends(consumer: Consumer, open_partitions: set[int]) -> list[Message]:
    messages: list[Message] = []
    while open_partitions:
        message = consumer.poll(_ANSWER_LIMIT_S)
        if message is None:
            raise TimeoutError(f"partitions {sorted(open_partitions)} did not come to their ends")
        fault = message.error()
        if fault is None:
            messages.append(message)
        elif fault.code() == KafkaError._PARTITION_EOF:
            open_partitions.discard(message.partition())
        else:
            raise RuntimeError(str(fault))
    return sorted(messages, key=lambda message: (message.partition(), message.offset()))
