"""Work for a broker before anything is measured.

A Java program compiles what it runs while it runs. A new broker does so for half a minute of full work; until then a
merge would be charged several times what it costs a broker that has been up for an hour.
"""

import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from rig import topics

TOPIC, PARTITIONS = "bench-warm-up", 16
RECORDS_A_TRANSACTION = 600
# About as many and as large as those of the events.
HEADERS: list[tuple[str, str | bytes | None]] = [(f"ce_attribute_{number}", "x" * 30) for number in range(9)]
BODY = b"x" * 300


def warm_up(bootstrap: str, *, seconds: float) -> None:
    """Write transactions like the relay's for so long, and read them as committed."""
    topics.create(bootstrap, {TOPIC: PARTITIONS})
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": TOPIC, "linger.ms": 5})
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": TOPIC, "isolation.level": "read_committed"})
    reader.assign([TopicPartition(TOPIC, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
    producer.init_transactions(30)
    until_s, written = time.monotonic() + seconds, 0
    while time.monotonic() < until_s:
        producer.begin_transaction()
        for number in range(RECORDS_A_TRANSACTION):
            producer.produce(TOPIC, BODY, key=str(number), headers=HEADERS)
            producer.poll(0)
        producer.flush(30)
        written += RECORDS_A_TRANSACTION
        offsets = [TopicPartition(TOPIC, 0, written)]
        producer.send_offsets_to_transaction(offsets, reader.consumer_group_metadata(), 30)
        producer.commit_transaction(30)
        while reader.consume(RECORDS_A_TRANSACTION, 0.0):
            pass
    reader.close()
    producer.close()
