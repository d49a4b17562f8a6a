"""`memory`: what each service holds after 200,000 messages, and how much more than after the first 100,000.

One process of each, its relay in it, on a real broker and a real database: the worker merges customers with their rows,
the desk follows what the worker has told, the detector takes customers in (and learns, as it does by itself). Resident
memory is looked at twenty times a second; what counts is the mean over the last tenth of the messages, and of the first
half of them.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import psutil
import psycopg

from bench import ROOT
from bench.figures import Figure
from bench.merge import PARTITIONS, seed
from bench.servers import Servers, servers
from rig import topics
from rig.processes import Program, service_env

GOAL = "worker ≤ 200 MB, detector ≤ 400 MB; growth over the second half ≤ 2 %"
LOOK_EVERY_S = 0.05
LOOKED_AT = 0.1
WITHOUT_PROGRESS_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Messages done, and bytes resident, at one moment."""

    done: int
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A service, where its positions are, and what sends it messages (None: they are there already)."""

    name: str
    prefix: str
    schema: str
    load: str | None


WORKER_AND_DESK = (
    Watched(
        name="merge-worker",
        prefix="MERGE_WORKER",
        schema="merge",
        load="bench.load_commands",
    ),
    Watched(name="review-desk", prefix="REVIEW_DESK", schema="review", load=None),
)
DETECTOR = (
    Watched(
        name="dedupe-detector",
        prefix="DEDUPE_DETECTOR",
        schema="detector",
        load="bench.load_customers",
    ),
)


def measure(*, quick: bool) -> Figure:
    """Run the benchmark. Raises AssertionError when a service ends or stands still."""
    messages = 20_000 if quick else 200_000
    found: dict[str, dict[str, float]] = {}
    for services in (WORKER_AND_DESK, DETECTOR):
        with servers() as at:  # the detector hears of no merges, so that all its messages are customers
            topics.create(at.bootstrap, {**PARTITIONS, "merge-candidate": 8})
            if services is WORKER_AND_DESK:
                seed(at.database, messages)
            found |= {service.name: watched(at, service, messages) for service in services}
    worker = found["merge-worker"]
    return Figure(
        name="memory",
        value=worker["mb"],
        unit="MB worker",
        reference=worker["half_mb"],
        ratio=1 + max(one["growth"] for one in found.values()),
        goal=GOAL,
        runs=list(found.values()),
        details={
            "messages": messages,
            **{name: {key: round(value, 3) for key, value in one.items()} for name, one in found.items()},
        },
    )


def watched(at: Servers, service: Watched, messages: int) -> dict[str, float]:
    """Megabytes of a service after half of the messages and after all, and the growth between."""
    if service.load:
        argv = [sys.executable, "-m", service.load, at.bootstrap, "0", str(messages)]
        subprocess.run(argv, cwd=ROOT, check=True)
    environment = service_env(service.prefix, database=at.database, bootstrap=at.bootstrap)
    program = Program([service.name, "run"], environment, at.directory)
    try:
        looks = looked_at(at.database, service.schema, program, messages)
    finally:
        program.stop()
    half, whole = (resident(looks, upto) / 2**20 for upto in (messages // 2, messages))
    peak = max(look.held for look in looks) / 2**20
    return {"mb": whole, "half_mb": half, "growth": whole / half - 1, "peak_mb": peak}


def looked_at(database: str, schema: str, program: Program, messages: int) -> list[Look]:
    """Look at a program until it has done so many messages."""
    process, looks, moved_s = psutil.Process(program.pid), [Look(done=0, held=0)], time.monotonic()
    with psycopg.connect(database, autocommit=True) as connection:
        while looks[-1].done < messages:
            time.sleep(LOOK_EVERY_S)
            row = connection.execute(f"SELECT coalesce(sum(next_offset), 0)::bigint FROM {schema}.positions").fetchone()
            done = row[0] if row else 0
            if done > looks[-1].done:
                moved_s = time.monotonic()
            if program.returncode is not None or time.monotonic() > moved_s + WITHOUT_PROGRESS_S:
                raise AssertionError(f"{done} of {messages} messages were done\n{program.tail()}")
            looks.append(Look(done=done, held=process.memory_info().rss))
    return looks


def resident(looks: Sequence[Look], upto: int) -> float:
    """Mean of what was held over the last of so many messages."""
    part = [look for look in looks if upto * (1 - LOOKED_AT) < look.done <= upto]
    return fmean(look.held for look in part or [next(look for look in looks if look.done >= upto)])
