"""What is written under the loser of a large merge while its rows move, in tables that do not move in chunks."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from customer_identity.merging import Unmerged
from merge_engine import MergeEngine
from rig.customer_rows import PLACED_AT, TENANT, contents, insert, order, rich_customers, rows
from rig.large_customers import Mover, engine_with, many_orders
from rig.taking_apart import apart, merge_now

INLINE, CHUNK, MANY = 50, 20, 130
FACILITATED = "{table: store.tickets, move: repoint, facilitator: true}"


@pytest.fixture
def database(database: Engine) -> Engine:
    rich_customers(database, "abc")
    with database.begin() as connection:
        many_orders(connection, "b", MANY)
    return database


def _write_late(connection: Connection, customer_id: str) -> None:
    """Points, in the account and in the ledger, and a tag."""
    owner = {"tenant_id": TENANT, "customer_id": customer_id}
    insert(connection, "loyalty_accounts", **owner, program="stars", points=5)
    insert(connection, "loyalty_ledger", **owner, points=5, reason="late", at=PLACED_AT)
    insert(connection, "customer_tags", **owner, tag="late")


def _points(connection: Connection) -> tuple[dict[object, object], dict[object, object]]:
    """Of every customer: in the account, in the ledger."""
    accounts = rows(connection, "SELECT customer_id, points FROM store.loyalty_accounts")
    ledger = rows(connection, "SELECT customer_id, sum(points) FROM store.loyalty_ledger GROUP BY 1")
    return {who: points for who, points in accounts}, {who: points for who, points in ledger}  # noqa: C416


def _owner_of_late_tag(connection: Connection) -> Sequence[tuple[object, ...]]:
    return rows(connection, "SELECT customer_id FROM store.customer_tags WHERE tag = 'late'")


@pytest.mark.parametrize("more_orders", [0, MANY])
def test_late_points_come_back_one_merge_at_a_time_when_the_winner_was_merged_on(
    database: Engine, tmp_path: Path, more_orders: int
) -> None:
    engine = engine_with(tmp_path, inline_rows=INLINE)
    with database.begin() as connection:
        many_orders(connection, "a", more_orders)
    first = merge_now(engine, database, order("a", "b"))
    mover = Mover(engine, database, chunk_rows=CHUNK)
    mover.list_rows()
    mover.chunk()
    second = merge_now(engine, database, order("c", "a"))
    assert second.rows == ("MOVING" if more_orders else "COMPLETE")
    with database.begin() as connection:
        _write_late(connection, "b")
    done = mover.to_the_end()
    assert {one.table: one.rows for one in done.merge.moved}["store.customer_tags"] == 2
    if more_orders:
        with database.connect() as connection:
            left = rows(connection, "SELECT id FROM store.orders WHERE customer_id = 'a'")
        assert len(left) >= MANY, "the rows of the second merge are left to its own mover"
        Mover(engine, database, chunk_rows=CHUNK).to_the_end()
    with database.connect() as connection:
        assert _points(connection) == ({"c": 305}, {"c": 305})
        assert _owner_of_late_tag(connection) == [("c",)]
    assert isinstance(apart(engine, database, second.merge_id), Unmerged)
    with database.connect() as connection:
        assert _points(connection) == ({"a": 205, "c": 100}, {"a": 205, "c": 100})
        assert _owner_of_late_tag(connection) == [("a",)]
    assert isinstance(apart(engine, database, first.merge_id), Unmerged)
    with database.connect() as connection:
        assert _points(connection) == ({"a": 100, "b": 105, "c": 100}, {"a": 100, "b": 105, "c": 100})
        assert _owner_of_late_tag(connection) == [("b",)]
        assert [*engine.verify(connection)] == []


def test_late_rows_of_a_facilitator_go_to_the_facilitator_and_return(database: Engine, tmp_path: Path) -> None:
    engine_with(tmp_path, inline_rows=INLINE)
    plan = tmp_path / "plan.yaml"
    text = plan.read_text("utf-8")
    assert "  - table: store.tickets\n    move: repoint\n" in text
    plan.write_text(text.replace("  - table: store.tickets\n    move: repoint\n", f"  - {FACILITATED}\n"), "utf-8")
    engine = MergeEngine.load(plan)
    merged = merge_now(engine, database, order("a", "b", facilitator_id="c"))
    assert merged.rows == "MOVING"
    mover = Mover(engine, database, chunk_rows=CHUNK)
    mover.list_rows()
    with database.begin() as connection:
        insert(
            connection,
            "tickets",
            tenant_id=TENANT,
            customer_id="b",
            subject="Late",
            status="OPEN",
            opened_at=PLACED_AT,
        )
    mover.to_the_end()
    with database.connect() as connection:
        assert rows(connection, "SELECT customer_id FROM store.tickets WHERE subject = 'Late'") == [("c",)]
    assert isinstance(apart(engine, database, merged.merge_id), Unmerged)
    with database.connect() as connection:
        assert rows(connection, "SELECT customer_id FROM store.tickets WHERE subject = 'Late'") == [("b",)]


def test_late_rows_of_a_loser_whose_records_are_deleted_come_back_through_every_merge(
    database: Engine, tmp_path: Path
) -> None:
    """The winner's own record is gone by then: the rows go past it, and are journalled for both merges."""
    engine_with(tmp_path, inline_rows=INLINE)
    plan = tmp_path / "plan.yaml"
    text = plan.read_text("utf-8")
    disposition = "  kind: link\n  column: merged_into\n  set: {status: MERGED}\n"
    assert disposition in text
    plan.write_text(text.replace(disposition, "  kind: delete\n"), "utf-8")
    engine = MergeEngine.load(plan)
    with database.connect() as connection:
        before = contents(connection)
    first = merge_now(engine, database, order("a", "b"))
    mover = Mover(engine, database, chunk_rows=CHUNK)
    mover.list_rows()
    second = merge_now(engine, database, order("c", "a"))
    with database.begin() as connection:
        insert(connection, "customer_tags", tenant_id=TENANT, customer_id="b", tag="late")
    mover.to_the_end()
    with database.connect() as connection:
        assert _owner_of_late_tag(connection) == [("c",)]
        assert rows(connection, "SELECT customer_id FROM store.customers") == [("c",)]
    assert isinstance(apart(engine, database, second.merge_id), Unmerged)
    with database.connect() as connection:
        assert _owner_of_late_tag(connection) == [("a",)]
    assert isinstance(apart(engine, database, first.merge_id), Unmerged)
    with database.begin() as connection:
        assert _owner_of_late_tag(connection) == [("b",)]
        connection.exec_driver_sql("DELETE FROM store.customer_tags WHERE tag = 'late'")
        assert contents(connection) == before


def test_the_reconciler_moves_no_more_rows_in_a_transaction_than_it_may(database: Engine, tmp_path: Path) -> None:
    engine = engine_with(tmp_path, inline_rows=2 * MANY)
    first = merge_now(engine, database, order("a", "b"))
    second = merge_now(engine, database, order("c", "a"))
    with database.begin() as connection:
        many_orders(connection, "b", 95)
        _write_late(connection, "b")
        many_orders(connection, "a", 3)
    passes = []
    while True:
        with database.begin() as connection:
            passes.append(engine.reconcile(connection, 100, rows=40))
        if not passes[-1]:
            break
    assert sum(passes) == 95 + 3 + 3
    assert max(passes) <= 40
    with database.connect() as connection:
        assert rows(connection, "SELECT DISTINCT customer_id FROM store.orders") == [("c",)]
        assert [*engine.verify(connection)] == []
    for merge in (second, first):
        assert isinstance(apart(engine, database, merge.merge_id), Unmerged)
    with database.begin() as connection:
        assert _points(connection) == ({"a": 100, "b": 105, "c": 100}, {"a": 100, "b": 105, "c": 100})
        orders = rows(connection, "SELECT customer_id, count(*) FROM store.orders GROUP BY 1 ORDER BY 1")
        assert orders == [("a", 5), ("b", MANY + 2 + 95), ("c", 2)]
        assert [*engine.verify(connection)] == []
