"""`merge-latency`: from the moment a command is due to its CustomerMerged readable, at 200 commands a second.

The parts of `merge`, lightly loaded, with one worker: that is enough for the load, and a second one would share the two
cores and the head of the tenant's stream with it. Beside it, in the same run, the same load through a bare consume and
produce loop (copy_records): what the bus alone takes.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import Consumer

from bench import ROOT
from bench.figures import Figure, middle, percentile
from bench.merge import PARTITIONS, Parts, Size, bench, committed_reader
from rig import topics
from rig.invariants import CODEC

GOAL = "p50 ≤ 25 ms, p99 ≤ 80 ms, no sample lost"
COMMANDS_A_SECOND = 200
PERCENTS = {"p50_ms": 50.0, "p99_ms": 99.0, "p999_ms": 99.9}
BARE_IN, BARE_OUT = "bench-bare-in", "bench-bare-out"
# What comes this long after the last command was due is no delay any more: it is lost.
LOST_AFTER_S = 30.0
FIRST = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Seconds of load in the warm-up and in each run."""

    warm_up_s: int
    seconds: int
    runs: int


FULL = Load(warm_up_s=15, seconds=60, runs=3)
QUICK = Load(warm_up_s=5, seconds=10, runs=1)


def measure(*, quick: bool) -> Figure:
    """Run the benchmark. Raises AssertionError when a promise does not hold afterwards."""
    size = QUICK if quick else FULL
    commands = COMMANDS_A_SECOND * (size.warm_up_s + size.seconds * size.runs)
    parts_size = Size(
        customers=2 * (commands + FIRST),
        warm_up=FIRST,
        merges=0,
        runs=0,
        broker_warm_up_s=10.0 if quick else 40.0,
        workers=1,
    )
    with bench(parts_size) as parts:
        parts.workers_do(FIRST)  # then the group has settled
        topics.create(parts.bootstrap, {BARE_IN: PARTITIONS["merge-command"], BARE_OUT: PARTITIONS["customer-merged"]})
        ours, bare = committed_reader(parts.bootstrap), committed_reader(parts.bootstrap, BARE_OUT)
        if read_away(ours, FIRST) != FIRST:
            raise AssertionError("the first merges are not readable")
        with copying(parts.bootstrap):
            both(parts, ours, bare, size.warm_up_s)
            runs = [both(parts, ours, bare, size.seconds) for _ in range(size.runs)]
        parts.check()
    return Figure(
        name="merge-latency",
        value=middle(runs, "p50_ms"),
        unit="ms",
        reference=middle(runs, "bare_p50_ms"),
        ratio=middle(runs, "p50_ms") / middle(runs, "bare_p50_ms"),
        goal=GOAL,
        runs=runs,
        details={
            **{name: round(middle(runs, name), 1) for name in PERCENTS},
            **{f"bare_{name}": round(middle(runs, f"bare_{name}"), 1) for name in PERCENTS},
            "lost": sum(run["lost"] for run in runs),
            "commands_per_s": COMMANDS_A_SECOND,
            "seconds": size.seconds,
        },
    )


def both(parts: Parts, ours: Consumer, bare: Consumer, seconds: int) -> dict[str, float]:
    """One load through the worker, then the same through the bare loop."""
    count = seconds * COMMANDS_A_SECOND
    first = parts.take_pairs(count)
    return {
        **figures(delays_ms(parts.bootstrap, "merge-command", ours, first, count), count),
        **{
            f"bare_{name}": value
            for name, value in figures(delays_ms(parts.bootstrap, BARE_IN, bare, first, count), count).items()
        },
    }


def delays_ms(bootstrap: str, topic: str, reader: Consumer, first: int, count: int) -> list[float]:
    """Send commands at their pace from a process of its own; from due to readable, of every one that came back."""
    argv = [sys.executable, "-m", "bench.load_small_merges", bootstrap, str(first), str(count), str(COMMANDS_A_SECOND)]
    with subprocess.Popen([*argv, topic], cwd=ROOT, stdout=subprocess.PIPE, text=True) as loader:
        if loader.stdout is None:
            raise AssertionError("the load tells nothing")
        start_s = float(loader.stdout.readline())
        came: list[tuple[float, bytes]] = []
        until_s = start_s + count / COMMANDS_A_SECOND + LOST_AFTER_S
        while len(came) < count and time.monotonic() < until_s:
            message = reader.poll(0.5)
            if message is not None and message.error() is None:
                came.append((time.monotonic(), message.value() or b""))
    pairs = [(at_s, int(CODEC.decode(value).command_id.removeprefix("c"))) for at_s, value in came]  # type: ignore[attr-defined]
    return [(at_s - start_s - (pair - first) / COMMANDS_A_SECOND) * 1_000 for at_s, pair in pairs]


def read_away(reader: Consumer, count: int) -> int:
    """Read so many records that are there already."""
    return sum(1 for message in reader.consume(count, LOST_AFTER_S) if message.error() is None)


def figures(delays: list[float], sent: int) -> dict[str, float]:
    """Percentiles of the delays, and how many never came."""
    if not delays:
        raise AssertionError("nothing came back")
    return {**{name: percentile(delays, percent) for name, percent in PERCENTS.items()}, "lost": sent - len(delays)}


@contextmanager
def copying(bootstrap: str) -> Iterator[None]:
    """Run the bare loop in a process of its own."""
    argv = [sys.executable, "-m", "bench.copy_records", bootstrap, BARE_IN, BARE_OUT]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE) as copier:
        try:
            if copier.stdout is None or not copier.stdout.readline():
                raise AssertionError("the bare loop has ended")
            yield
        finally:
            copier.kill()
