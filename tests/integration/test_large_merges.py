"""Merges whose rows follow in chunks, on a real PostgreSQL, one transaction after the other."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from customer_identity.merging import Moved, Refused, Unmerged
from merge_engine import FindingKind, LeaseLost, MergeEngine, RootMoved
from rig.customer_rows import TENANT, contents, order, rich_customer, rich_customers, rows
from rig.large_customers import Mover, engine_with, many_orders
from rig.meeting import wait_until_blocked
from rig.taking_apart import apart, merge_now

INLINE, CHUNK, MANY = 50, 20, 130


@pytest.fixture
def database(database: Engine) -> Engine:
    rich_customers(database, "abc")
    with database.begin() as connection:
        many_orders(connection, "b", MANY)
    return database


@pytest.fixture
def engine(tmp_path: Path) -> MergeEngine:
    return engine_with(tmp_path, inline_rows=INLINE)


def _orders(connection: Connection) -> dict[Any, Any]:
    return dict(rows(connection, "SELECT customer_id, count(*) FROM store.orders GROUP BY customer_id"))


def test_a_large_merge_flips_at_once_and_leaves_only_rows_on_which_nothing_depends(
    database: Engine, engine: MergeEngine
) -> None:
    merged = merge_now(engine, database, order("a", "b"))
    assert merged.rows == "MOVING"
    assert {one.table for one in merged.moved} == {
        "store.emails", "store.phones", "store.customer_tags", "store.external_ids", "store.loyalty_accounts"
    }  # fmt: skip
    with database.connect() as connection:
        assert engine.canonical(connection, TENANT, ["b"])["b"].canonical_id == "a"
        assert _orders(connection) == {"a": 2, "b": MANY + 2, "c": 2}
        assert rows(connection, "SELECT points FROM store.loyalty_accounts WHERE customer_id = 'a'") == [(200,)]
        (progress,) = engine.large.still_moving(connection)
        assert (progress.merge_id, progress.listed, progress.rows_moved) == (merged.merge_id, False, 0)


def test_its_rows_end_at_the_winner_and_the_totals_are_those_of_a_small_merge(
    database: Engine, engine: MergeEngine
) -> None:
    with database.connect() as connection:
        preview = engine.preview(connection, order("a", "b"))
    merge_now(engine, database, order("a", "b"))
    mover = Mover(engine, database, chunk_rows=CHUNK)
    done = mover.to_the_end()
    assert sorted(done.merge.moved, key=lambda one: one.table) == sorted(preview.moves, key=lambda one: one.table)
    assert done.merge.rows_moved == done.merge.rows_total == MANY + 2 + 4
    with database.connect() as connection:
        assert _orders(connection) == {"a": MANY + 4, "c": 2}
        assert engine.large.still_moving(connection) == []
        assert [*engine.verify(connection)] == []


def test_a_merge_with_exactly_as_many_rows_as_the_plan_allows_moves_them_at_once(
    database: Engine, tmp_path: Path
) -> None:
    at_once = MANY + 2 + 4
    assert merge_now(engine_with(tmp_path, inline_rows=at_once), database, order("a", "b")).rows == "COMPLETE"


def test_rows_of_all_losers_count_together(database: Engine, tmp_path: Path) -> None:
    engine = engine_with(tmp_path, inline_rows=MANY + 2 + 4)
    merged = merge_now(engine, database, order("a", "b", "c"))
    assert merged.rows == "MOVING"
    done = Mover(engine, database, chunk_rows=CHUNK).to_the_end()
    assert Moved(table="store.orders", rows=MANY + 4, collisions=0) in done.merge.moved
    with database.connect() as connection:
        assert _orders(connection) == {"a": MANY + 6}
        assert [*engine.verify(connection)] == []


def test_while_rows_move_verify_says_so_and_finds_nothing_else(database: Engine, engine: MergeEngine) -> None:
    merged = merge_now(engine, database, order("a", "b"))
    mover = Mover(engine, database, chunk_rows=CHUNK)
    mover.list_rows()
    mover.chunk()
    with database.connect() as connection:
        for findings in ([*engine.verify(connection, merged.merge_id)], [*engine.verify(connection)]):
            (finding,) = findings
            assert finding.kind is FindingKind.ROWS_STILL_MOVING
            assert finding.detail == f"1 of {MANY + 2 + 4} rows moved"  # the one address


def test_the_reconciler_leaves_a_customer_alone_whose_rows_still_move(database: Engine, engine: MergeEngine) -> None:
    merge_now(engine, database, order("b", "c"))
    merge_now(engine, database, order("a", "b"))
    with database.begin() as connection:
        many_orders(connection, "c", 1)  # its way leads over b
        assert engine.reconcile(connection, 100) == 0
        assert _orders(connection)["b"] == MANY + 4
    Mover(engine, database, chunk_rows=CHUNK).to_the_end()
    with database.begin() as connection:
        assert engine.reconcile(connection, 100) == 1
        assert _orders(connection) == {"a": MANY + 7}


def test_rows_written_on_the_loser_while_its_rows_move_follow_at_the_end(database: Engine, engine: MergeEngine) -> None:
    merge_now(engine, database, order("a", "b"))
    mover = Mover(engine, database, chunk_rows=CHUNK)
    mover.list_rows()
    mover.chunk()
    with database.begin() as connection:
        many_orders(connection, "b", 7)
    done = mover.to_the_end()
    assert done.merge.rows_moved == done.merge.rows_total == MANY + 2 + 4 + 7
    with database.connect() as connection:
        assert _orders(connection) == {"a": MANY + 11, "c": 2}


def test_more_than_a_chunk_of_late_rows_is_listed_again_instead_of_being_moved_under_lock(
    database: Engine, engine: MergeEngine
) -> None:
    merge_now(engine, database, order("a", "b"))
    mover = Mover(engine, database, chunk_rows=CHUNK)
    mover.list_rows()
    while mover.chunk().chunk:
        pass
    with database.begin() as connection:
        many_orders(connection, "b", CHUNK + 1)
    assert mover.finish() is None
    mover.to_the_end()
    with database.connect() as connection:
        assert _orders(connection) == {"a": MANY + 4 + CHUNK + 1, "c": 2}


def test_the_journal_names_the_rows_that_really_moved(database: Engine, engine: MergeEngine) -> None:
    merged = merge_now(engine, database, order("a", "b"))
    mover = Mover(engine, database, chunk_rows=CHUNK)
    mover.list_rows()
    with database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM store.orders WHERE customer_id = 'b' AND mod(id, 3) = 0")
        connection.exec_driver_sql(
            "UPDATE store.orders SET customer_id = 'c' WHERE customer_id = 'b' AND mod(id, 3) = 1"
        )
        before = rows(connection, "SELECT id::text FROM store.orders WHERE customer_id = 'b' ORDER BY id::text")
    mover.to_the_end()
    with database.connect() as connection:
        journalled = rows(
            connection,
            "SELECT r FROM merge.journal j, unnest(row_ids) r WHERE chunk IS NOT NULL AND merge_id::text = :merge_id"
            " AND table_name = 'store.orders' ORDER BY r",
            merge_id=merged.merge_id,
        )
    assert journalled == before


def test_rows_follow_to_whom_the_winner_was_merged_into_meanwhile(database: Engine, engine: MergeEngine) -> None:
    with database.connect() as connection:
        before = contents(connection)
    first = merge_now(engine, database, order("a", "b"))
    mover = Mover(engine, database, chunk_rows=CHUNK)
    mover.list_rows()
    mover.chunk()
    mover.chunk()
    second = merge_now(engine, database, order("c", "a"))
    mover.to_the_end()
    with database.connect() as connection:
        assert _orders(connection) == {"c": MANY + 6}
        assert [*engine.verify(connection)] == []
    assert isinstance(apart(engine, database, second.merge_id), Unmerged)
    with database.connect() as connection:
        assert _orders(connection) == {"a": MANY + 4, "c": 2}
    assert isinstance(apart(engine, database, first.merge_id), Unmerged)
    with database.connect() as connection:
        assert contents(connection) == before


def test_a_chain_of_large_merges_ends_with_all_rows_at_the_last_winner(database: Engine, engine: MergeEngine) -> None:
    with database.begin() as connection:
        many_orders(connection, "a", MANY)
        before = contents(connection)
    first = merge_now(engine, database, order("a", "b"))
    one = Mover(engine, database, chunk_rows=CHUNK)
    one.list_rows()
    one.chunk()
    second = merge_now(engine, database, order("c", "a"))
    assert second.rows == "MOVING"
    other = Mover(engine, database, chunk_rows=CHUNK)
    other.list_rows()
    other.chunk()
    one.chunk()
    other.to_the_end()
    one.to_the_end()
    with database.connect() as connection:
        assert _orders(connection) == {"c": 2 * MANY + 6}
        assert [*engine.verify(connection)] == []
    for merge_id in (second.merge_id, first.merge_id):
        assert isinstance(apart(engine, database, merge_id), Unmerged)
    with database.connect() as connection:
        assert contents(connection) == before


def test_a_merge_of_the_winner_waits_for_the_chunk_in_hand_and_no_row_is_left_behind(
    database: Engine, engine: MergeEngine
) -> None:
    merge_now(engine, database, order("a", "b"))
    mover = Mover(engine, database, chunk_rows=CHUNK)
    mover.list_rows()
    with ThreadPoolExecutor(1) as pool:
        with database.begin() as connection:
            engine.large.move_chunk(connection, mover.lease, notice_every=timedelta(0))
            merging = pool.submit(merge_now, engine, database, order("c", "a"))
            wait_until_blocked(database)
        merging.result(10)
    mover.to_the_end()
    with database.connect() as connection:
        assert _orders(connection) == {"c": MANY + 6}


def test_a_chunk_whose_winner_is_merged_away_while_it_waits_starts_over(database: Engine, engine: MergeEngine) -> None:
    merge_now(engine, database, order("a", "b"))
    mover = Mover(engine, database, chunk_rows=CHUNK)
    mover.list_rows()
    with ThreadPoolExecutor(1) as pool:
        with database.begin() as connection:
            engine.merge(connection, [order("c", "a")])
            moving = pool.submit(mover.chunk)
            wait_until_blocked(database)
        with pytest.raises(RootMoved):
            moving.result(10)
    mover.to_the_end()
    with database.connect() as connection:
        assert _orders(connection) == {"c": MANY + 6}


def test_a_mover_that_was_overtaken_changes_nothing(database: Engine, engine: MergeEngine) -> None:
    merge_now(engine, database, order("a", "b"))
    slow = Mover(engine, database, chunk_rows=CHUNK, lasts=timedelta(0))
    slow.list_rows()
    quick = Mover(engine, database, chunk_rows=CHUNK)
    quick.chunk()
    for act in (slow.list_rows, slow.chunk, slow.finish):
        with pytest.raises(LeaseLost):
            act()
    with database.connect() as connection:
        assert _orders(connection)["a"] + _orders(connection)["b"] == MANY + 4
        (progress,) = engine.large.still_moving(connection)
        assert progress.rows_moved == 1
    quick.to_the_end()
    with database.connect() as connection:
        assert _orders(connection) == {"a": MANY + 4, "c": 2}


def test_several_movers_share_the_merges(database: Engine, engine: MergeEngine) -> None:
    with database.begin() as connection:
        for customer_id in "de":
            rich_customer(connection, customer_id)
        many_orders(connection, "d", MANY)
    merge_now(engine, database, order("a", "b"))
    merge_now(engine, database, order("e", "d"))
    movers = [Mover(engine, database, chunk_rows=CHUNK) for _ in range(2)]
    with database.begin() as connection:
        assert engine.large.claim(connection, "third", timedelta(minutes=1)) is None
    assert len({mover.lease.merge_id for mover in movers}) == 2
    with ThreadPoolExecutor(2) as pool:
        assert all(step.merge.rows_moved == MANY + 6 for step in pool.map(Mover.to_the_end, movers))
    with database.connect() as connection:
        assert _orders(connection) == {"a": MANY + 4, "c": 2, "e": MANY + 4}
        assert [*engine.verify(connection)] == []


def test_an_unmerge_waits_until_the_rows_have_moved_and_then_puts_all_of_them_back(
    database: Engine, engine: MergeEngine
) -> None:
    with database.connect() as connection:
        before = contents(connection)
    merged = merge_now(engine, database, order("a", "b"))
    mover = Mover(engine, database, chunk_rows=CHUNK)
    for act in (mover.list_rows, mover.chunk):
        refused = apart(engine, database, merged.merge_id)
        assert isinstance(refused, Refused)
        (error,) = refused.errors
        assert (error.rule, error.permanent) == ("MERGE_IN_PROGRESS", False)
        act()
    mover.to_the_end()
    undone = apart(engine, database, merged.merge_id)
    assert isinstance(undone, Unmerged)
    assert (undone.conflicts, undone.kept) == ((), ())
    with database.connect() as connection:
        assert contents(connection) == before
