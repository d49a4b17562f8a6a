"""How many rows one transaction moves: those of several merges, and those of one that can only move at once."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from customer_identity.merging import Merged, MergeResult, Refused, Unmerged, UnmergeOrder
from event_runtime.database import create_engine
from merge_engine import MergeEngine, TooManyRows
from rig.customer_rows import ACTOR, TENANT, order, rich_customer
from rig.large_customers import engine_with, many_orders

LIMIT = 5_000


@pytest.fixture
def database(migrated: Callable[..., str]) -> Iterator[Engine]:
    engine = create_engine(migrated("customer_merge_demo.store", "merge_worker"))
    with engine.begin() as connection:
        for customer_id in "abcd":
            rich_customer(connection, customer_id)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(tmp_path: Path) -> MergeEngine:
    return engine_with(tmp_path, rows_at_once=LIMIT)


def _tags(connection: Connection, customer_id: str, count: int) -> None:
    connection.exec_driver_sql(
        "INSERT INTO store.customer_tags (tenant_id, customer_id, tag)"
        " SELECT %(tenant)s, %(id)s, 'tag ' || n FROM generate_series(1, %(count)s) n",
        {"tenant": TENANT, "id": customer_id, "count": count},
    )


def _merge(engine: MergeEngine, database: Engine, *pairs: tuple[str, str]) -> list[MergeResult]:
    with database.begin() as connection:
        return engine.merge(connection, [order(*pair) for pair in pairs])


def test_a_loser_with_too_many_rows_that_move_at_once_is_refused_by_the_tables_name_and_no_other(
    database: Engine, engine: MergeEngine
) -> None:
    with database.begin() as connection:
        _tags(connection, "b", LIMIT - 1)  # and two that each customer has
        (failure,) = engine.preview(connection, order("a", "b")).failures
    refused, merged = _merge(engine, database, ("a", "b"), ("c", "d"))
    assert isinstance(refused, Refused)
    assert refused.errors == (failure,)
    assert (failure.rule, failure.customer_ids, failure.permanent) == ("TOO_LARGE", ("b",), True)
    assert failure.message == f"more than {LIMIT} rows of store.customer_tags would move in one transaction"
    assert isinstance(merged, Merged)


def test_as_many_rows_as_may_move_at_once_do_and_come_back(database: Engine, engine: MergeEngine) -> None:
    with database.begin() as connection:
        _tags(connection, "b", LIMIT - 2)
    (merged,) = _merge(engine, database, ("a", "b"))
    assert isinstance(merged, Merged)
    undo = UnmergeOrder(tenant_id=TENANT, command_id="un", merge_id=merged.merge_id, requested_by=ACTOR, reason="test")
    with database.begin() as connection:
        assert isinstance(engine.begin_unmerge(connection, undo), Unmerged)
        assert [*engine.verify(connection)] == []


def test_rows_that_an_event_names_one_by_one_are_no_more_than_an_event_can_hold(
    database: Engine, tmp_path: Path
) -> None:
    engine = engine_with(tmp_path)
    with database.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO store.external_ids (tenant_id, customer_id, system, external_id)"
            " SELECT %(tenant)s, 'b', 'crm', n::text FROM generate_series(1, 5000) n",
            {"tenant": TENANT},
        )
    (refused,) = _merge(engine, database, ("a", "b"))
    assert isinstance(refused, Refused)
    assert [(error.rule, "store.external_ids" in error.message) for error in refused.errors] == [("TOO_LARGE", True)]


def test_orders_of_one_transaction_are_refused_together_when_their_rows_are_too_many_for_it(
    database: Engine, tmp_path: Path
) -> None:
    engine = engine_with(tmp_path, inline_rows=6_000)
    with database.begin() as connection:
        many_orders(connection, "b", 3_000)
        many_orders(connection, "c", 2_500)
    together = [order("a", "b"), order("d", "c")]
    with database.begin() as connection, pytest.raises(TooManyRows):
        engine.merge(connection, together)
    with database.begin() as connection:
        assert isinstance(engine.merge(connection, together[:1])[0], Merged)
        with pytest.raises(TooManyRows):
            engine.merge(connection, together[1:])
    with database.begin() as connection:
        assert isinstance(engine.merge(connection, together[1:])[0], Merged)


def test_one_order_alone_is_not_too_much_for_a_transaction(database: Engine, tmp_path: Path) -> None:
    engine = engine_with(tmp_path, inline_rows=6_000)
    with database.begin() as connection:
        many_orders(connection, "b", 5_500)
    (merged,) = _merge(engine, database, ("a", "b"))
    assert isinstance(merged, Merged)
    assert merged.rows == "COMPLETE"


def test_rows_that_move_at_once_count_for_the_transaction_too(database: Engine, engine: MergeEngine) -> None:
    with database.begin() as connection:
        for customer_id in "bc":
            _tags(connection, customer_id, 2_600)
    with pytest.raises(TooManyRows):
        _merge(engine, database, ("a", "b"), ("d", "c"))
    for pair in (("a", "b"), ("d", "c")):
        (merged,) = _merge(engine, database, pair)
        assert isinstance(merged, Merged)
