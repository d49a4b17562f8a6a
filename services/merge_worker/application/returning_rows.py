"""The rows of large merges go back in chunks when the merge is taken apart, and the rest of it at their end."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from customer_identity.merging import RuleFailure, Side, Unmerged
from event_runtime.database import sqlstate
from event_runtime.failpoints import failpoint
from event_runtime.logs import get_logger
from event_runtime.outbox import Draft, Outbox
from event_runtime.retry import FaultClass, classify
from merge_engine import LargeUnmerges, Lease, LeaseLost, ReturnStep
from merge_worker.application.handle_commands import database_refused
from merge_worker.application.move_rows import MoverPolicy, Run
from merge_worker.application.unmerge_customers import UnmergeCustomers

_log = get_logger(__name__)
_TRIES = 3  # of an end that the program itself fails at; the customers are locked up until it has ended


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturningRows:
    """Work for the mover. `unmerge` ends the commands.

    `count_rows` hears how many rows each transaction moved, `count` what becomes of a command.
    """

    unmerges: LargeUnmerges
    unmerge: UnmergeCustomers
    outbox: Outbox
    clock: Callable[[Connection], datetime]
    count_rows: Callable[[int], None]
    count: Callable[[Connection, Sequence[Draft], int], None]
    policy: MoverPolicy
    failed: Counter[str] = field(default_factory=Counter)

    def claim(self, connection: Connection, owner: str, lasts: timedelta) -> Lease | None:
        """Take over the oldest undo that nobody works on."""
        return self.unmerges.claim(connection, owner, lasts)

    def release(self, connection: Connection, lease: Lease, *, after: timedelta, problem: str | None) -> None:
        """Let another mover have it."""
        self.unmerges.release(connection, lease, after=after, problem=problem)

    def advance(self, run: Run, lease: Lease) -> bool:
        """Bring a chunk back; when none is left, take the merge apart; True when it has come to its end.

        What the database refuses for good ends the command, and so does an end that fails time after time; but first
        its rows go to the winner again.
        """
        try:
            step = run(lambda connection: self._move(connection, lease))
            if step.line:
                failpoint("after_return_commit")
                self.count_rows(step.rows)
                return False
            return self._end(run, lease)
        except Exception as fault:
            if not self._is_final(fault, lease):
                raise
            _log.warning("large_unmerge_refused", merge_id=lease.merge_id, exc_info=fault)
            refusal = _refusal(sqlstate(fault))
            if not run(lambda connection: self.unmerges.refuse(connection, lease, refusal)):
                raise
            self.failed.pop(lease.key, None)
        return False

    def _end(self, run: Run, lease: Lease) -> bool:
        try:
            return run(lambda connection: self._finish(connection, lease))
        except Exception as fault:
            if classify(fault) is FaultClass.BUG and not isinstance(fault, LeaseLost):
                self.failed[lease.key] += 1
            raise

    def _is_final(self, fault: Exception, lease: Lease) -> bool:
        kind = classify(fault)
        often = kind is FaultClass.BUG and self.failed[lease.key] >= _TRIES
        return often or kind in {FaultClass.DATA, FaultClass.STALE}

    def _move(self, connection: Connection, lease: Lease) -> ReturnStep:
        step = self.unmerges.move_chunk(connection, lease, notice_every=self.policy.notice_every)
        if step.notice is not None:
            self.outbox.append(connection, [self.unmerge.outcomes.progressed(step.merge, step.notice)])
        if step.line:
            failpoint("before_return_commit")
        return step

    def _finish(self, connection: Connection, lease: Lease) -> bool:
        result = self.unmerges.finish(connection, lease)
        if result is None:
            return False
        if not isinstance(result, Unmerged):
            self.unmerge.requests.merge_came_to(
                connection, result.order.tenant_id, lease.merge_id, "merged", self.clock(connection)
            )
        drafts = self.unmerge.conclude(connection, result, self.clock(connection))
        failpoint("before_unmerged")
        self.outbox.append(connection, drafts)
        self.count(connection, drafts, 0)
        return True


def _refusal(state: str | None) -> RuleFailure:
    error = database_refused(state)
    return RuleFailure(
        rule=error.rule,
        side=Side.SYSTEM,
        customer_ids=(),
        field=None,
        message=error.message,
        remediation=error.remediation,
        permanent=error.permanent,
    )
