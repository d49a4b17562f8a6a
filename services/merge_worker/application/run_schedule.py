"""At its cron times everything on the list that is approved or waits is called up: it is tried at once.

Whether a merge may run is decided where every merge is decided, under lock by the plan's rules: what fails only
temporary rules, a month-end blackout among them, waits on, and the rest ends. A time is noted in the transaction that
calls up, so however many workers there are, and whenever one dies, each time is carried out once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, text

from event_runtime.logs import get_logger
from merge_worker.adapters.requests import Requests
from merge_worker.adapters.schedules import Schedules
from merge_worker.application.timetable import CronTime, due

# Held to the end of the transaction, so a leader that dies lets go of it with its connection.
_LEAD = text("SELECT pg_try_advisory_xact_lock(hashtext('customer-merge merge schedule'))")

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSchedule:
    """The use case."""

    engine: Engine
    crons: Sequence[CronTime]
    schedules: Schedules
    requests: Requests
    clock: Callable[[Connection], datetime]
    catch_up: timedelta

    def work(self) -> None:
        """Call up what waits if a time has come since the last one. Does nothing while another process leads."""
        if not self.crons:
            return
        with self.engine.begin() as connection:
            if connection.execute(_LEAD).scalar_one():
                now = self.clock(connection)
                for cron in self.crons:
                    self._look(connection, cron, now)

    def now(self, connection: Connection, by: str, tenant_id: str | None = None) -> int:
        """Call up what waits because somebody says so; returns how many requests, of one tenant or of all."""
        now = self.clock(connection)
        called = self.requests.call_up(connection, now, tenant_id)
        self.schedules.record(connection, None, at=now, by=by, requests=called)
        return called

    def _look(self, connection: Connection, cron: CronTime, now: datetime) -> None:
        handled = self.schedules.handled_at(connection, cron)
        if handled is None:
            # A schedule begins when it is first seen: what lies before was never promised.
            self.schedules.handle(connection, cron, handled_at=now, next_at=cron.next_after(now))
            return
        came = due(cron, handled=handled, now=now, catch_up=self.catch_up)
        if came is None:
            return
        called = None if came.missed else self.requests.call_up(connection, now)
        self.schedules.record(connection, cron, at=came.at, by="schedule", requests=called)
        self.schedules.handle(connection, cron, handled_at=came.at, next_at=cron.next_after(now))
        _log.info("schedule_ran", cron=cron.expression, due_at=came.at.isoformat(), requests=called, missed=came.missed)
