"""The rows of `relay`, and the bare producer beside it: `python -m bench.relay_rows BOOTSTRAP TOPIC COUNT ROWS`.

Real commands, as large as they are on the wire. The producer sends the same keys, headers and bodies in transactions
of ROWS records; all are made before the first is sent, and it is configured as the relay's is.
"""

import json
import sys
from collections.abc import Iterator

from confluent_kafka import Producer

from bench.load_small_merges import Record, command
from event_runtime.bus_config import producer_config
from event_runtime.drafts import Draft


def records(count: int) -> Iterator[Record]:
    """What is sent: key, value and headers."""
    return (command(f"c{number}", f"w{number}", f"l{number}") for number in range(count))


def drafts(topic: str, count: int) -> Iterator[Draft]:
    """The same as rows of the outbox, all of one tenant."""
    for number, (key, body, headers) in enumerate(records(count)):
        yield Draft(
            event_id=f"e{number}",
            event_type="MergeCustomers",
            tenant_id="bench",
            topic=topic,
            key=key,
            headers=json.dumps(headers),
            body=body,
        )


def main(bootstrap: str, topic: str, count: int, rows: int) -> int:
    """Send the records; the first transaction waits for a line on stdin, so that starting is not counted."""
    made = list(records(count))
    kafka = {"bootstrap.servers": bootstrap}
    producer = Producer(producer_config(kafka, transactional_id=f"bare-{topic}"))
    producer.init_transactions(30)
    print("ready", flush=True)
    sys.stdin.readline()
    for first in range(0, count, rows):
        producer.begin_transaction()
        for key, body, headers in made[first : first + rows]:
            producer.produce(topic, value=body, key=key, headers=headers)
        producer.flush(30)
        producer.commit_transaction(30)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
