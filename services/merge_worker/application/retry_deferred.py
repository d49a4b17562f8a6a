"""Deferred commands come back here: tried again when they are due, one leader at a time.

Also looks at recommendations again, which expire or find their customers merged by somebody else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

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
from merge_worker.application.handle_commands import database_refused
from merge_worker.application.merge_customers import Attempt, MergeCustomers
from merge_worker.application.recommend_merge import RecommendMerge

# Held to the end of the transaction, so a leader that dies lets go of it with its connection.
_LEAD = text("SELECT pg_try_advisory_xact_lock(hashtext('customer-merge merge scheduler'))")

_LIMITS = text(
    "SELECT set_config('lock_timeout', '5s', true), set_config('statement_timeout', '10s', true),"
    " set_config('idle_in_transaction_session_timeout', '10s', true)"
)

_ITS_OWN_FAULT = {FaultClass.DATA, FaultClass.STALE, FaultClass.BUG}

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
    batch: int = 100

    def work(self) -> None:
        """Try everything that is due. Does nothing while another process leads.

        Faults that others cause (locks, a server that is away) are raised: the caller comes again.
        """
        while self._round() == self.batch:
            pass

    def _round(self) -> int:
        try:
            return self._in_transaction(self.batch, self._try_again)
        except Exception as fault:
            if classify(fault) not in _ITS_OWN_FAULT:
                raise
            _log.info("deferred commands are tried one by one", exc_info=fault)
        # One of them makes the transaction fail. The one longest due passes alone or ends, and the next
        # round goes on with the others.
        try:
            return self._in_transaction(1, self._try_again)
        except Exception as fault:
            if classify(fault) not in _ITS_OWN_FAULT:
                raise
            _log.warning("a deferred command cannot be carried out", exc_info=fault)
            act = self._try_later if classify(fault) is FaultClass.BUG else self._refusing(sqlstate(fault))
        return self._in_transaction(1, act)

    def _in_transaction(self, limit: int, act: Act) -> int:
        with self.engine.begin() as connection:
            connection.execute(_LIMITS)
            if not connection.execute(_LEAD).scalar_one():
                return 0
            due = self.requests.due(connection, limit)
            if due:
                drafts = act(connection, due, self.clock(connection))
                failpoint("before_deferred_append")
                self.outbox.append(connection, drafts)
                self.count(connection, drafts, 0)
            return len(due)

    def _try_again(self, connection: Connection, due: Sequence[Request], now: datetime) -> list[Draft]:
        drafts: list[Draft] = []
        attempts: list[Attempt] = []
        for request in due:
            command = waiting_command(request)
            if request.status == "recommended":
                drafts.extend(self.recommend.look_again_at(connection, request, now))
            elif isinstance(command, MergeCommand):
                attempts.append(Attempt(command=command, request=request))
        return drafts + self.merge.attempt(connection, attempts, now)

    def _refusing(self, code: str | None) -> Act:
        def refuse(connection: Connection, due: Sequence[Request], now: datetime) -> list[Draft]:
            drafts: list[Draft] = []
            for request in due:
                command = waiting_command(request)
                if isinstance(command, MergeCommand):
                    attempt = Attempt(command=command, request=request)
                    errors = [database_refused(code)]
                    drafts.extend(self.merge.reject(connection, attempt, Stage.EXECUTION, errors, now))
            return drafts

        return refuse

    def _try_later(self, connection: Connection, due: Sequence[Request], now: datetime) -> list[Draft]:
        # An error of this program must not keep the others waiting, and is not the command's outcome.
        self.requests.save(connection, [replace(one, next_attempt_at=now + self.put_off) for one in due])
        return []
