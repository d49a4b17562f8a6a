"""Programs under test, started as a user starts them, and certain to end with the test."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

_Value = TypeVar("_Value")
_END_LIMIT_S = 30.0
_TAIL_LINES = 40
# Becomes the program, with the same process id, after asking the kernel to kill it when the test process dies.
_LAUNCHER = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9, 0, 0, 0); os.execvp(sys.argv[1], sys.argv[1:])"


class Program:
    """One process with its output in files; `pid` is the program's own, so a test can kill, stop and continue it."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], directory: Path) -> None:
        number = len(list(directory.glob("*.err")))
        self.name = f"{number}-{Path(argv[0]).name}"
        self.stdout_path, self.stderr_path = directory / f"{self.name}.out", directory / f"{self.name}.err"
        with self.stdout_path.open("wb") as stdout, self.stderr_path.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _LAUNCHER, *_resolved(argv)],
                env={**_clean_environment(), **environment},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def stdout(self) -> str:
        return self.stdout_path.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        return self.stderr_path.read_text(errors="replace")

    @property
    def returncode(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def wait(self, deadline_s: float = _END_LIMIT_S) -> int:
        """Wait for its end; returns the exit status. Raises subprocess.TimeoutExpired."""
        return self._process.wait(deadline_s)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait: afterwards it does nothing any more."""
        self._process.kill()
        self._process.wait()

    def stop(self, deadline_s: float = _END_LIMIT_S) -> int:
        """SIGTERM, and wait; returns the exit status."""
        self._process.terminate()
        return self.wait(deadline_s)

    def wait_for(self, pattern: str, deadline_s: float = _END_LIMIT_S) -> re.Match[str]:
        """Wait until its standard output or error matches `pattern`; fails at once when it ends without."""

        def look() -> re.Match[str] | None:
            over = self.returncode is not None
            found = re.search(pattern, self.stderr) or re.search(pattern, self.stdout)
            if over and not found:
                raise AssertionError(f"{self.name} ended with {self.returncode} before {pattern!r}:\n{self.tail()}")
            return found

        return eventually(look, deadline_s, explain=self.tail)

    def tail(self) -> str:
        """The last lines that it wrote, for a failing test's report."""
        lines = [f"{self.name} out| {line}" for line in self.stdout.splitlines()[-_TAIL_LINES:]]
        return "\n".join(lines + [f"{self.name} err| {line}" for line in self.stderr.splitlines()[-_TAIL_LINES:]])


def eventually(
    predicate: Callable[[], _Value | None],
    deadline_s: float = _END_LIMIT_S,
    *,
    every_s: float = 0.05,
    explain: Callable[[], str] | None = None,
) -> _Value:
    """Wait until `predicate` answers something true and return that; fails after `deadline_s` with its last answer."""
    until = time.monotonic() + deadline_s
    while not (answer := predicate()):
        if time.monotonic() > until:
            more = f"\n{explain()}" if explain else ""
            raise AssertionError(f"not within {deadline_s} s; the last answer was {answer!r}{more}")
        time.sleep(every_s)
    return answer


def service_env(prefix: str, *, database: str, bootstrap: str, topic_prefix: str = "", **more: str) -> dict[str, str]:
    """The environment of a service (`MERGE_WORKER`, …) on these servers, apart from every other test's.

    Topics and consumer group carry `topic_prefix`; the HTTP port is a free one (see the log line); failpoints are
    enabled. `more` are further settings without the prefix (`BATCH__MAX_COMMANDS="1"`).
    """
    settings = {
        "DATABASE__URL": database,
        "KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "TOPIC_PREFIX": topic_prefix,
        "GROUP": f"{topic_prefix}{prefix.lower()}",
        "HTTP__PORT": "0",
        **more,
    }
    return {**{f"{prefix}_{name}": value for name, value in settings.items()}, "FAILPOINTS_ENABLED": "1"}


def _resolved(argv: Sequence[str]) -> list[str]:
    # Console scripts live beside the interpreter, whether or not its directory is on the PATH.
    script = Path(sys.executable).parent / argv[0]
    return [str(script) if script.exists() else argv[0], *argv[1:]]


def _clean_environment() -> dict[str, str]:
    ours = ("MERGE_WORKER_", "DEDUPE_DETECTOR_", "REVIEW_DESK_", "FAILPOINTS")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
