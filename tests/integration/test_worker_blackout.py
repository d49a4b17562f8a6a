"""A month-end blackout stops every merge, whoever asked for it and whatever tries it."""

from importlib import resources
from pathlib import Path

import pytest

import customer_events as wire
from rig.merge_world import MergeWorld, merge
from rig.processes import eventually

QUICK = {"LOOP__SCHEDULE_S": "0.2"}
BLACKOUT = """
  - rule: SALES_PERIOD_MONTH_END_OVERLAP
    flag: {table: store.system_state, where: {month_end: true}}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """The default plan with a state of the system in which nothing is merged."""
    text = (resources.files("merge_engine") / "plans" / "default.yaml").read_text(encoding="utf-8")
    path = tmp_path / "plan.yaml"
    path.write_text(text.replace("\nrules:", f"\nrules:{BLACKOUT.rstrip()}", 1))
    return path


def test_a_blackout_stops_manual_and_scheduled_merges_alike_until_it_is_over(world: MergeWorld, plan: Path):
    world.sql("CREATE TABLE store.system_state (month_end boolean NOT NULL)")
    world.sql("INSERT INTO store.system_state VALUES (true)")
    world.customers("a", "b", "c", "d")
    world.produce(merge("now", "a", "b"), merge("waits", "c", "d", on_ineligible=wire.OnIneligible.WAIT))
    world.worker(**QUICK, PLAN=str(plan))
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
