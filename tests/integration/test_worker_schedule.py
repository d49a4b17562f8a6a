"""The worker's schedule on a real database, with a clock in the test's hand: what is called up, once, and by whom."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
from sqlalchemy import Engine, text

from event_runtime.database import create_engine
from merge_worker.__main__ import main
from merge_worker.adapters.requests import Requests
from merge_worker.adapters.schedules import Schedules
from merge_worker.application.run_schedule import RunSchedule
from merge_worker.application.timetable import cron_times
from rig.fixtures import Migrated
from rig.in_process import run_here

START = datetime(2025, 3, 1, 12, tzinfo=UTC)
NIGHT = datetime(2025, 3, 2, 2, tzinfo=UTC)
FAR = datetime(2030, 1, 1, tzinfo=UTC)


class Clockwork:
    """Schedules on one database; every worker of it reads the same clock."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine: Engine = create_engine(url)
        self.now = START

    def worker(self, crons: str = "0 2 * * *") -> RunSchedule:
        return RunSchedule(
            engine=self.engine,
            crons=cron_times(crons, "UTC"),
            schedules=Schedules(),
            requests=Requests(),
            clock=lambda _connection: self.now,
            catch_up=timedelta(hours=1),
        )

    def sql(self, statement: str, **values: object) -> list[tuple[object, ...]]:
        with self.engine.begin() as connection:
            result = connection.execute(text(statement), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    def request(self, command_id: str, status: str, *waiting_for: str, tenant_id: str = "shop") -> None:
        self.sql(
            "INSERT INTO merge.requests (tenant_id, request_id, command_id, command_type, command, status,"
            " customer_ids, requested_by, waiting_for, next_attempt_at, created_at, updated_at)"
            " VALUES (:tenant, gen_random_uuid(), :id, 'MergeCustomers', '{}', :status, ARRAY['a', 'b'], 'ann',"
            " :waiting_for, :far, :start, :start)",
            tenant=tenant_id,
            id=command_id,
            status=status,
            waiting_for=list(waiting_for),
            far=FAR,
            start=START,
        )

    def called_up(self) -> list[object]:
        rows = self.sql("SELECT command_id FROM merge.requests WHERE next_attempt_at < :far ORDER BY 1", far=FAR)
        return [command_id for (command_id,) in rows]

    def runs(self) -> list[tuple[object, ...]]:
        return self.sql("SELECT due_at, run_by, requests FROM merge.schedule_runs ORDER BY run_id")


@pytest.fixture
def clockwork(migrated: Migrated) -> Iterator[Clockwork]:
    made = Clockwork(migrated("merge_worker"))
    yield made
    made.engine.dispose()


def test_at_its_time_everything_approved_and_deferred_is_called_up(clockwork: Clockwork) -> None:
    clockwork.request("approved", "approved", "after_command_id")
    clockwork.request("deferred", "deferred", "OPEN_SALES_ORDERS")
    clockwork.request("recommended", "recommended")
    clockwork.request("over", "rejected")
    worker = clockwork.worker()
    worker.work()
    clockwork.now = NIGHT - timedelta(seconds=1)
    worker.work()
    assert clockwork.called_up() == []
    clockwork.now = NIGHT
    worker.work()
    assert clockwork.called_up() == ["approved", "deferred"]
    assert clockwork.runs() == [(NIGHT, "schedule", 2)]


def test_what_waits_for_a_time_of_its_own_is_not_called_up_before_it(clockwork: Clockwork) -> None:
    clockwork.request("tomorrow", "approved", "not_before")
    worker = clockwork.worker()
    worker.work()
    clockwork.now = NIGHT
    worker.work()
    assert clockwork.called_up() == []


def test_each_time_is_carried_out_once_whoever_looks(clockwork: Clockwork) -> None:
    first, second = clockwork.worker(), clockwork.worker()
    first.work()
    clockwork.now = NIGHT + timedelta(seconds=1)
    for worker in (first, second, first):
        worker.work()
    assert [due_at for due_at, *_ in clockwork.runs()] == [NIGHT]


def test_only_one_worker_leads_and_the_others_do_not_wait_for_it(clockwork: Clockwork) -> None:
    clockwork.worker().work()
    clockwork.now = NIGHT
    with clockwork.engine.begin() as leader:
        leader.execute(text("SELECT pg_advisory_xact_lock(hashtext('customer-merge merge schedule'))"))
        clockwork.worker().work()
        assert clockwork.runs() == []
    clockwork.worker().work()
    assert [due_at for due_at, *_ in clockwork.runs()] == [NIGHT]


def test_a_leader_that_fails_leaves_the_time_to_the_next_one(clockwork: Clockwork) -> None:
    clockwork.request("deferred", "deferred", "OPEN_SALES_ORDERS")
    clockwork.worker().work()
    clockwork.now = NIGHT
    with patch.object(Schedules, "record", side_effect=RuntimeError("dies")), pytest.raises(RuntimeError):
        clockwork.worker().work()
    assert clockwork.called_up() == []
    clockwork.worker().work()
    assert clockwork.called_up() == ["deferred"]


def test_a_time_that_nobody_was_there_for_is_made_up_for_if_it_was_lately_and_noted_if_not(
    clockwork: Clockwork,
) -> None:
    clockwork.request("deferred", "deferred", "OPEN_SALES_ORDERS")
    clockwork.worker().work()
    clockwork.now = NIGHT + timedelta(hours=5)
    clockwork.worker().work()
    assert clockwork.called_up() == []
    clockwork.now = NIGHT + timedelta(days=3, minutes=20)
    clockwork.worker().work()
    assert clockwork.called_up() == ["deferred"]
    assert clockwork.runs() == [(NIGHT, "schedule", None), (NIGHT + timedelta(days=3), "schedule", 1)]


def test_several_times_are_kept_apart(clockwork: Clockwork) -> None:
    worker = clockwork.worker("0 2 * * *; 30 13 * * *")
    worker.work()
    clockwork.now = START.replace(hour=13, minute=30)
    worker.work()
    clockwork.now = NIGHT
    worker.work()
    assert [due_at for due_at, *_ in clockwork.runs()] == [START.replace(hour=13, minute=30), NIGHT]
    assert clockwork.sql("SELECT cron, next_at FROM merge.schedules ORDER BY 1") == [
        ("0 2 * * *", NIGHT + timedelta(days=1)),
        ("30 13 * * *", START.replace(hour=13, minute=30) + timedelta(days=1)),
    ]


def test_the_command_line_lists_the_schedule_and_has_everything_tried_now(clockwork: Clockwork) -> None:
    clockwork.request("here", "deferred", "OPEN_SALES_ORDERS")
    clockwork.request("elsewhere", "deferred", "OPEN_SALES_ORDERS", tenant_id="other")
    environment = {
        "MERGE_WORKER_DATABASE__URL": clockwork.url,
        "MERGE_WORKER_SCHEDULE__MERGE_AT": "0 2 * * *",
        "MERGE_WORKER_SCHEDULE__TIME_ZONE": "Europe/London",
    }
    ran = run_here(main, ["schedule", "run", "--tenant", "shop", "--by", "ann", "--json"], environment)
    assert (ran.status, ran.json) == (0, {"requests": 1})
    assert clockwork.called_up() == ["here"]
    told = run_here(main, ["schedule", "list", "--json"], environment).json
    assert [(one["cron"], one["time_zone"]) for one in told["schedule"]] == [("0 2 * * *", "Europe/London")]
    assert told["waiting"] == {"approved": 0, "deferred": 2}
    assert [(one["run_by"], one["requests"]) for one in told["runs"]] == [("ann", 1)]
