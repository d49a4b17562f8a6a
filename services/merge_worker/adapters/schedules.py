"""Tables merge.schedules and merge.schedule_runs: the cron times, which of them are done, and what each run did."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from merge_worker.application.timetable import CronTime

_HANDLED = text("SELECT handled_at FROM merge.schedules WHERE cron = :cron AND time_zone = :time_zone")
_HANDLE = text(
    """
    INSERT INTO merge.schedules (cron, time_zone, handled_at, next_at)
    VALUES (:cron, :time_zone, :handled_at, :next_at)
    ON CONFLICT (cron, time_zone) DO UPDATE SET handled_at = excluded.handled_at, next_at = excluded.next_at
    """
)
_RECORD = text(
    """
    INSERT INTO merge.schedule_runs (cron, time_zone, due_at, run_by, requests)
    VALUES (:cron, :time_zone, :due_at, :run_by, :requests)
    """
)
_LAST = text(
    """
    SELECT cron, time_zone, due_at, run_by, requests, run_at FROM merge.schedule_runs
     ORDER BY run_id DESC LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRun:
    """One run. `cron` is None for one that a person asked for; `requests` is None for a time that was missed."""

    cron: str | None
    time_zone: str | None
    due_at: datetime
    run_by: str
    requests: int | None
    run_at: datetime


class Schedules:
    """Every method runs in the caller's transaction."""

    def handled_at(self, connection: Connection, cron: CronTime) -> datetime | None:
        """The newest time of a schedule that is done; None for one that was never seen."""
        handled: datetime | None = connection.execute(_HANDLED, _names(cron)).scalar_one_or_none()
        return handled

    def handle(self, connection: Connection, cron: CronTime, *, handled_at: datetime, next_at: datetime | None) -> None:
        """Note that a schedule is done up to a time, and when it comes next."""
        connection.execute(_HANDLE, {**_names(cron), "handled_at": handled_at, "next_at": next_at})

    def record(
        self, connection: Connection, cron: CronTime | None, *, at: datetime, by: str, requests: int | None
    ) -> None:
        """Keep what a run did."""
        names = {"cron": None, "time_zone": None} if cron is None else _names(cron)
        connection.execute(_RECORD, {**names, "due_at": at, "run_by": by, "requests": requests})

    def last_runs(self, connection: Connection, limit: int) -> list[ScheduleRun]:
        """The newest runs first."""
        return [ScheduleRun(**row) for row in connection.execute(_LAST, {"limit": limit}).mappings()]


def _names(cron: CronTime) -> dict[str, str]:
    return {"cron": cron.expression, "time_zone": cron.time_zone}
