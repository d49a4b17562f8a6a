"""Cron times: when they come, which of them counts after an outage, and what cannot be read."""

from datetime import UTC, datetime, timedelta

import pytest

from event_runtime.faults import SettingError
from merge_worker.application.timetable import CronError, CronTime, Due, cron_time, cron_times, due
from merge_worker.settings import MergeWorkerSettings

NIGHTLY = cron_time("0 2 * * *", "UTC")
HOUR = timedelta(hours=1)


def _at(day: int, hour: int, minute: int = 0, *, month: int = 3) -> datetime:
    return datetime(2025, month, day, hour, minute, tzinfo=UTC)


def test_the_next_time_lies_after_the_moment_and_the_last_one_at_or_before_it() -> None:
    assert NIGHTLY.next_after(_at(1, 2)) == _at(2, 2)
    assert NIGHTLY.last_until(_at(1, 2)) == _at(1, 2)
    assert NIGHTLY.last_until(_at(1, 1, 59)) == datetime(2025, 2, 28, 2, tzinfo=UTC)
    assert NIGHTLY.last_until(_at(1, 2).replace(microsecond=7)) == _at(1, 2)


def test_a_time_zone_moves_with_daylight_saving() -> None:
    london = cron_time("0 2 * * *", "Europe/London")
    assert london.next_after(_at(28, 12)) == _at(29, 2)
    assert london.next_after(_at(30, 12)) == _at(31, 1)


def test_a_time_that_the_clock_jumps_over_comes_right_after_the_jump_and_one_it_passes_twice_comes_once() -> None:
    berlin = cron_time("30 2 * * *", "Europe/Berlin")
    assert berlin.next_after(_at(29, 12)) == _at(30, 1)  # 02:30 does not exist that day: 03:00 in Berlin
    first = berlin.next_after(_at(25, 12, month=10))
    assert first == _at(26, 0, 30, month=10)
    assert berlin.next_after(first) == _at(27, 1, 30, month=10)


def test_a_time_is_due_once() -> None:
    assert due(NIGHTLY, handled=_at(1, 2), now=_at(2, 1, 59), catch_up=HOUR) is None
    assert due(NIGHTLY, handled=_at(1, 2), now=_at(2, 2), catch_up=HOUR) == Due(at=_at(2, 2), missed=False)
    assert due(NIGHTLY, handled=_at(2, 2), now=_at(2, 2, 1), catch_up=HOUR) is None


def test_after_an_outage_only_the_newest_time_counts_and_one_too_long_ago_is_missed() -> None:
    assert due(NIGHTLY, handled=_at(1, 2), now=_at(9, 2, 30), catch_up=HOUR) == Due(at=_at(9, 2), missed=False)
    assert due(NIGHTLY, handled=_at(1, 2), now=_at(9, 3, 1), catch_up=HOUR) == Due(at=_at(9, 2), missed=True)


def test_several_expressions_are_separated_by_semicolons() -> None:
    assert cron_times(" 0,30 2 * * * ;30  12 * * MON-FRI;", "UTC") == (
        CronTime(expression="0,30 2 * * *", time_zone="UTC"),
        CronTime(expression="30 12 * * MON-FRI", time_zone="UTC"),
    )
    assert cron_times("", "UTC") == ()


@pytest.mark.parametrize(
    ("expression", "zone", "said"),
    [
        ("0 2 * *", "UTC", "has 4 fields"),
        ("0 0 2 * * *", "UTC", "has 6 fields"),
        ("61 2 * * *", "UTC", "minute"),
        ("0 2 30 2 *", "UTC", "day-of-month"),
        ("0 2 * * *", "Europe/Londn", "no time zone 'Europe/Londn'"),
        ("0 2 * * *", "../../etc/passwd", "no time zone"),
    ],
)
def test_what_cannot_be_read_is_said(expression: str, zone: str, said: str) -> None:
    with pytest.raises(CronError, match=said):
        cron_time(expression, zone)


def test_a_wrong_schedule_stops_the_worker_in_one_line_that_names_the_setting() -> None:
    with pytest.raises(SettingError, match=r"MERGE_WORKER_SCHEDULE.*has 2 fields"):
        MergeWorkerSettings.load({"MERGE_WORKER_SCHEDULE__MERGE_AT": "0 2"})
