"""The undo of many rows may take longer than ten seconds; whatever shares its transaction may not."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from customer_identity.merging import Merged, Refused, Unmerged, UnmergeMode, UnmergeOrder
from merge_engine import MergeEngine
from rig.customer_rows import ACTOR, TENANT, order, rich_customers, rows
from rig.large_customers import Mover, engine_with, many_orders

INLINE, CHUNK, MANY = 50, 20, 60
LIMITS = ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")
USUAL, UNHURRIED = ("10s", "10s", "10s"), ("5min", "5min", "10min")
# The limits under which a row of an order was last written.
_WATCH = """
CREATE TABLE seen (limits text[]);
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO seen SELECT ARRAY[current_setting('statement_timeout'),
    current_setting('idle_in_transaction_session_timeout'), current_setting('transaction_timeout', true)];
  RETURN NULL; END $$;
CREATE TRIGGER see AFTER UPDATE ON store.orders FOR EACH STATEMENT EXECUTE FUNCTION see()"""


@pytest.fixture
def database(database: Engine) -> Engine:
    rich_customers(database, "abc")
    with database.begin() as connection:
        many_orders(connection, "c", MANY)
    return database


@pytest.fixture
def engine(tmp_path: Path) -> MergeEngine:
    return engine_with(tmp_path, inline_rows=INLINE)


def _merge(engine: MergeEngine, database: Engine, winner_id: str, loser_id: str) -> str:
    with database.begin() as connection:
        (merged,) = engine.merge(connection, [order(winner_id, loser_id)])
    assert isinstance(merged, Merged)
    if merged.rows == "MOVING":
        Mover(engine, database, chunk_rows=CHUNK).to_the_end()
    return merged.merge_id


def _undo(merge_id: str, mode: UnmergeMode = UnmergeMode.LINEAR) -> UnmergeOrder:
    return UnmergeOrder(
        tenant_id=TENANT, command_id="un", merge_id=merge_id, mode=mode, requested_by=ACTOR, reason="test"
    )


def _limits(connection: Connection) -> tuple[object, ...]:
    return rows(connection, "SELECT " + ", ".join(f"current_setting('{name}', true)" for name in LIMITS))[0]


def _seen(connection: Connection) -> set[tuple[str, ...]]:
    return {tuple(limits) for (limits,) in connection.exec_driver_sql("SELECT limits FROM seen")}


def _as_here(connection: Connection, limits: tuple[str, ...]) -> tuple[str | None, ...]:
    """Before version 17 there is no limit of a whole transaction."""
    version = connection.exec_driver_sql("SELECT current_setting('server_version_num')::int").scalar_one()
    return (*limits[:2], limits[2] if version >= 170000 else None)


def test_the_undo_of_a_large_merge_leaves_its_minutes_to_nobody(database: Engine, engine: MergeEngine) -> None:
    merge_id = _merge(engine, database, "a", "c")
    with database.begin() as connection:
        connection.exec_driver_sql(_WATCH)
        assert isinstance(engine.unmerge(connection, _undo(merge_id)), Unmerged)
        assert _seen(connection) == {_as_here(connection, UNHURRIED)}
        assert _limits(connection) == _as_here(connection, USUAL)


def test_a_small_merge_under_a_large_one_has_the_time_to_read_the_large_ones_lines(
    database: Engine, engine: MergeEngine
) -> None:
    small = _merge(engine, database, "b", "a")
    _merge(engine, database, "b", "c")
    with database.begin() as connection:
        connection.exec_driver_sql(_WATCH)
        assert isinstance(engine.unmerge(connection, _undo(small, UnmergeMode.TREE)), Unmerged)
        assert _seen(connection) == {_as_here(connection, UNHURRIED)}
        assert _limits(connection) == _as_here(connection, USUAL)


def test_a_refused_undo_leaves_no_minutes_either_and_says_that_large_merges_go_newest_first(
    database: Engine, engine: MergeEngine
) -> None:
    large = _merge(engine, database, "a", "c")
    newer = _merge(engine, database, "b", "a")
    with database.begin() as connection:
        refused = engine.unmerge(connection, replace(_undo(large), mode=UnmergeMode.TREE))
        assert isinstance(refused, Refused)
        assert [error.rule for error in refused.errors] == ["UNMERGE_NEWER_FIRST"]
        assert refused.errors[0].message == f"a large merge is undone newest first; newer merges: {newer}"
        assert _limits(connection) == _as_here(connection, USUAL)


def test_the_order_in_which_merges_come_apart_is_told_and_works(database: Engine, engine: MergeEngine) -> None:
    large = _merge(engine, database, "a", "c")
    newer = _merge(engine, database, "b", "a")
    undo = _undo(large, UnmergeMode.TREE)
    with database.begin() as connection:
        assert engine.undo_order(connection, undo) == (newer, large)
        assert _limits(connection) == _as_here(connection, USUAL)
        for merge_id in (newer, large):
            assert isinstance(engine.unmerge(connection, _undo(merge_id)), Unmerged)
        assert engine.undo_order(connection, undo) == ()


def test_limits_that_the_caller_has_set_are_the_callers_again(database: Engine, engine: MergeEngine) -> None:
    merge_id = _merge(engine, database, "a", "c")
    with database.begin() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = '20s'")
        assert isinstance(engine.unmerge(connection, _undo(merge_id)), Unmerged)
        assert _limits(connection)[0] == "20s"
