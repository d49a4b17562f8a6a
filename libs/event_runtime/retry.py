"""What a fault means for the transaction it ended, and how long to wait before the next try.

Only whole transactions are tried again, never a statement. The table follows PostgreSQL's appendix A, "Error Codes".
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import psycopg
import sqlalchemy.exc
from tenacity import DoAttempt, DoSleep, RetryCallState, Retrying
from tenacity.wait import wait_base

from event_runtime.database import sqlstate
from event_runtime.failpoints import FailpointReached
from event_runtime.faults import Fault, ServerUnavailable


class StartOver(Fault):
    """What the transaction read has changed meanwhile; it has to start over."""


class FaultClass(Enum):
    """The kinds of faults that are treated differently; the values are labels of metrics."""

    CONTENTION = "retry"
    """Others were in the way (locks, time limits): try again, a bounded number of times."""
    RECONNECT = "reconnect"
    """The server is away or full of connections: try again for as long as it takes."""
    PAUSE = "pause"
    """The server can serve nobody (read-only, disk full, a grant or a table missing): wait for a person."""
    STALE = "retry_once"
    """A unique or foreign-key violation: once more on fresh data, then it is the data's."""
    DATA = "message"
    """The record's own data cannot be stored."""
    BUG = "bug"
    """Anything else: an error of the program that this record meets."""


_STATES = {
    **dict.fromkeys(("40001", "40P01", "55P03", "57014", "25P03", "25P04"), FaultClass.CONTENTION),
    **dict.fromkeys(("53300", "57P01", "57P02", "57P03", "57P05"), FaultClass.RECONNECT),
    **dict.fromkeys(("25006", "42501", "42P01", "42703", "3F000"), FaultClass.PAUSE),
    **dict.fromkeys(("23503", "23505"), FaultClass.STALE),
    "P0001": FaultClass.DATA,  # RAISE in a trigger: the database refuses this row
}
_STATE_CLASSES = {
    "08": FaultClass.RECONNECT,
    "28": FaultClass.PAUSE,
    "53": FaultClass.PAUSE,
    "55": FaultClass.PAUSE,
    "57": FaultClass.PAUSE,
    "58": FaultClass.PAUSE,
    "XX": FaultClass.PAUSE,
    "22": FaultClass.DATA,
    "23": FaultClass.DATA,
    "44": FaultClass.DATA,
}


def classify(fault: BaseException) -> FaultClass:
    """The class of a fault, by its SQLSTATE where it has one."""
    if isinstance(fault, StartOver | FailpointReached):
        return FaultClass.CONTENTION
    if isinstance(fault, ServerUnavailable | sqlalchemy.exc.TimeoutError):
        return FaultClass.RECONNECT
    state = sqlstate(fault)
    if state is not None:
        return _STATES.get(state) or _STATE_CLASSES.get(state[:2], FaultClass.BUG)
    original = fault.orig if isinstance(fault, sqlalchemy.exc.DBAPIError) else fault
    if isinstance(original, psycopg.DataError):  # refused by the driver before the server saw it
        return FaultClass.DATA
    if isinstance(original, psycopg.OperationalError | psycopg.InterfaceError | psycopg.InternalError):
        return FaultClass.RECONNECT
    return FaultClass.BUG


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and after what waits a transaction is tried again. Waits are jittered, in seconds."""

    contention_attempts: int = 3  # a lock timeout of 2 s each, and the search for the record in the way: 10 s at most
    first_wait_s: float = 0.02
    max_wait_s: float = 2.0
    reconnect_max_wait_s: float = 5.0  # work must go on within 30 s of the server's return
    pause_wait_s: float = 5.0

    def retrying(
        self, *, sleep: Callable[[float], None], before_wait: Callable[[FaultClass, BaseException], None]
    ) -> Retrying:
        """A fresh `Retrying` for one transaction; it re-raises the last fault when that is not to be tried again.

        `sleep` waits, and may raise to give up; `before_wait` hears of every fault that is tried again.
        """
        run = _Run(self)

        def announce(state: RetryCallState) -> None:
            if (fault := _fault(state)) is not None:
                before_wait(classify(fault), fault)

        return _Retrying(retry=run.again, wait=run, sleep=sleep, before_sleep=announce, reraise=True)


class _Retrying(Retrying):
    """Goes when it is let go: what it keeps of a step, by which it held itself, is dropped after the step.

    There is one a transaction. Left to the cyclic collector, which a service lets look rarely, they gathered by the
    ten thousand.
    """

    def iter(self, retry_state: RetryCallState) -> DoAttempt | DoSleep | Any:
        try:
            return super().iter(retry_state)
        finally:
            self.iter_state.reset()


@dataclass(slots=True)
class _Run(wait_base):
    policy: RetryPolicy
    seen: Counter[FaultClass] = field(default_factory=Counter)

    def again(self, state: RetryCallState) -> bool:
        fault = _fault(state)
        if fault is None or not isinstance(fault, Exception):
            return False
        kind = classify(fault)
        self.seen[kind] += 1
        match kind:
            case FaultClass.RECONNECT | FaultClass.PAUSE:
                return True
            case FaultClass.CONTENTION:
                return self.seen[kind] < self.policy.contention_attempts
            case FaultClass.STALE:
                return self.seen[kind] == 1
            case _:
                return False

    def __call__(self, retry_state: RetryCallState) -> float:
        fault = _fault(retry_state)
        kind = FaultClass.BUG if fault is None else classify(fault)
        if kind is FaultClass.STALE:
            return 0.0
        if kind is FaultClass.PAUSE:
            return self.policy.pause_wait_s
        longest = self.policy.reconnect_max_wait_s if kind is FaultClass.RECONNECT else self.policy.max_wait_s
        # the exponent is the count of this class, not of all tries: an outage must not lengthen the waits for locks
        doubled: float = self.policy.first_wait_s * 2 ** min(self.seen[kind] - 1, 20)
        return min(longest, doubled) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


def _fault(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome is not None else None
