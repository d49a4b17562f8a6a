"""Whatever is merged, undone, converted, erased and written meanwhile: what the map and the rows promise."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import Engine

from event_runtime.database import create_engine
from rig import databases
from rig.undo_machine import UndoMachine

STEPS = 42


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[Engine]:
    url = databases.create(like=databases.migrated_template(("customer_merge_demo.store", "merge_worker")))
    engine = create_engine(url)
    yield engine
    engine.dispose()
    databases.drop(url)


def _run(database: Engine, number: int, histories: int, steps: int) -> None:
    # Without shrinking: a history of merges takes minutes to shrink, and its notes tell what happened.
    machine = seed(number)(type(f"Histories{number}", (UndoMachine,), {"engine": database}))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=histories,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
        _min_steps=steps,
    )


@pytest.mark.parametrize("number", range(6))
def test_any_history_keeps_every_row_and_can_be_undone(database: Engine, number: int) -> None:
    _run(database, number, 51, STEPS)


@pytest.mark.chaos
@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("number", range(100, 110))
def test_any_long_history_keeps_every_row_and_can_be_undone(database: Engine, number: int) -> None:
    _run(database, number, 300, 120)
