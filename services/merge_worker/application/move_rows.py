"""The loop that moves the rows of large merges, and brings them back: one mover a merge, by a lease.

A mover that is killed leaves the merge as its last commit did, and the next one goes on from there. Several workers
share the merges. Between chunks it rests, so that everybody else's work is hardly slower than without it.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine

from event_runtime.batch import TransactionLimits
from event_runtime.database import describe
from event_runtime.faults import Fault
from event_runtime.health import Progress
from event_runtime.logs import get_logger
from event_runtime.retry import FaultClass, RetryPolicy, classify
from merge_engine import Lease, LeaseLost

_T = TypeVar("_T")
_log = get_logger(__name__)

# Locks that others hold are soon let go of; anything else wants a person, and other merges must not wait for that.
_PUT_OFF_LOCKED = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoverPolicy:
    """How large merges move.

    `rest_share`: time rested after a chunk, as a share of the time that it took, and never longer than half the lease.
    """

    chunk_rows: int = 1_000
    rest_share: float = 0.5
    lease: timedelta = timedelta(seconds=0.75)
    look_s: float = 0.25
    notice_every: timedelta = timedelta(seconds=1)
    put_off: timedelta = timedelta(seconds=30)
    listing_timeout_s: float = 300.0

    def rest_s(self, worked_s: float) -> float:
        """How long to rest after so much work."""
        return min(worked_s * self.rest_share, self.lease.total_seconds() / 2)


class Run(Protocol):
    """Runs something in a transaction: again, when others were in the way, and for as long as the server is away."""

    def __call__(self, act: Callable[[Connection], _T], limits: TransactionLimits = ...) -> _T:
        """What `act` answers, committed."""
        ...


class LargeWork(Protocol):
    """One kind of work in chunks."""

    def claim(self, connection: Connection, owner: str, lasts: timedelta) -> Lease | None:
        """Take the oldest piece of work that nobody does."""
        ...

    def release(self, connection: Connection, lease: Lease, *, after: timedelta, problem: str | None) -> None:
        """Let somebody else have it."""
        ...

    def advance(self, run: Run, lease: Lease) -> bool:
        """Do the next chunk, or whatever comes next; True when it has come to its end."""
        ...


class _Stopping(Fault):
    """The service stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveRows:
    """The loop. `owner` is how the lease names this process; of several works the first comes first."""

    engine: Engine
    works: Sequence[LargeWork]
    progress: Progress
    owner: str
    policy: MoverPolicy = field(default_factory=MoverPolicy)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    limits: TransactionLimits = field(default_factory=TransactionLimits)

    def run(self, stop: threading.Event) -> None:
        """Move whatever is there to move, until `stop` is set; the chunk in hand is finished first."""
        while not stop.is_set():
            try:
                carried = [self._carry_one(work, stop) for work in self.works]
                if not any(carried):
                    stop.wait(self.policy.look_s)
            except _Stopping:
                return
            except Exception as fault:  # noqa: BLE001 - whatever is lacking, it waits and says so
                self.progress.waiting(describe(fault))
                _log.warning("mover_waits", exc_info=fault)
                stop.wait(self.retry.pause_wait_s)

    def _carry_one(self, work: LargeWork, stop: threading.Event) -> bool:
        """Move one merge to its end, or for as long as nothing is in the way; False when there is none."""
        run = self._runner(stop)
        lease = run(lambda connection: work.claim(connection, self.owner, self.policy.lease))
        self.progress.ready()
        if lease is None:
            return False
        try:
            ended = False
            while not ended and not stop.is_set():
                started_s = time.monotonic()
                ended = work.advance(run, lease)
                self.progress.ready()
                stop.wait(self.policy.rest_s(time.monotonic() - started_s))
            if not ended:
                _release(run, work, lease, timedelta(0), None)
        except LeaseLost:
            _log.info("large_merge_taken_over", merge_id=lease.merge_id)
        except _Stopping:
            raise
        except Exception as fault:  # noqa: BLE001 - told, kept with the merge, and tried again later
            locked = classify(fault) is FaultClass.CONTENTION
            tell = _log.info if locked else _log.error
            tell("large_merge_put_off", merge_id=lease.merge_id, exc_info=fault)
            _release(run, work, lease, _PUT_OFF_LOCKED if locked else self.policy.put_off, describe(fault))
        return True

    def _runner(self, stop: threading.Event) -> Run:
        def run(act: Callable[[Connection], _T], limits: TransactionLimits = self.limits) -> _T:
            def attempt() -> _T:
                with self.engine.begin() as connection:
                    limits.apply(connection)
                    return act(connection)

            return self.retry.retrying(sleep=wait, before_wait=self._say_waiting)(attempt)

        def wait(seconds: float) -> None:
            if stop.wait(seconds):
                raise _Stopping("the service stops")

        return run

    def _say_waiting(self, kind: FaultClass, fault: BaseException) -> None:
        self.progress.beat()
        if kind is FaultClass.PAUSE:
            raise fault  # it may lack a right on a table of this merge's only; others go on meanwhile
        if kind is FaultClass.RECONNECT:
            self.progress.waiting(f"the database: {describe(fault)}")


def _release(run: Run, work: LargeWork, lease: Lease, after: timedelta, problem: str | None) -> None:
    run(lambda connection: work.release(connection, lease, after=after, problem=problem))
