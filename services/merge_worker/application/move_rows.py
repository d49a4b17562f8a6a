"""The rows of large merges follow in chunks: one mover a merge, by a lease; several workers share the merges.

A mover that is killed leaves the merge as its last commit did, and the next one goes on from there. Between chunks it
rests, so that everybody else's work is hardly slower than without it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine

from event_runtime.batch import TransactionLimits
from event_runtime.database import describe
from event_runtime.failpoints import failpoint
from event_runtime.faults import Fault
from event_runtime.health import Progress
from event_runtime.logs import get_logger
from event_runtime.outbox import Outbox
from event_runtime.retry import FaultClass, RetryPolicy, classify
from merge_engine import LargeMerges, Lease, LeaseLost, Step
from merge_worker.adapters.outcomes import Outcomes

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


class EndedRequests(Protocol):
    """Where requests stand open until the rows of their merge have moved."""

    def moved(self, connection: Connection, tenant_id: str, merge_id: str, at: datetime) -> None:
        """The rows of a merge have moved."""
        ...


class _Stopping(Fault):
    """The service stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveRows:
    """The loop. `count` hears how many rows each transaction moved; `owner` is how the lease names this process."""

    engine: Engine
    large: LargeMerges
    outbox: Outbox
    outcomes: Outcomes
    requests: EndedRequests
    clock: Callable[[Connection], datetime]
    count: Callable[[int], None]
    progress: Progress
    owner: str
    policy: MoverPolicy = field(default_factory=MoverPolicy)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    limits: TransactionLimits = field(default_factory=TransactionLimits)

    def run(self, stop: threading.Event) -> None:
        """Move whatever is there to move, until `stop` is set; the chunk in hand is finished first."""
        while not stop.is_set():
            try:
                lease = self._claim(stop)
                if lease is None:
                    stop.wait(self.policy.look_s)
                else:
                    self._carry(lease, stop)
            except _Stopping:
                return
            except Exception as fault:  # noqa: BLE001 - whatever is lacking, it waits and says so
                self.progress.waiting(describe(fault))
                _log.warning("mover_waits", exc_info=fault)
                stop.wait(self.retry.pause_wait_s)

    def _claim(self, stop: threading.Event) -> Lease | None:
        lease = self._transaction(stop, lambda connection: self.large.claim(connection, self.owner, self.policy.lease))
        self.progress.ready()
        return lease

    def _carry(self, lease: Lease, stop: threading.Event) -> None:
        """Move one merge to its end, or for as long as nothing is in the way."""
        try:
            ended = False
            while not ended and not stop.is_set():
                started_s = time.monotonic()
                ended = self._advance(lease, stop)
                self.progress.ready()
                stop.wait(self.policy.rest_s(time.monotonic() - started_s))
            if not ended:
                self._release(stop, lease, timedelta(0), None)
        except LeaseLost:
            _log.info("large_merge_taken_over", merge_id=lease.merge_id)
        except _Stopping:
            raise
        except Exception as fault:  # noqa: BLE001 - told, kept with the merge, and tried again later
            locked = classify(fault) is FaultClass.CONTENTION
            tell = _log.info if locked else _log.error
            tell("large_merge_put_off", merge_id=lease.merge_id, exc_info=fault)
            self._release(stop, lease, _PUT_OFF_LOCKED if locked else self.policy.put_off, describe(fault))

    def _advance(self, lease: Lease, stop: threading.Event) -> bool:
        """Move a chunk; when none is left, what came later; True when the merge has come to its end."""
        step = self._transaction(stop, lambda connection: self._move(connection, lease))
        if step.chunk:
            failpoint("after_chunk_commit")
            self.count(step.rows)
            return False
        if step.merge.listed:
            done = self._transaction(stop, lambda connection: self._finish(connection, lease))
            if done is not None:
                self.count(done.rows)
                _log.info("large_merge_complete", merge_id=lease.merge_id, rows=done.merge.rows_moved)
                return True
        listing = replace(self.limits, statement_ms=int(self.policy.listing_timeout_s * 1_000))
        listed = self._transaction(stop, lambda connection: self._list(connection, lease), listing)
        _log.info("large_merge_listed", merge_id=lease.merge_id, rows=listed.merge.rows_total)
        return False

    def _list(self, connection: Connection, lease: Lease) -> Step:
        step = self.large.list_rows(connection, lease, chunk_rows=self.policy.chunk_rows)
        failpoint("before_listing_commit")
        return step

    def _move(self, connection: Connection, lease: Lease) -> Step:
        step = self.large.move_chunk(connection, lease, notice_every=self.policy.notice_every)
        if step.notice is not None:
            self.outbox.append(connection, [self.outcomes.progressed(step.merge, step.notice)])
        if step.chunk:
            failpoint("before_chunk_commit")
        return step

    def _finish(self, connection: Connection, lease: Lease) -> Step | None:
        step = self.large.finish(connection, lease, chunk_rows=self.policy.chunk_rows)
        if step is not None:
            self.requests.moved(connection, step.merge.tenant_id, step.merge.merge_id, self.clock(connection))
            failpoint("before_rows_moved")
            self.outbox.append(connection, [self.outcomes.rows_moved(step.merge)])
        return step

    def _release(self, stop: threading.Event, lease: Lease, after: timedelta, problem: str | None) -> None:
        self._transaction(stop, lambda connection: self.large.release(connection, lease, after=after, problem=problem))

    def _transaction(
        self, stop: threading.Event, act: Callable[[Connection], _T], limits: TransactionLimits | None = None
    ) -> _T:
        """Run `act` in a transaction: again, when others were in the way, and for as long as the server is away."""

        def attempt() -> _T:
            with self.engine.begin() as connection:
                (limits or self.limits).apply(connection)
                return act(connection)

        def wait(seconds: float) -> None:
            if stop.wait(seconds):
                raise _Stopping("the service stops")

        return self.retry.retrying(sleep=wait, before_wait=self._say_waiting)(attempt)

    def _say_waiting(self, kind: FaultClass, fault: BaseException) -> None:
        self.progress.beat()
        if kind is FaultClass.PAUSE:
            raise fault  # it may lack a right on a table of this merge's only; others go on meanwhile
        if kind is FaultClass.RECONNECT:
            self.progress.waiting(f"the database: {describe(fault)}")
