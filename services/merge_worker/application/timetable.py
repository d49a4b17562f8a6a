"""The cron times at which everything that waits is tried. Pure: the clock is handed in.

Times are read as Debian's cron reads them, daylight saving included: a time that the clock jumps over comes right
after the jump, one that it passes twice comes once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError


class CronError(ValueError):
    """A cron expression or a time zone that nobody can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CronTime:
    """One cron expression in a time zone. Make it with `cron_time`."""

    expression: str
    time_zone: str

    def next_after(self, moment: datetime) -> datetime | None:
        """The first time after `moment`; None when there never is one (30 February)."""
        return next(self._times(moment, backwards=False), None)

    def last_until(self, moment: datetime) -> datetime | None:
        """The last time at or before `moment`; None when there never was one."""
        # A search backwards leaves out its starting point unless that lies between two seconds.
        started = moment if moment.microsecond else moment + timedelta(microseconds=1)
        return next(self._times(started, backwards=True), None)

    def _times(self, moment: datetime, *, backwards: bool) -> Iterator[datetime]:
        times = CronSim(self.expression, moment.astimezone(ZoneInfo(self.time_zone)), reverse=backwards)
        return (time.astimezone(moment.tzinfo) for time in times)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A time that came. `missed` when nobody was there for so long that it is let go."""

    at: datetime
    missed: bool


def due(cron: CronTime, *, handled: datetime, now: datetime, catch_up: timedelta) -> Due | None:
    """Return the newest time after `handled` that has come, None when none has.

    Of several that nobody was there for only the newest counts, as one try of everything is enough; one that is older
    than `catch_up` is missed, or a merge planned for the night would run in the morning.
    """
    at = cron.last_until(now)
    if at is None or at <= handled:
        return None
    return Due(at=at, missed=now - at > catch_up)


def cron_time(expression: str, time_zone: str) -> CronTime:
    """Read an expression of five fields. Raises CronError.

    Six fields, with seconds, are not taken: no list of merges needs them, and a forgotten field would go unnoticed.
    """
    words = expression.split()
    if len(words) != 5:
        raise CronError(f"{expression!r} has {len(words)} fields, a cron expression has 5")
    try:
        ZoneInfo(time_zone)
    except (OSError, ValueError, KeyError) as fault:  # the last for a name that is well formed and unknown
        raise CronError(f"there is no time zone {time_zone!r}") from fault
    try:
        list(islice(CronSim(expression, datetime(2000, 1, 1)), 1))  # noqa: DTZ001 - only whether it can be read
    except CronSimError as fault:
        raise CronError(f"{expression!r}: {fault}") from fault
    return CronTime(expression=" ".join(words), time_zone=time_zone)


def cron_times(expressions: str, time_zone: str) -> tuple[CronTime, ...]:
    """Read expressions that a semicolon separates, as a comma may stand in one. Raises CronError."""
    return tuple(cron_time(part.strip(), time_zone) for part in expressions.split(";") if part.strip())
