"""The worker's mover against a real PostgreSQL: what it does with merges that cannot go on, and with requests."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine

from customer_identity.merging import Merged
from event_runtime.database import create_engine
from event_runtime.health import LoopState, Progress
from merge_worker.app import App
from merge_worker.settings import MergeWorkerSettings
from rig.customer_rows import customer, order, rows
from rig.large_customers import many_orders
from rig.processes import eventually

MANY = 1_500
REFUSE = """
CREATE FUNCTION store.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.customer_id = 'b' THEN RAISE EXCEPTION 'not these'; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON store.orders FOR EACH ROW EXECUTE FUNCTION store.refuse();
"""


@pytest.fixture
def url(migrated: Callable[..., str]) -> str:
    return migrated("customer_merge_demo.store", "merge_worker")


@pytest.fixture
def app(url: str) -> Iterator[App]:
    settings = {
        "MERGE_WORKER_DATABASE__URL": url,
        "MERGE_WORKER_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",  # the mover has nothing to do with it
        "MERGE_WORKER_LARGE__PUT_OFF_S": "0.3",
        "MERGE_WORKER_LARGE__LOOK_S": "0.05",
    }
    made = App(MergeWorkerSettings.load(settings, dotenv=None))
    yield made
    made.database.dispose()


@pytest.fixture
def database(url: str, app: App) -> Iterator[Engine]:
    """Two large merges are done, b into a and d into c; their rows are still to move."""
    engine = create_engine(url)
    with engine.begin() as connection:
        for customer_id in "abcd":
            customer(connection, customer_id)
        for customer_id in "bd":
            many_orders(connection, customer_id, MANY)
        merged = app.merge_engine.merge(connection, [order("a", "b"), order("c", "d")])
        assert all(isinstance(one, Merged) and one.rows == "MOVING" for one in merged)
    yield engine
    engine.dispose()


@contextmanager
def _moving(app: App) -> Iterator[Progress]:
    progress, stop = Progress("mover"), threading.Event()
    thread = threading.Thread(target=app.use_cases.mover(progress).run, args=(stop,))
    thread.start()
    yield progress
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def _orders(database: Engine) -> dict[object, object]:
    with database.connect() as connection:
        found = rows(connection, "SELECT customer_id, count(*) FROM store.orders GROUP BY customer_id")
    return {customer_id: count for customer_id, count in found}  # noqa: C416 - rows are no pairs to mypy


def _still_moving(app: App, database: Engine) -> bool:
    with database.connect() as connection:
        return bool(app.merge_engine.large.still_moving(connection))


def test_a_merge_that_cannot_go_on_says_why_and_holds_up_no_other_until_it_can(app: App, database: Engine) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql(REFUSE)

    def problems() -> list[str | None]:
        with database.connect() as connection:
            return [one.problem for one in app.merge_engine.large.still_moving(connection)]

    with _moving(app) as progress:
        eventually(lambda: _orders(database) == {"b": MANY, "c": MANY}, 20)
        (problem,) = eventually(lambda: found if None not in (found := problems()) else None, 20)
        assert "P0001" in str(problem)
        assert "not these" not in str(problem)  # an exception's text may quote the row
        assert progress.look().state is LoopState.READY
        with database.begin() as connection:
            connection.exec_driver_sql("DROP TRIGGER refuse ON store.orders")
        eventually(lambda: not problems(), 20)
    assert _orders(database) == {"a": MANY, "c": MANY}
    assert app.wiring.metrics.large_rows_moved_total._value.get() == 2 * MANY


def test_a_mover_whose_database_goes_away_waits_and_goes_on(app: App, database: Engine) -> None:
    """The backends are killed under it, again and again, wherever it is at the moment."""
    with _moving(app):
        for _ in range(20):
            with database.connect() as connection:
                connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND application_name = 'merge-worker'"
                )
        eventually(lambda: _orders(database) == {"a": MANY, "c": MANY} and not _still_moving(app, database), 30)
    with database.connect() as connection:
        told = rows(connection, "SELECT event_type, count(*) FROM merge.outbox GROUP BY 1 ORDER BY 1")
        assert ("RowsMoved", 2) in told
        assert [*app.merge_engine.verify(connection)] == []
