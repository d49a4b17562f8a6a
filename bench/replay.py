"""`replay`: commands that were done already, read again from the start of the topic, beside `merge`.

Two workers of another consumer group begin where the topic begins: every command is in the inbox, and the outcome that
is stored for it is told once more. What counts is from the first outcome told again to the last one.
"""

import time

from confluent_kafka import Consumer

from bench.figures import Figure, middle
from bench.merge import Parts, Size, bench, committed_reader
from rig.topics import read_topic

GOAL = "≥ 10,000 commands/s, no second event id"
FULL = Size(customers=60_000, warm_up=2_000, merges=25_000, runs=3)
QUICK = Size(customers=20_000, warm_up=1_000, merges=7_000, runs=1, broker_warm_up_s=10.0)
END_LIMIT_S = 300.0


def measure(*, quick: bool) -> Figure:
    """Run the benchmark. Raises AssertionError when a promise does not hold, or a command has a second outcome."""
    size = QUICK if quick else FULL
    with bench(size) as parts:
        parts.workers_do(size.warm_up)
        merged = parts.workers_do(size.merges)
        outcomes = committed_reader(parts.bootstrap, "merge-outcome")
        commands = size.warm_up + size.merges
        read(outcomes, commands)
        runs = []
        for number in range(size.runs):
            parts.workers_again(group=f"again-{number}")
            runs.append({"commands_per_s": read(outcomes, commands), "merges_per_s": merged["merges_per_s"]})
        ids = event_ids(parts)
        if len(ids) != commands or any(len(of_command) != 1 for of_command in ids.values()):
            raise AssertionError("a command was answered with a second event id")
        parts.check()
    return Figure(
        name="replay",
        value=middle(runs, "commands_per_s"),
        unit="commands/s",
        reference=middle(runs, "merges_per_s"),
        ratio=middle(runs, "commands_per_s") / middle(runs, "merges_per_s"),
        goal=GOAL,
        runs=runs,
        details={"commands": commands, "times_read": size.runs, "second_event_ids": 0},
    )


def read(outcomes: Consumer, count: int) -> float:
    """Read so many outcomes; those after the first arrivals, a second."""
    until_s = time.monotonic() + END_LIMIT_S
    left, first_s, at_first = count, 0.0, 0
    while left > 0:
        arrived = sum(1 for message in outcomes.consume(left, 0.01) if message.error() is None)
        left -= arrived
        if arrived and not at_first:
            first_s, at_first = time.monotonic(), arrived
        if time.monotonic() > until_s:
            raise AssertionError(f"{left} of {count} outcomes were not told again")
    return (count - at_first) / max(time.monotonic() - first_s, 1e-9)


def event_ids(parts: Parts) -> dict[str, set[str]]:
    """The event ids of the outcomes of each command."""
    ids: dict[str, set[str]] = {}
    for message in read_topic(parts.bootstrap, "merge-outcome"):
        headers = {
            name: value.decode() for name, value in dict(message.headers() or ()).items() if isinstance(value, bytes)
        }
        ids.setdefault(headers["ce_subject"], set()).add(headers["ce_id"])
    return ids
