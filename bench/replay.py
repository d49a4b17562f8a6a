"""`replay`: commands that were done already, read again from the start of the topic, beside `merge`.

Two workers of another consumer group begin where the topic begins: every command is in the inbox, and the outcome that
is stored for it is told once more. What counts is from the moment both workers have their partitions to the last
outcome told again: until then one of them works alone for seconds, which is how a group begins and not its speed.
"""

import time
from collections.abc import Callable
from functools import partial

from confluent_kafka import Consumer, ConsumerGroupState
from confluent_kafka.admin import AdminClient

from bench.figures import Figure, middle
from bench.merge import WORKERS, Parts, Size, bench, committed_reader
from rig.topics import read_topic

GOAL = "≥ 10,000 commands/s, no second event id"
FULL = Size(customers=140_000, warm_up=2_000, merges=65_000, runs=3)
QUICK = Size(customers=100_000, warm_up=1_000, merges=45_000, runs=1, broker_warm_up_s=10.0)
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
        admin, runs = AdminClient({"bootstrap.servers": parts.bootstrap}), []
        for number in range(size.runs):
            group = f"again-{number}"
            parts.workers_again(group=group)
            speed = read(outcomes, commands, partial(is_settled, admin, group))
            runs.append({"commands_per_s": speed, "merges_per_s": merged["merges_per_s"]})
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


def read(outcomes: Consumer, count: int, is_ready: Callable[[], bool] = lambda: True) -> float:
    """Read so many outcomes; those after the first arrivals at which `is_ready` held, a second."""
    until_s = time.monotonic() + END_LIMIT_S
    left, counted, ready_s = count, 0, 0.0
    while left > 0:
        arrived = sum(1 for message in outcomes.consume(left, 0.01) if message.error() is None)
        left -= arrived
        if ready_s:
            counted += arrived
        elif arrived and is_ready():
            ready_s = time.monotonic()
        if time.monotonic() > until_s:
            raise AssertionError(f"{left} of {count} outcomes were not told again")
    if not counted:
        raise AssertionError("everything was told again before all workers were at work: more commands are needed")
    return counted / (time.monotonic() - ready_s)


def is_settled(admin: AdminClient, group: str) -> bool:
    """Whether all workers have joined the group and have their partitions."""
    found = admin.describe_consumer_groups([group])[group].result(END_LIMIT_S)
    return found.state is ConsumerGroupState.STABLE and len(found.members) == WORKERS


def event_ids(parts: Parts) -> dict[str, set[str]]:
    """The event ids of the outcomes of each command."""
    ids: dict[str, set[str]] = {}
    for message in read_topic(parts.bootstrap, "merge-outcome"):
        headers = {
            name: value.decode() for name, value in dict(message.headers() or ()).items() if isinstance(value, bytes)
        }
        ids.setdefault(headers["ce_subject"], set()).add(headers["ce_id"])
    return ids
