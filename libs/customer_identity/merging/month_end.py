"""The days around the end of a month, in which periods are closed and nothing may merge."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo


def month_end_window(last_days: int, first_days: int, zone: tzinfo) -> Callable[[datetime], datetime | None]:
    """A function that answers when the window ends in which a moment lies; None outside of it.

    The window is the last days of every month and the first ones of the next, by the calendar of the zone: from
    midnight to midnight there, whatever its clocks do in between.
    """

    def end(now: datetime) -> datetime | None:
        today = now.astimezone(zone).replace(tzinfo=None)
        first = today.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        next_first = (first + timedelta(days=31)).replace(day=1)
        if today.day <= first_days:
            until = first + timedelta(days=first_days)
        elif today >= next_first - timedelta(days=last_days):
            until = next_first + timedelta(days=first_days)
        else:
            return None
        return until.replace(tzinfo=zone).astimezone(UTC)

    return end
