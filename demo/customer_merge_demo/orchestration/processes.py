"""The processes of a run: started together, watched, stopped in order; none outlives the program."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from event_runtime import guard
from event_runtime.faults import Fault

# A service promises to stop within 25 s of SIGTERM; then it is killed.
_STOP_GRACE_S = 27.0
_LAST_LINES = 12
_LAST_BYTES = 8_192


class ProcessEnded(Fault):
    """A process of the system ended by itself. `last_lines` are the last of its log."""

    def __init__(self, name: str, status: int, log: Path) -> None:
        super().__init__(f"{name} ended by itself with status {status}; its last lines are above, all of them in {log}")
        self.last_lines = last_lines(log)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How to start one process; the environment is added to a small inherited one."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(slots=True)
class _Running:
    program: Program
    process: subprocess.Popen[bytes]
    log: Path
    peak_bytes: int = 0


class Processes:
    """Runs programs under a guard each, so that they end with this process whatever happens to it."""

    def __init__(self, log_directory: Path, *, lives_with: int | None = None) -> None:
        """Each program's output goes to `<log_directory>/<name>.log`.

        `lives_with` is the process they end with (default: this one).
        """
        self._logs = log_directory
        self._watch = lives_with or os.getpid()
        self._running: list[_Running] = []

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        self.stop()

    def start(self, program: Program) -> None:
        """Start one program."""
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"{program.name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own programs
                guard.command(list(program.argv), watch=self._watch, grace_s=_STOP_GRACE_S),
                env=inherited_environment() | dict(program.environment),
                cwd="/",  # a .env file lying about here is not for them
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in the terminal is for this program to act on
            )
        self._running.append(_Running(program, process, log))

    def require_all_alive(self) -> None:
        """Raise ProcessEnded for the first program that ended by itself; it knows the last lines of its log."""
        for running in self._running:
            status = running.process.poll()
            if status is not None:
                raise ProcessEnded(running.program.name, status, running.log)

    def sample_memory(self) -> None:
        """Note how much memory each program has used at most so far."""
        for running in self._running:
            pid = _child_of(running.process.pid)
            if pid is not None:
                running.peak_bytes = max(running.peak_bytes, _peak_bytes(pid))

    def peak_memory(self) -> Iterator[tuple[str, int]]:
        """Name and peak resident memory in bytes of each program, as last sampled."""
        for running in self._running:
            yield running.program.name, running.peak_bytes

    def process_ids(self) -> Iterator[tuple[str, int]]:
        """Name and process id to signal for each program still running."""
        for running in self._running:
            if running.process.poll() is None:
                yield running.program.name, running.process.pid

    def stop(self) -> None:
        """Ask all programs to end, in the reverse order of their start, and wait until they have."""
        for running in reversed(self._running):
            if running.process.poll() is None:
                running.process.terminate()
        until = time.monotonic() + _STOP_GRACE_S + 3
        for running in reversed(self._running):
            try:
                running.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()
        self._running.clear()


def inherited_environment() -> dict[str, str]:
    """What a child may see of our environment: no settings of services that happen to be exported here."""
    prefixes = ("MERGE_WORKER_", "DEDUPE_DETECTOR_", "REVIEW_DESK_", "FAILPOINTS", "RELINKER_", "CUSTOMER_MERGE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def last_lines(log: Path, count: int = _LAST_LINES) -> Sequence[str]:
    """The last lines of a log, as readable text."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LAST_BYTES))
        return file.read().decode(errors="replace").splitlines()[-count:] or ["(it said nothing)"]


def _child_of(guard_pid: int) -> int | None:
    try:
        children = Path(f"/proc/{guard_pid}/task/{guard_pid}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None


def _peak_bytes(pid: int) -> int:
    """VmHWM: the kernel's own high-water mark, so that sampling late misses nothing."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(line.split()[1]) * 1024
