"""Whatever is merged, undone, converted, erased and written meanwhile: what the map and the rows promise."""

from collections.abc import Iterator
from secrets import randbits

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import Engine

from rig import databases, merge_world
from rig.undo_machine import UndoMachine
from rig.undo_plans import PLANS, PlanUnderTest

STEPS = 42
SHARDS = range(3)


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[Engine]:
    with databases.connected(*merge_world.PACKAGES) as engine:
        yield engine


def _run(database: Engine, plan: PlanUnderTest, *, number: int, histories: int, steps: int) -> None:
    # Without shrinking: a history of merges takes minutes to shrink, and its notes tell what happened.
    machine = seed(number)(type(f"Histories{number}", (UndoMachine,), {"engine": database, "plan": plan}))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=histories,
            stateful_step_count=steps,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
        _min_steps=steps,
    )


@pytest.mark.parametrize("number", SHARDS)
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_any_history_keeps_every_row_and_can_be_undone(database: Engine, plan: PlanUnderTest, number: int) -> None:
    _run(database, plan, number=number, histories=15 if plan.large else 25, steps=STEPS)


@pytest.mark.chaos
@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_any_long_history_keeps_every_row_and_can_be_undone(database: Engine, plan: PlanUnderTest) -> None:
    number = randbits(32)
    print(f"the seed of these histories: {number}")
    _run(database, plan, number=number, histories=300, steps=120)
