"""The load of `detect`, a process of its own: `python -m bench.load_customers BOOTSTRAP FIRST COUNT`.

As fast as the broker takes them; all are encoded before the first is sent, as encoding is not what is measured.
"""

import json
import sys
import time
from collections.abc import Iterable

from confluent_kafka import Producer

import customer_events as wire
from bench import producer_settings
from bench.customers import NOTHING_SHARED, Shared, customer
from event_runtime import cloudevents
from event_runtime.codec import Codec, SchemaStore

_CODEC = Codec(SchemaStore(wire.schemas_directory()), wire.CATALOGUE)
_KIND = wire.CATALOGUE["CustomerCreated"]

Record = tuple[bytes, bytes, dict[str, str | bytes | None]]
"""Key, value and headers."""


def records(numbers: Iterable[int], shared: Shared = NOTHING_SHARED) -> list[Record]:
    """The events of these customers as they are on the wire."""
    return [wire_record(customer(number, shared)) for number in numbers]


def wire_record(event: wire.CustomerCreated) -> Record:
    """An event as it is on the wire."""
    id_ = event.customer_id
    headers = cloudevents.headers(event_id=id_, source="/bench", type_=_KIND.name, subject=id_, time=event.occurred_at)
    return _KIND.key(event).encode(), _CODEC.encode(event), dict(headers)


def main(bootstrap: str, first: int, count: int, shared: str = "") -> int:
    """Send the customers of these numbers; with `shared` (JSON of Shared), say on stdout when the first one goes."""
    made = records(range(first, first + count), Shared(**json.loads(shared)) if shared else NOTHING_SHARED)
    producer = Producer(producer_settings(bootstrap))
    if shared:
        print(time.time(), flush=True)
    for key, value, headers in made:
        producer.produce("customer-created", key=key, value=value, headers=headers)
        producer.poll(0)
    return producer.flush(60)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:5]))
