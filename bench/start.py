"""`start`: from the start of a process to its first poll, and `--help`, beside `python -c pass`.

The first poll is over when the group has answered it: when the service says that it was assigned partitions. So
joining the group is in the figure, too. Every figure is the median of runs that take turns; the files are in the
system's cache, as they are for every start but the first.
"""

import subprocess
import sys
import time
from pathlib import Path

from bench.figures import Figure, middle
from bench.servers import Servers, servers
from rig import topics
from rig.processes import Program, service_env

GOAL = "first poll ≤ 1.5 s, --help ≤ 0.4 s"
RUNS = 7
START_LIMIT_S = 60.0
LOOK_EVERY_S = 0.002
SERVICES = {"MERGE_WORKER": "merge-worker", "DEDUPE_DETECTOR": "dedupe-detector", "REVIEW_DESK": "review-desk"}
PROGRAMS = (*SERVICES.values(), "customer-merge")
TOPICS = (
    "customer-created", "merge-command", "merge-outcome", "customer-merged", "customer-alias", "merge-candidate",
    "relink-ack", "merge-quarantine",
)  # fmt: skip


def measure(*, quick: bool) -> Figure:
    """Run the benchmark. Raises AssertionError when a program fails."""
    with servers() as at:
        topics.create(at.bootstrap, dict.fromkeys(TOPICS, 4))
        for prefix, name in SERVICES.items():
            first_poll(at, prefix, name)  # not counted: the broker makes its own topic of groups
        runs = []
        for _ in range(2 if quick else RUNS):
            bare = seconds_of([sys.executable, "-c", "pass"])
            helps = {f"{name}_help_s": seconds_of([_script(name), "--help"]) for name in PROGRAMS}
            polls = {f"{name}_poll_s": first_poll(at, prefix, name) for prefix, name in SERVICES.items()}
            runs.append({"bare_s": bare, **helps, **polls})
    typical = {key: round(middle(runs, key), 3) for key in runs[0]}
    slowest = max(value for key, value in typical.items() if key.endswith("_poll_s"))
    return Figure(
        name="start",
        value=slowest * 1_000,
        unit="ms",
        reference=typical["bare_s"] * 1_000,
        ratio=slowest / typical["bare_s"],
        goal=GOAL,
        runs=runs,
        details={
            "slowest_help_s": max(value for key, value in typical.items() if key.endswith("_help_s")),
            "typical": typical,
        },
    )


def seconds_of(argv: list[str]) -> float:
    """Seconds of a whole process that says nothing wrong."""
    started = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def first_poll(at: Servers, prefix: str, name: str) -> float:
    """Seconds from the start of a service to its first partitions; stops it."""
    environment = service_env(prefix, database=at.database, bootstrap=at.bootstrap)
    started = time.perf_counter()
    program = Program([name, "run"], environment, at.directory)
    try:
        while "partitions_assigned" not in program.stderr:
            if program.returncode is not None or time.perf_counter() - started > START_LIMIT_S:
                raise AssertionError(f"{name} did not start\n{program.tail()}")
            time.sleep(LOOK_EVERY_S)
        return time.perf_counter() - started
    finally:
        program.stop()


def _script(name: str) -> str:
    return str(Path(sys.executable).parent / name)
