"""The bare loop beside `merge-latency`, a process of its own: `python -m bench.copy_records BOOTSTRAP FROM TO`.

Consumes a topic and produces each record to another one at once: no database, no transaction, nothing decoded.
"""

import sys

from confluent_kafka import Consumer, Producer


def main(bootstrap: str, source: str, target: str) -> None:
    """Copy until killed; says on stdout when the partitions are assigned."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-copy", "auto.offset.reset": "earliest"})
    consumer.subscribe([source], on_assign=lambda *_: print("assigned", flush=True))
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "linger.ms": 0})
    while True:
        message = consumer.poll(1.0)
        if message is not None and message.error() is None:
            producer.produce(target, key=message.key(), value=message.value(), headers=message.headers())
        producer.poll(0)


if __name__ == "__main__":
    main(*sys.argv[1:4])
