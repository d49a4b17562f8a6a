"""A month-end blackout stops every merge, whoever asked for it and whatever tries it."""

from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import customer_events as wire
from rig.merge_world import MergeWorld, merge
from rig.processes import eventually

QUICK = {"LOOP__SCHEDULE_S": "0.2"}
BLACKOUT = """
  - rule: SALES_PERIOD_MONTH_END_OVERLAP
    flag: {table: store.system_state, where: {month_end: true}}
"""


CALENDAR = """
  - {rule: SALES_PERIOD_MONTH_END_OVERLAP, calendar: {last_days: 2, first_days: 1, time_zone: UTC}}
"""


def _plan(directory: Path, rule: str) -> str:
    """The default plan with a rule by which nothing is merged at times."""
    text = (resources.files("merge_engine") / "plans" / "default.yaml").read_text(encoding="utf-8")
    path = directory / "plan.yaml"
    path.write_text(text.replace("\nrules:", f"\nrules:{rule.rstrip()}", 1))
    return str(path)


class Clock:
    """The database's clock, which is the worker's, for sessions that begin from now on: it runs, from any moment."""

    def __init__(self, world: MergeWorld, at: str) -> None:
        self._world = world
        world.sql("CREATE SCHEMA clock")
        world.sql("CREATE TABLE clock.ahead (by interval)")
        world.sql("INSERT INTO clock.ahead VALUES ('0')")
        world.sql(
            "CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql"
            " AS 'SELECT pg_catalog.clock_timestamp() + by FROM clock.ahead'"
        )
        self.set(at)
        name = world.engine.url.database
        world.sql(f'ALTER DATABASE "{name}" SET search_path = clock, pg_catalog')  # by itself pg_catalog would be first

    def set(self, at: str) -> None:
        self._world.sql("UPDATE clock.ahead SET by = CAST(:at AS timestamptz) - pg_catalog.clock_timestamp()", at=at)


def test_a_blackout_stops_manual_and_scheduled_merges_alike_until_it_is_over(world: MergeWorld, tmp_path: Path) -> None:
    world.sql("CREATE TABLE store.system_state (month_end boolean NOT NULL)")
    world.sql("INSERT INTO store.system_state VALUES (true)")
    world.customers("a", "b", "c", "d")
    world.produce(merge("now", "a", "b"), merge("waits", "c", "d", on_ineligible=wire.OnIneligible.WAIT))
    world.worker(**QUICK, PLAN=_plan(tmp_path, BLACKOUT))
    refused = world.terminal("now")
    assert [(one.rule, one.side, one.permanent) for one in refused.errors] == [
        ("SALES_PERIOD_MONTH_END_OVERLAP", wire.Side.SYSTEM, False)
    ]
    state = "SELECT status, waiting_for, attempts FROM merge.requests"
    eventually(lambda: world.sql(state))
    world.run("schedule", "run")
    eventually(lambda: world.sql(state)[0].attempts == 2)
    assert [tuple(row)[:2] for row in world.sql(state)] == [("deferred", ["SALES_PERIOD_MONTH_END_OVERLAP"])]
    assert world.canonical() == {}
    world.sql("UPDATE store.system_state SET month_end = false")
    world.run("schedule", "run")
    assert isinstance(world.terminal("waits"), wire.MergeCompleted)
    world.promises()


def test_at_the_end_of_a_month_the_calendar_closes_and_opens_again_by_itself(world: MergeWorld, tmp_path: Path) -> None:
    clock = Clock(world, "2026-03-29T23:59:00Z")
    world.customers(*"abcdef")
    world.worker(**QUICK, PLAN=_plan(tmp_path, CALENDAR), SCHEDULE__MERGE_AT="0 2 * * *")
    world.produce(merge("before", "a", "b"))
    assert isinstance(world.terminal("before"), wire.MergeCompleted)

    clock.set("2026-03-30T00:00:00Z")
    world.produce(merge("closed", "c", "d"), merge("waits", "e", "f", on_ineligible=wire.OnIneligible.WAIT))
    refused = world.terminal("closed")
    assert [(one.rule, one.permanent) for one in refused.errors] == [("SALES_PERIOD_MONTH_END_OVERLAP", False)]
    state = "SELECT status, attempts, next_attempt_at FROM merge.requests"
    (waiting,) = eventually(lambda: world.sql(state))
    assert (waiting.status, waiting.next_attempt_at) == ("deferred", datetime(2026, 4, 2, tzinfo=UTC))

    clock.set("2026-04-01T02:00:01Z")  # the schedule comes, and the calendar is stronger
    eventually(lambda: world.sql(state)[0].attempts > waiting.attempts)
    assert world.sql(state)[0].status == "deferred"
    clock.set("2026-04-01T23:59:59Z")
    assert world.canonical().keys() == {"b"}
    assert isinstance(world.terminal("waits"), wire.MergeCompleted)
    (merged,) = world.sql("SELECT merged_at FROM merge.merges WHERE command_id = 'waits'")
    assert merged.merged_at >= datetime(2026, 4, 2, tzinfo=UTC)
    world.promises()
