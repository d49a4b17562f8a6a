"""Named places in the code where a test can make the process crash, pause or fail.

Armed by the environment only, and only when FAILPOINTS_ENABLED=1:
`FAILPOINTS="before_commit=crash,after_poll=raise:3"`. The number says at which passage the point acts (default: the
first; it acts once). `crash` is a SIGKILL; `pause` stops the process (SIGSTOP) until somebody continues it.
"""

import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from event_runtime.faults import Fault, SettingError


class FailpointReached(Fault):
    """A failpoint armed with `raise` was reached."""


class _Action(StrEnum):
    CRASH = "crash"
    PAUSE = "pause"
    RAISE = "raise"


@dataclass(slots=True, kw_only=True)
class Failpoints:
    """The armed points and how often each has been passed."""

    armed: dict[str, tuple[str, int]]
    passages: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Failpoints":
        """Read FAILPOINTS, or nothing at all without FAILPOINTS_ENABLED=1. Raises SettingError."""
        if environment.get("FAILPOINTS_ENABLED") != "1":
            return cls(armed={})
        return cls(armed=dict(_parse(entry) for entry in environment.get("FAILPOINTS", "").split(",") if entry))

    def reach(self, name: str) -> None:
        """Act when `name` is armed and this is its passage. Raises FailpointReached."""
        if name not in self.armed:
            return
        action, at_passage = self.armed[name]
        with self.lock:
            self.passages[name] = passage = self.passages.get(name, 0) + 1
        if passage != at_passage:
            return
        sys.stderr.write(f'{{"event": "failpoint", "name": "{name}", "action": "{action}"}}\n')
        sys.stderr.flush()
        if action == _Action.CRASH:
            os.kill(os.getpid(), signal.SIGKILL)
        if action == _Action.PAUSE:
            # To this very thread: sent to the process, others would stop first and this one run on for a moment.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        else:
            raise FailpointReached(f"failpoint {name} was reached")


def failpoint(name: str) -> None:
    """A place where a test may interfere; does nothing otherwise (one dictionary look-up)."""
    if _active is not None:
        _active.reach(name)


def arm(environment: Mapping[str, str]) -> None:
    """Arm this process's failpoints from its environment, once at the start. Raises SettingError."""
    global _active  # noqa: PLW0603 - a failpoint is reached from everywhere, by design
    points = Failpoints.from_environment(environment)
    _active = points if points.armed else None


def _parse(entry: str) -> tuple[str, tuple[str, int]]:
    name, _, what = entry.strip().partition("=")
    action, _, passage = what.partition(":")
    allowed = ", ".join(_Action)
    if action not in set(_Action) or not (passage or "1").isdecimal():
        raise SettingError(f"FAILPOINTS: {entry!r} is not name=action or name=action:passage; actions are {allowed}")
    return name, (action, int(passage or "1"))


_active: Failpoints | None = None
