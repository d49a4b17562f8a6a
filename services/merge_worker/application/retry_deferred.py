"""Deferred commands come back here: tried again when they are due, one leader at a time.

Also looks at recommendations again, which expire or find their customers merged by somebody else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection, Engine, text

from customer_events import MergeCustomers as MergeCommand
from customer_events import Stage
from event_runtime.database import sqlstate
from event_runtime.failpoints import failpoint
from event_runtime.logs import get_logger
from event_runtime.outbox import Draft, Outbox
from event_runtime.retry import FaultClass, classify
from merge_worker.adapters.commands import waiting_command
from merge_worker.adapters.requests import Request, Requests
from merge_worker.application.deferral import AFTER_COMMAND, TOO_LARGE
from merge_worker.application.handle_commands import database_refused, in_the_way, not_tellable
from merge_worker.application.merge_customers import Attempt, MergeCustomers
from merge_worker.application.recommend_merge import RecommendMerge

# Held to the end of the transaction, so a leader that dies lets go of it with its connection.
_LEAD = text("SELECT pg_try_advisory_xact_lock(hashtext('customer-merge merge scheduler'))")

_LIMITS = text(
    "SELECT set_config('lock_timeout', '5s', true), set_config('statement_timeout', '10s', true),"
    " set_config('idle_in_transaction_session_timeout', '10s', true)"
)

_NOBODYS_COMMAND = {FaultClass.RECONNECT, FaultClass.PAUSE}

T = TypeVar("T")
Act = Callable[[Connection, Sequence[Request], datetime], list[Draft]]

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDeferred:
    """The scheduler. It takes at most `batch` requests into a transaction."""

    engine: Engine
    outbox: Outbox
    requests: Requests
    merge: MergeCustomers
    recommend: RecommendMerge
    clock: Callable[[Connection], datetime]
    count: Callable[[Connection, Sequence[Draft], int], None]
    put_off: timedelta = timedelta(minutes=5)
    put_off_locked: timedelta = timedelta(seconds=5)
    just_merged: timedelta = timedelta(seconds=30)
    batch: int = 100

    def work(self) -> None:
        """Try everything that is due. Does nothing while another process leads.

        Faults of a server that is away are raised: the caller comes again.
        """
        self._in_lead(lambda connection: self.requests.wake_recommendations(connection, self.just_merged))
        while self._round() == self.batch:
            pass

    def _round(self) -> int:
        try:
            return self._in_transaction(self.batch, self._try_again)
        except Exception as fault:
            if classify(fault) in _NOBODYS_COMMAND:
                raise
            _log.info("deferred_commands_are_tried_one_by_one", exc_info=fault)
        # One of them makes the transaction fail. Alone, the one longest due passes, ends, or comes later, and is out of
        # the way of the next.
        tried = 0
        while tried < self.batch and self._one():
            tried += 1
        return tried

    def _one(self) -> int:
        """Try what is due longest, alone; what it fails with is dealt with in a transaction of its own."""
        tried: list[Request] = []

        def attempt(connection: Connection, due: Sequence[Request], now: datetime) -> list[Draft]:
            tried.extend(due)
            return self._try_again(connection, due, now)

        try:
            return self._in_transaction(1, attempt)
        except Exception as fault:
            if not tried or classify(fault) in _NOBODYS_COMMAND:
                raise
            _log.warning("deferred_command_failed", fault_class=classify(fault).value, exc_info=fault)
            failed = fault  # the server may have ended that transaction with its connection

        def conclude(connection: Connection, due: Sequence[Request], now: datetime) -> list[Draft]:
            is_same = [(one.tenant_id, one.request_id) for one in due] == [(tried[0].tenant_id, tried[0].request_id)]
            return self._after(connection, due[0], failed, now) if is_same else []

        return self._in_transaction(1, conclude)

    def _in_transaction(self, limit: int, act: Act) -> int:
        def take(connection: Connection) -> int:
            due = self.requests.due(connection, limit)
            if due:
                drafts = act(connection, due, self.clock(connection))
                failpoint("before_deferred_append")
                self.outbox.append(connection, drafts)
                self.count(connection, drafts, 0)
            return len(due)

        return self._in_lead(take) or 0

    def _in_lead(self, act: Callable[[Connection], T]) -> T | None:
        """What `act` returns, inside a transaction; None while another process leads."""
        with self.engine.begin() as connection:
            connection.execute(_LIMITS)
            return act(connection) if connection.execute(_LEAD).scalar_one() else None

    def _try_again(self, connection: Connection, due: Sequence[Request], now: datetime) -> list[Draft]:
        drafts: list[Draft] = []
        attempts: list[Attempt] = []
        for request in due:
            command = waiting_command(request)
            if request.is_recommendation:
                drafts.extend(self.recommend.look_again_at(connection, request, now))
            elif isinstance(command, MergeCommand):
                attempts.append(Attempt(command=command, request=request))
        return drafts + self.merge.attempt(connection, attempts, now)

    def _after(self, connection: Connection, request: Request, fault: Exception, now: datetime) -> list[Draft]:
        """What becomes of a command that failed alone."""
        kind, code, command = classify(fault), sqlstate(fault), waiting_command(request)
        if isinstance(command, MergeCommand):
            attempt = Attempt(command=command, request=request)
            untold = not_tellable(fault)
            if untold is not None or kind in {FaultClass.DATA, FaultClass.STALE}:
                return self.merge.reject(connection, attempt, Stage.EXECUTION, [untold or database_refused(code)], now)
            error = in_the_way(code)
            if kind is FaultClass.CONTENTION and error.rule == TOO_LARGE:
                # Nobody else is to blame for that: twice is enough.
                if request.waiting_for == (TOO_LARGE,):
                    return self.merge.reject(connection, attempt, Stage.EXECUTION, [error], now)
                return self.merge.put_off_one(connection, attempt, now, TOO_LARGE)
        # Locks that others hold, or an error of this program: neither is the command's outcome, and the
        # others must not wait for it.
        wait = self.put_off_locked if kind is FaultClass.CONTENTION else self.put_off
        # It no longer comes back early, or a command that was followed and has ended would bring it back at once.
        waiting_for = tuple(one for one in request.waiting_for if one != AFTER_COMMAND)
        self.requests.save(connection, [replace(request, next_attempt_at=now + wait, waiting_for=waiting_for)])
        return []
