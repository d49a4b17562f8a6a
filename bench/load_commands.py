"""The load of `merge`, a process of its own: `python -m bench.load_commands BOOTSTRAP FIRST COUNT`.

As fast as the broker takes them; all are encoded before the first is sent, as encoding is not what is measured.
"""

import sys

from confluent_kafka import Producer

from bench import producer_settings
from bench.load_small_merges import command


def main(bootstrap: str, first: int, count: int) -> int:
    """Send the commands that merge l<k> into w<k>."""
    records = [command(f"c{pair}", f"w{pair}", f"l{pair}") for pair in range(first, first + count)]
    producer = Producer(producer_settings(bootstrap))
    for key, value, headers in records:
        producer.produce("merge-command", key=key, value=value, headers=headers)
        producer.poll(0)
    return producer.flush(60)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
