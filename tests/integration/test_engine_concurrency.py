"""Merges that meet other transactions: waiting is observed in pg_stat_activity, never assumed after a pause."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, Engine

from customer_identity.merging import Merged, MergeOrder, Noop, Refused
from merge_engine import MergeEngine, RootMoved
from rig.customer_rows import TENANT, insert, order, rich_customers, rows
from rig.meeting import until_done, wait_until_blocked

DEFAULT = MergeEngine.load("default")


@pytest.fixture
def database(database: Engine) -> Engine:
    rich_customers(database, "abcd")
    return database


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def _merge_until_done(database: Engine, orders: list[MergeOrder]) -> list[object]:
    return until_done(database, lambda connection: [*DEFAULT.merge(connection, orders)])


def test_an_order_inserted_on_a_loser_while_its_merge_runs_is_neither_lost_nor_left_on_the_loser(
    database: Engine, pool: ThreadPoolExecutor
) -> None:
    def late_order() -> None:
        with database.begin() as connection:
            insert(
                connection,
                "orders",
                tenant_id=TENANT,
                customer_id="b",
                order_number="late",
                status="PAID",
                total_cents=1,
            )

    with database.begin() as merging:
        DEFAULT.merge(merging, [order("a", "b")])
        inserting = pool.submit(late_order)
        wait_until_blocked(database)
    inserting.result(timeout=10)
    with database.begin() as connection:
        found = rows(connection, "SELECT customer_id FROM store.orders WHERE order_number = 'late'")
        assert found == [("b",)]
        assert [finding.kind.value for finding in DEFAULT.verify(connection)] == ["ROWS_LEFT_ON_LOSER"]
        assert DEFAULT.reconcile(connection, 100) == 1
        assert rows(connection, "SELECT customer_id FROM store.orders WHERE order_number = 'late'") == [("a",)]
        assert list(DEFAULT.verify(connection)) == []
        assert DEFAULT.reconcile(connection, 100) == 0


def test_an_order_inserted_on_a_loser_before_its_merge_makes_the_merge_wait_and_moves_with_it(
    database: Engine, pool: ThreadPoolExecutor
) -> None:
    with database.begin() as inserting:
        insert(
            inserting,
            "orders",
            tenant_id=TENANT,
            customer_id="b",
            order_number="early",
            status="PAID",
            total_cents=1,
        )
        merging = pool.submit(_merge_until_done, database, [order("a", "b")])
        wait_until_blocked(database)
    assert isinstance(merging.result(timeout=10)[0], Merged)
    with database.begin() as connection:
        assert rows(connection, "SELECT customer_id FROM store.orders WHERE order_number = 'early'") == [("a",)]
        assert list(DEFAULT.verify(connection)) == []


def test_a_row_on_a_winner_can_be_inserted_while_its_merge_runs(database: Engine) -> None:
    with database.begin() as merging:
        DEFAULT.merge(merging, [order("a", "b")])
        with database.begin() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
            insert(connection, "tickets", tenant_id=TENANT, customer_id="a", subject="s", status="OPEN")


def test_a_root_that_moves_while_its_lock_is_waited_for_starts_the_transaction_over(
    database: Engine, pool: ThreadPoolExecutor
) -> None:
    def merge_once() -> object:
        with database.begin() as connection:
            return DEFAULT.merge(connection, [order("c", "a", command_id="stale")])

    with database.begin() as first:
        DEFAULT.merge(first, [order("b", "a")])
        second = pool.submit(merge_once)
        wait_until_blocked(database)
    with pytest.raises(RootMoved):
        second.result(timeout=10)
    again = _merge_until_done(database, [order("c", "a", command_id="stale")])[0]
    assert isinstance(again, Refused)
    assert again.errors[0].rule == "LOSER_PREVIOUSLY_MERGED"


def test_merging_a_into_b_and_b_into_a_at_once_merges_once(database: Engine, pool: ThreadPoolExecutor) -> None:
    for _ in range(5):
        both: list[Future[list[object]]] = [
            pool.submit(_merge_until_done, database, [order(winner, loser)]) for winner, loser in ("ab", "ba")
        ]
        results = [future.result(timeout=20)[0] for future in both]
    assert all(isinstance(result, Merged | Noop) for result in results)
    with database.begin() as connection:
        assert rows(connection, "SELECT count(*) FROM merge.merges") == [(1,)]
        assert rows(connection, "SELECT count(*) FROM merge.edges WHERE active") == [(1,)]
        assert list(DEFAULT.verify(connection)) == []


def test_batches_over_the_same_customers_in_opposite_order_never_deadlock(
    database: Engine, pool: ThreadPoolExecutor
) -> None:
    """Both batches lock a, b, c, d in that order, whichever order their commands came in."""

    def merge(orders: list[MergeOrder]) -> list[object]:
        with database.begin() as connection:
            return [*DEFAULT.merge(connection, orders)]

    with database.begin() as blocker:
        rows(blocker, "SELECT 1 FROM store.customers WHERE customer_id = 'a' FOR UPDATE")
        one = pool.submit(merge, [order("d", "c"), order("a", "b")])
        wait_until_blocked(database, 1)
        other = pool.submit(merge, [order("b", "a", command_id="x"), order("c", "d", command_id="y")])
        wait_until_blocked(database, 2)
        held = rows(
            blocker,
            "SELECT customer_id FROM store.customers WHERE customer_id <> 'a' FOR UPDATE SKIP LOCKED",
        )
        assert len(held) == 3, "nothing beyond the first customer of the order is locked by who waits for it"
    outcomes = [_outcome(one), _outcome(other)]
    assert outcomes == [[Merged, Merged], RootMoved]
    with database.begin() as connection:
        assert list(DEFAULT.verify(connection)) == []


def _outcome(future: Future[list[object]]) -> object:
    try:
        return [type(result) for result in future.result(timeout=20)]
    except RootMoved:
        return RootMoved


def test_the_locking_statement_visits_rows_in_the_order_of_its_lists(database: Engine) -> None:
    """The plan must be driven by the lists: a hash or merge join would lock in an order of its own."""
    statement = DEFAULT._compiled.customers.lock
    with database.begin() as connection:
        plan = _plan(connection, statement)
    assert "Function Scan on n" in plan
    assert plan.count("LockRows") == 2
    assert "Nested Loop" in plan
    assert "Hash" not in plan
    assert "Merge Join" not in plan


def _plan(connection: Connection, statement: str) -> str:
    parameters = {"tenants": [TENANT] * 2, "ids": ["a", "b"], "losing": [True, False]}
    return "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters))
