"""The load generator of `merge`, a process of its own: `python -m bench.load_commands BOOTSTRAP FIRST COUNT`."""

import sys
from datetime import UTC, datetime

from confluent_kafka import Producer

import customer_events as wire
from event_runtime import cloudevents
from event_runtime.codec import Codec, SchemaStore


def main(bootstrap: str, first: int, count: int) -> int:
    """Send the commands that merge l<k> into w<k>."""
    codec = Codec(SchemaStore(wire.schemas_directory()), wire.CATALOGUE)
    kind = wire.CATALOGUE["MergeCustomers"]
    now = datetime.now(UTC)
    records = []  # all are encoded before the first is sent: encoding is not what is measured
    for pair in range(first, first + count):
        command = wire.MergeCustomers(
            tenant_id="bench",
            command_id=f"c{pair}",
            winner_id=f"w{pair}",
            loser_ids=(f"l{pair}",),
            requested_by=wire.Actor(id="bench", roles=("merge",)),
            approvals=(),
            reason="BENCH",
            issued_at=now,
        )
        headers = cloudevents.headers(
            event_id=command.command_id, source="/bench", type_=kind.name, subject=command.command_id, time=now
        )
        records.append((kind.key(command).encode(), codec.encode(command), list(headers.items())))
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "linger.ms": 5})
    for key, value, headers in records:
        producer.produce("merge-command", key=key, value=value, headers=headers)
        producer.poll(0)
    return producer.flush(60)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
