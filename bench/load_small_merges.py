"""A paced load, a process of its own: `python -m bench.load_small_merges BOOTSTRAP FIRST COUNT RATE [TOPIC]`.

Sends the commands that merge l<k> into w<k>, one every 1/RATE seconds, and prints when the first was due: seconds of
the system-wide monotonic clock. A command that goes out late was due all the same, so a stall of the sender shows too.
"""

import sys
import time
from datetime import UTC, datetime

from confluent_kafka import Producer

import customer_events as wire
from event_runtime import cloudevents
from event_runtime.codec import Codec, SchemaStore

_CODEC = Codec(SchemaStore(wire.schemas_directory()), wire.CATALOGUE)
_ACTOR = wire.Actor(id="bench", roles=("merge",))

Record = tuple[bytes, bytes, dict[str, str | bytes | None]]
"""Key, value and headers."""


def command(command_id: str, winner_id: str, loser_id: str) -> Record:
    """The command that merges one customer into another."""
    event = wire.MergeCustomers(
        tenant_id="bench",
        command_id=command_id,
        winner_id=winner_id,
        loser_ids=(loser_id,),
        requested_by=_ACTOR,
        approvals=(),
        reason="BENCH",
        issued_at=datetime.now(UTC),
    )
    return _record(event)


def undo_command(command_id: str, merge_id: str) -> Record:
    """The command that takes a merge apart."""
    event = wire.UnmergeCustomers(
        tenant_id="bench",
        command_id=command_id,
        merge_id=merge_id,
        requested_by=_ACTOR,
        reason="BENCH",
        issued_at=datetime.now(UTC),
    )
    return _record(event)


def _record(event: wire.MergeCustomers | wire.UnmergeCustomers) -> Record:
    kind, id_, now = wire.CATALOGUE[type(event).__name__], event.command_id, event.issued_at
    headers = cloudevents.headers(event_id=id_, source="/bench", type_=kind.name, subject=id_, time=now)
    return kind.key(event).encode(), _CODEC.encode(event), dict(headers)


def main(bootstrap: str, first: int, count: int, rate: float, topic: str = "merge-command") -> int:
    """Send the commands at their times."""
    records = [command(f"c{pair}", f"w{pair}", f"l{pair}") for pair in range(first, first + count)]
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "linger.ms": 0})
    producer.list_topics(topic, timeout=30)  # connected before the first is due
    start_s = time.monotonic() + 0.1
    print(start_s, flush=True)
    for number, (key, value, headers) in enumerate(records):
        wait_s = start_s + number / rate - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        producer.produce(topic, key=key, value=value, headers=headers)
        producer.poll(0)
    return producer.flush(60)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), *sys.argv[5:]))
