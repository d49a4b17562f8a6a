"""The rows of large merges follow in chunks: listed once, then moved chunk by chunk, and at last the latecomers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from event_runtime.batch import TransactionLimits
from event_runtime.failpoints import failpoint
from event_runtime.logs import get_logger
from event_runtime.outbox import Outbox
from merge_engine import LargeMerges, Lease, Step
from merge_worker.adapters.outcomes import Outcomes
from merge_worker.adapters.requests import Requests
from merge_worker.application.move_rows import MoverPolicy, Run

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowingRows:
    """Work for the mover. `count` hears how many rows each transaction moved."""

    large: LargeMerges
    outbox: Outbox
    outcomes: Outcomes
    requests: Requests
    clock: Callable[[Connection], datetime]
    count: Callable[[int], None]
    policy: MoverPolicy

    def claim(self, connection: Connection, owner: str, lasts: timedelta) -> Lease | None:
        """Take over the oldest merge that nobody is moving."""
        return self.large.claim(connection, owner, lasts)

    def release(self, connection: Connection, lease: Lease, *, after: timedelta, problem: str | None) -> None:
        """Let another mover have the merge."""
        self.large.release(connection, lease, after=after, problem=problem)

    def advance(self, run: Run, lease: Lease) -> bool:
        """Move a chunk; when none is left, what came later; True when the merge has come to its end."""
        step = run(lambda connection: self._move(connection, lease))
        if step.chunk:
            failpoint("after_chunk_commit")
            self.count(step.rows)
            return False
        if step.merge.listed:
            done = run(lambda connection: self._finish(connection, lease))
            if done is not None:
                self.count(done.rows)
                _log.info("large_merge_complete", merge_id=lease.merge_id, rows=done.merge.rows_moved)
                return True
        listing = TransactionLimits(statement_ms=int(self.policy.listing_timeout_s * 1_000))
        listed = run(lambda connection: self._list(connection, lease), listing)
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
            merge = step.merge
            self.requests.merge_came_to(connection, merge.tenant_id, merge.merge_id, "merged", self.clock(connection))
            failpoint("before_rows_moved")
            self.outbox.append(connection, [self.outcomes.rows_moved(merge)])
        return step
