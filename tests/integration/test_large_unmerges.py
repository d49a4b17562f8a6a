"""Large merges whose rows go back in chunks, on a real PostgreSQL, one transaction after the other."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from customer_identity.merging import (
    Kept,
    Merged,
    Refused,
    Returned,
    RowsReturning,
    Unmerged,
    UnmergeMode,
    UnmergeOrder,
)
from event_runtime.database import create_engine
from merge_engine import ErasureWaits, FindingKind, LeaseLost, MergeEngine
from rig.customer_rows import TENANT, contents, order, rich_customer, rows
from rig.large_customers import Mover, Returner, engine_with, many_orders
from rig.taking_apart import undo

INLINE, CHUNK, MANY = 50, 20, 130
OF_B = MANY + 2 + 4  # orders, and a row each of four other tables that move in chunks


@pytest.fixture
def database(migrated: Callable[..., str]) -> Iterator[Engine]:
    engine = create_engine(migrated("customer_merge_demo.store", "merge_worker"))
    with engine.begin() as connection:
        for customer_id in "abcd":
            rich_customer(connection, customer_id)
        many_orders(connection, "b", MANY)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(tmp_path: Path) -> MergeEngine:
    return engine_with(tmp_path, inline_rows=INLINE)


@pytest.fixture
def before(database: Engine) -> dict[str, list[str]]:
    with database.connect() as connection:
        return contents(connection)


@pytest.fixture
def merge_id(database: Engine, engine: MergeEngine, before: dict[str, list[str]]) -> str:
    """The merge of b into a, whose rows have moved."""
    return _merge(engine, database, "a", "b")


def _merge(engine: MergeEngine, database: Engine, winner_id: str, *loser_ids: str) -> str:
    with database.begin() as connection:
        (merged,) = engine.merge(connection, [order(winner_id, *loser_ids)])
    assert isinstance(merged, Merged)
    if merged.rows == "MOVING":
        Mover(engine, database, chunk_rows=CHUNK).to_the_end()
    return merged.merge_id


def _begin(engine: MergeEngine, database: Engine, asked: UnmergeOrder) -> object:
    with database.begin() as connection:
        return engine.begin_unmerge(connection, asked)


def _begun(engine: MergeEngine, database: Engine, asked: UnmergeOrder) -> Returner:
    begun = _begin(engine, database, asked)
    assert isinstance(begun, RowsReturning)
    return Returner(engine, database)


def _owners(connection: Connection) -> dict[object, object]:
    found = rows(connection, "SELECT customer_id, count(*) FROM store.orders GROUP BY customer_id")
    return {customer_id: count for customer_id, count in found}  # noqa: C416 - rows are no pairs to mypy


def _rules(result: object) -> Sequence[tuple[str, bool]]:
    assert isinstance(result, Refused)
    return [(error.rule, error.permanent) for error in result.errors]


def test_rows_go_back_chunk_by_chunk_and_then_everything_is_as_if_the_merge_had_never_been(
    database: Engine, engine: MergeEngine, merge_id: str, before: dict[str, list[str]]
) -> None:
    begun = _begin(engine, database, undo(merge_id))
    assert isinstance(begun, RowsReturning)
    with database.connect() as connection:
        assert _owners(connection) == {"a": MANY + 4, "c": 2, "d": 2}
    returner = Returner(engine, database)
    moved: list[int] = []
    while (step := returner.chunk()).line:
        assert step.notice == len(moved) + 1  # number 0 was told when it began
        moved.append(step.merge.rows_moved)
        with database.connect() as connection:
            (under_way,) = engine.large.still_moving(connection)
            assert (under_way.going_back, under_way.rows_moved, under_way.rows_total) == (True, moved[-1], begun.rows)
            assert engine.canonical(connection, TENANT, ["b"])["b"].canonical_id == "a"
    assert moved[-1] == begun.rows
    assert max(after - so_far for so_far, after in zip([0, *moved], moved, strict=False)) == CHUNK
    undone = returner.finish()
    assert isinstance(undone, Unmerged)
    assert undone.order == undo(merge_id)
    assert Returned(table="store.orders", rows=MANY + 2) in undone.returned
    assert (undone.kept, undone.conflicts) == ((), ())
    with database.connect() as connection:
        assert contents(connection) == before
        assert engine.large.still_moving(connection) == []
        assert [*engine.verify(connection)] == []
        assert engine.canonical(connection, TENANT, ["b"])["b"].canonical_id == "b"


def test_it_answers_what_an_undo_in_one_transaction_answers(
    database: Engine, engine: MergeEngine, merge_id: str
) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE store.orders SET customer_id = 'c' WHERE customer_id = 'a' AND mod(id, 3) = 1"
        )
        connection.exec_driver_sql("DELETE FROM store.orders WHERE customer_id = 'a' AND mod(id, 3) = 2")
    with database.connect() as connection, connection.begin() as transaction:
        at_once = engine.unmerge(connection, undo(merge_id))
        transaction.rollback()
    assert isinstance(at_once, Unmerged)
    in_chunks = _begun(engine, database, undo(merge_id)).to_the_end()
    assert isinstance(in_chunks, Unmerged)
    assert sorted(in_chunks.returned, key=str) == sorted(at_once.returned, key=str)
    kept = sum(one.rows for one in at_once.kept)
    assert kept > CHUNK
    assert in_chunks.kept == (Kept(table="store.orders", rows=kept, reason="MOVED_ELSEWHERE_SINCE"),)


def test_who_takes_over_goes_on_where_it_was_and_who_was_overtaken_changes_nothing(
    database: Engine, engine: MergeEngine, merge_id: str, before: dict[str, list[str]]
) -> None:
    assert isinstance(_begin(engine, database, undo(merge_id)), RowsReturning)
    slow = Returner(engine, database, lasts=timedelta(0))
    slow.chunk()
    quick = Returner(engine, database)
    so_far = quick.chunk().merge.rows_moved
    for act in (slow.chunk, slow.finish):
        with pytest.raises(LeaseLost):
            act()
    step = quick.chunk()
    assert step.merge.rows_moved == so_far + step.rows
    assert isinstance(quick.to_the_end(), Unmerged)
    with database.connect() as connection:
        assert contents(connection) == before
        assert engine.unmerges.claim(connection, "third", timedelta(minutes=1)) is None


def test_until_all_rows_are_back_the_identity_is_left_alone_by_everything_else(
    database: Engine, engine: MergeEngine, merge_id: str
) -> None:
    returner = _begun(engine, database, undo(merge_id))
    so_far = returner.chunk().merge.rows_moved
    with database.begin() as connection:
        for one in (order("c", "a"), order("a", "c")):
            (refused,) = engine.merge(connection, [one])
            assert _rules(refused) == [("MERGE_IN_PROGRESS", False)]
            assert [failure.rule for failure in engine.preview(connection, one).failures] == ["MERGE_IN_PROGRESS"]
        assert _rules(engine.begin_unmerge(connection, undo(merge_id))) == [("MERGE_IN_PROGRESS", False)]
        assert isinstance(engine.erase(connection, TENANT, "b"), ErasureWaits)
        assert engine.reconcile(connection, 100) == 0
        (finding,) = engine.verify(connection, merge_id)
        assert (finding.kind, finding.detail) == (
            FindingKind.ROWS_STILL_MOVING,
            f"{so_far} of {OF_B} rows went back",
        )
    assert isinstance(returner.to_the_end(), Unmerged)
    with database.begin() as connection:
        (merged,) = engine.merge(connection, [order("c", "a")])
        assert isinstance(merged, Merged)


def test_rows_written_on_either_side_meanwhile_stay_where_they_were_written(
    database: Engine, engine: MergeEngine, merge_id: str
) -> None:
    returner = _begun(engine, database, undo(merge_id))
    returner.chunk()
    with database.begin() as connection:
        many_orders(connection, "a", 3)
        many_orders(connection, "b", 5)
    assert isinstance(returner.to_the_end(), Unmerged)
    with database.connect() as connection:
        assert _owners(connection) == {"a": 5, "b": MANY + 7, "c": 2, "d": 2}
        assert [*engine.verify(connection)] == []


def test_some_losers_of_a_large_merge_get_their_rows_back_and_the_others_stay(
    database: Engine, engine: MergeEngine, before: dict[str, list[str]]
) -> None:
    with database.begin() as connection:
        many_orders(connection, "c", MANY)
        before = contents(connection)
    merge_id = _merge(engine, database, "a", "b", "c")
    assert isinstance(_begun(engine, database, undo(merge_id, "c")).to_the_end(), Unmerged)
    with database.connect() as connection:
        assert _owners(connection) == {"a": MANY + 4, "c": MANY + 2, "d": 2}
        assert [*engine.verify(connection)] == []
    assert isinstance(_begun(engine, database, undo(merge_id)).to_the_end(), Unmerged)
    with database.connect() as connection:
        assert contents(connection) == before


def test_a_small_merge_that_a_large_one_went_through_gives_those_rows_back_in_chunks_too(
    database: Engine, engine: MergeEngine, before: dict[str, list[str]]
) -> None:
    with database.begin() as connection:
        (large,) = engine.merge(connection, [order("a", "b")])
    assert isinstance(large, Merged)
    mover = Mover(engine, database, chunk_rows=CHUNK)
    mover.list_rows()
    with database.begin() as connection:
        (small,) = engine.merge(connection, [order("c", "a")])
    assert isinstance(small, Merged)
    assert small.rows == "COMPLETE"
    mover.to_the_end()
    refused = _begin(engine, database, undo(large.merge_id, mode=UnmergeMode.TREE))
    assert _rules(refused) == [("UNMERGE_NEWER_FIRST", True)]
    assert isinstance(refused, Refused)
    assert refused.errors[0].remediation == f"unmerge first: {small.merge_id}"
    for merge_id in (small.merge_id, large.merge_id):
        assert isinstance(_begun(engine, database, undo(merge_id)).to_the_end(), Unmerged)
    with database.connect() as connection:
        assert contents(connection) == before
        assert [*engine.verify(connection)] == []


def test_a_row_that_a_constraint_keeps_from_going_back_is_a_conflict_and_the_others_go(
    database: Engine, engine: MergeEngine, merge_id: str
) -> None:
    with database.begin() as connection:
        ((taken, number),) = rows(
            connection,
            "SELECT id, order_number FROM store.orders WHERE customer_id = 'a' AND order_number LIKE 'b-%'"
            " ORDER BY id DESC LIMIT 1",
        )
        connection.exec_driver_sql("CREATE UNIQUE INDEX one_number ON store.orders (customer_id, order_number)")
        connection.exec_driver_sql(
            "INSERT INTO store.orders (tenant_id, customer_id, order_number, status, total_cents)"
            " VALUES (%(tenant)s, 'b', %(number)s, 'PAID', 1)",
            {"tenant": TENANT, "number": number},
        )
    undone = _begun(engine, database, undo(merge_id)).to_the_end()
    assert isinstance(undone, Unmerged)
    assert [(one.table, one.id, one.reason) for one in undone.conflicts] == [
        ("store.orders", str(taken), "TAKEN_SINCE")
    ]
    assert Returned(table="store.orders", rows=MANY + 1) in undone.returned


def test_few_rows_go_back_at_once(database: Engine, tmp_path: Path, engine: MergeEngine, merge_id: str) -> None:
    patient = engine_with(tmp_path, inline_rows=OF_B)
    assert isinstance(_begin(patient, database, undo(merge_id)), Unmerged)
