"""Keeps embedded servers alive after the program that started them has ended: `--keep`.

Run as `python -m customer_merge_demo.orchestration.keeper`; prints one line of JSON with the endpoints and
works until SIGTERM. Everything a kept run started lives with this process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NoReturn

from customer_merge_demo.orchestration.servers import embedded_bus, embedded_database
from event_runtime.faults import Fault

# The relinkers and services that live with the keeper get this long to end before their servers do.
_STOP_LIMIT_S = 40.0


class KeeperFailed(Fault):
    """The servers to keep cannot be started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the keeper holds; an endpoint that was not asked for is empty."""

    pid: int
    database_url: str
    bootstrap: str


def start(*, database: bool, bus: bool) -> Kept:
    """Start a keeper with the servers asked for, detached from this program. Raises KeeperFailed."""
    wanted = [name for name, asked in (("database", database), ("bus", bus)) if asked]
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", __name__, *wanted],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        text=True,
        start_new_session=True,
    )
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        _, said = process.communicate()
        raise KeeperFailed(f"the servers to keep cannot be started: {said.strip().rpartition(chr(10))[2]}")
    endpoints = json.loads(line)
    return Kept(pid=process.pid, database_url=endpoints["database"], bootstrap=endpoints["bus"])


def stop(kept: Kept) -> None:
    """End the keeper and everything that lives with it; back when it has ended."""
    os.kill(kept.pid, signal.SIGTERM)
    until = time.monotonic() + _STOP_LIMIT_S
    while time.monotonic() < until:
        if os.waitpid(kept.pid, os.WNOHANG)[0]:
            return
        time.sleep(0.05)


def main(wanted: list[str]) -> NoReturn:
    """Start the servers, say where they are, wait for the end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    with ExitStack() as stack:
        database_url = stack.enter_context(embedded_database()) if "database" in wanted else ""
        bootstrap = stack.enter_context(embedded_bus()) if "bus" in wanted else ""
        sys.stdout.write(json.dumps({"database": database_url, "bus": bootstrap}) + "\n")
        sys.stdout.flush()
        while True:
            signal.pause()


def _end(number: int, _frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # stopping is under way
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
