"""What others commit between two looks of a transaction that moves rows."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from customer_identity.merging import Merged, MergeOrder, MergeResult, Refused, RowsReturning, Unmerged, UnmergeOrder
from customer_identity.merging.planning import MergePlan
from merge_engine import MergeEngine, merging
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.large import sizing
from merge_engine.large.sizing import Sizes
from rig.customer_rows import ACTOR, TENANT, insert, order, rich_customers, rows
from rig.large_customers import Mover, Returner, engine_with, many_orders
from rig.meeting import wait_until_blocked

INLINE, CHUNK, MANY = 50, 20, 130


@pytest.fixture
def database(database: Engine) -> Engine:
    rich_customers(database, "abcd")
    return database


def _merge(engine: MergeEngine, database: Engine, *orders: MergeOrder) -> list[MergeResult]:
    with database.begin() as connection:
        return engine.merge(connection, list(orders))


def _orders_of(database: Engine, customer_id: str) -> int:
    with database.connect() as connection:
        found = rows(connection, f"SELECT count(*) FROM store.orders WHERE customer_id = '{customer_id}'")
    return int(str(found[0][0]))


def test_the_reconciler_leaves_rows_alone_that_began_to_go_back_while_it_waited(
    database: Engine, tmp_path: Path
) -> None:
    """It waits for a, the first of its roots; meanwhile d begins to get its rows back from c."""
    engine = engine_with(tmp_path, inline_rows=INLINE)
    with database.begin() as connection:
        many_orders(connection, "d", MANY)
    _, large = _merge(engine, database, order("a", "b"), order("c", "d"))
    assert isinstance(large, Merged)
    Mover(engine, database, chunk_rows=CHUNK).to_the_end()
    with database.begin() as connection:
        many_orders(connection, "b", 1)
        many_orders(connection, "d", 1)
    undo = UnmergeOrder(tenant_id=TENANT, command_id="un", merge_id=large.merge_id, requested_by=ACTOR, reason="test")
    with ThreadPoolExecutor(1) as pool:
        with database.begin() as holder:
            rows(holder, "SELECT 1 FROM store.customers WHERE customer_id = 'a' FOR UPDATE")
            reconciled = pool.submit(_reconcile, engine, database)
            wait_until_blocked(database)
            with database.begin() as connection:
                assert isinstance(engine.begin_unmerge(connection, undo), RowsReturning)
            returner = Returner(engine, database)
            back = _until_orders_are_back(database, returner)
        assert reconciled.result(timeout=20) == 1
    assert _orders_of(database, "d") == back
    assert _orders_of(database, "b") == 0
    assert isinstance(returner.to_the_end(), Unmerged)
    assert (_orders_of(database, "c"), _orders_of(database, "d")) == (2, MANY + 3)


def _reconcile(engine: MergeEngine, database: Engine) -> int:
    with database.begin() as connection:
        return engine.reconcile(connection, 100)


def _until_orders_are_back(database: Engine, returner: Returner) -> int:
    """Take chunks back until d has more orders than the one written late; how many it has then."""
    while (back := _orders_of(database, "d")) == 1:
        assert returner.chunk().line
    return back


def test_rows_that_another_mover_lists_meanwhile_did_not_come_late(database: Engine, tmp_path: Path) -> None:
    """The end of one large merge takes a late tag past another one, whose rows are listed just then."""
    engine = engine_with(tmp_path, inline_rows=INLINE)
    with database.begin() as connection:
        for customer_id in "ab":
            many_orders(connection, customer_id, MANY)
    _merge(engine, database, order("a", "b"))
    first = Mover(engine, database, chunk_rows=CHUNK)
    first.list_rows()
    while first.chunk().chunk:
        pass
    _merge(engine, database, order("c", "a"))
    second = Mover(engine, database, chunk_rows=CHUNK)
    with database.begin() as connection:
        for customer_id in "ab":
            insert(connection, "customer_tags", tenant_id=TENANT, customer_id=customer_id, tag=f"late {customer_id}")
    with ThreadPoolExecutor(1) as pool:
        with database.begin() as holder:
            rows(holder, "SELECT 1 FROM store.customer_tags WHERE tag = 'late a' FOR UPDATE")
            finished = pool.submit(first.finish)
            wait_until_blocked(database)
            assert second.list_rows().merge.listed
        assert finished.result(timeout=20) is not None
    with database.connect() as connection:
        late = rows(connection, "SELECT DISTINCT table_name FROM merge.late_rows")
        moved = rows(connection, "SELECT tag, customer_id FROM store.customer_tags WHERE tag LIKE 'late%' ORDER BY tag")
    assert late == [("store.customer_tags",)]
    assert moved == [("late a", "c"), ("late b", "c")]


def test_rows_that_come_while_others_are_counted_too_many_are_counted_as_well(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second merge gets too many rows when the first is found to have too many: neither loser may go."""
    limit = 5_000
    engine = engine_with(tmp_path, rows_at_once=limit)
    _many_tags(database, "b", limit)
    measured: list[Sizes] = []

    def measure(connection: Connection, compiled: CompiledPlan, plans: Sequence[MergePlan]) -> Sizes:
        measured.append(sizing.measure(connection, compiled, plans))
        if len(measured) == 1:
            _many_tags(database, "d", limit)
        return measured[-1]

    monkeypatch.setattr(merging, "measure", measure)
    results = _merge(engine, database, order("a", "b"), order("c", "d"))
    assert [result.errors[0].rule for result in results if isinstance(result, Refused)] == ["TOO_LARGE"] * 2
    with database.connect() as connection:
        assert [*engine.verify(connection)] == []
        assert engine.canonical(connection, TENANT, ["d"])["d"].canonical_id == "d"


def _many_tags(database: Engine, customer_id: str, count: int) -> None:
    """Written by a transaction that checks no foreign keys, so that it waits for no lock on the customer."""
    with database.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.exec_driver_sql(
            "INSERT INTO store.customer_tags (tenant_id, customer_id, tag)"
            " SELECT %(tenant)s, %(id)s, 'tag ' || n FROM generate_series(1, %(count)s) n",
            {"tenant": TENANT, "id": customer_id, "count": count},
        )
