"""The worker's mover brings rows back, on a real PostgreSQL: an end that fails for ever is no end without end."""

import threading
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from customer_identity.merging import Merged, RowsReturning, UnmergeOrder
from event_runtime.database import create_engine
from event_runtime.health import Progress
from event_runtime.inbox import Inbox
from merge_worker.app import App
from merge_worker.settings import MergeWorkerSettings
from rig.customer_rows import ACTOR, TENANT, customer, order, rows
from rig.large_customers import Mover, many_orders
from rig.processes import eventually

MANY = 1_100
# PostgreSQL's "undefined function", which no table of faults foresees: as an error of the program itself.
BREAK = """
CREATE FUNCTION merge.break() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM merge.missing(); END$$;
CREATE TRIGGER break BEFORE INSERT ON merge.unmerges FOR EACH ROW EXECUTE FUNCTION merge.break();
"""


@pytest.fixture
def app(migrated: Callable[..., str]) -> Iterator[App]:
    settings = {
        "MERGE_WORKER_DATABASE__URL": migrated("customer_merge_demo.store", "merge_worker"),
        "MERGE_WORKER_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",  # the mover has nothing to do with it
        "MERGE_WORKER_LARGE__PUT_OFF_S": "0.1",
        "MERGE_WORKER_LARGE__LOOK_S": "0.05",
    }
    made = App(MergeWorkerSettings.load(settings, dotenv=None))
    yield made
    made.database.dispose()


@pytest.fixture
def database(app: App) -> Iterator[Engine]:
    """The rows of b, which was merged into a, are to go back."""
    engine = create_engine(app.database.url.render_as_string(hide_password=False))
    with engine.begin() as connection:
        for customer_id in "abc":
            customer(connection, customer_id)
        many_orders(connection, "b", MANY)
        (merged,) = app.merge_engine.merge(connection, [order("a", "b")])
    assert isinstance(merged, Merged)
    Mover(app.merge_engine, engine, chunk_rows=500).to_the_end()
    undo = UnmergeOrder(tenant_id=TENANT, command_id="un", merge_id=merged.merge_id, requested_by=ACTOR, reason="test")
    with engine.begin() as connection:
        Inbox(app.wiring.schema).claim(connection, [(TENANT, undo.command_id, b"digest")])
        assert isinstance(app.merge_engine.begin_unmerge(connection, undo), RowsReturning)
    yield engine
    engine.dispose()


@pytest.fixture
def moving(app: App) -> Iterator[Callable[[], None]]:
    """Start the mover; it stops with the test. What it logs is not drawn on a terminal, which takes seconds a fault."""
    stop = threading.Event()
    thread = threading.Thread(target=app.use_cases.mover(Progress("mover")).run, args=(stop,))
    with capture_logs():
        yield thread.start
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def _told(database: Engine) -> dict[object, object]:
    with database.connect() as connection:
        found = rows(connection, "SELECT event_type, count(*) FROM merge.outbox GROUP BY 1")
    return {event_type: count for event_type, count in found}  # noqa: C416 - rows are no pairs to mypy


def test_an_end_that_fails_time_after_time_is_refused_and_the_customers_are_free_again(
    app: App, database: Engine, moving: Callable[[], None]
) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql(BREAK)
    moving()
    told = eventually(lambda: found if "MergeRejected" in (found := _told(database)) else None, 20)
    assert told is not None
    assert "CustomerUnmerged" not in told
    with database.begin() as connection:
        assert rows(connection, "SELECT customer_id, count(*) FROM store.orders GROUP BY 1") == [("a", MANY)]
        assert [*app.merge_engine.verify(connection)] == []
        (merged,) = app.merge_engine.merge(connection, [order("c", "a")])
        assert isinstance(merged, Merged)


def test_more_conflicts_than_anybody_reads_are_told_as_a_figure(database: Engine, moving: Callable[[], None]) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql("CREATE UNIQUE INDEX one_number ON store.orders (customer_id, order_number)")
        connection.exec_driver_sql(
            "INSERT INTO store.orders (tenant_id, customer_id, order_number, status, total_cents)"
            " SELECT tenant_id, 'b', order_number, 'PAID', 1 FROM store.orders WHERE customer_id = 'a'"
        )
    moving()
    eventually(lambda: "CustomerUnmerged" in _told(database), 60)
    with database.connect() as connection:
        ((conflicts, kept),) = rows(
            connection, "SELECT jsonb_array_length(done->'conflicts'), done->'kept' FROM merge.large_unmerges"
        )
    assert conflicts == 1_000
    assert kept == [["store.orders", MANY - 1_000, "TAKEN_SINCE"]]
