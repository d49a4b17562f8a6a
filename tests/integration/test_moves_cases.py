"""Every way of moving rows, case by case, on a real PostgreSQL: who has which row afterwards, and back again."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from customer_identity.merging import Moved
from rig.people_world import (
    NOTES,
    RELATIONS,
    add,
    engine_of,
    merged,
    order,
    people,
    people_engine,
    query,
    refused,
    undone,
    unmerged,
)
from rig.there_and_back import there_and_back


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[Engine]:
    yield from people_engine()


def test_only_rows_that_say_so_belong_to_a_customer(database: Engine) -> None:
    with undone(database) as connection:
        people(connection, 1, 2)
        for owner_type in ("Customer", "Contact", None):
            add(connection, "notes", owner_type=owner_type, owner_id="2", body="x")
        merge = there_and_back(engine_of(NOTES), connection, order(1, 2))
        assert merge.moved == (Moved(table="people.notes", rows=1, collisions=0),)
        found = query(connection, "SELECT owner_type, owner_id FROM people.notes ORDER BY 1")
        assert found == [("Contact", "2"), ("Customer", "1"), (None, "2")]


def test_rows_without_a_tenant_move_by_their_customer_alone(database: Engine) -> None:
    visits = {"table": "people.visits", "customer": "visitor", "tenant": False, "move": "repoint"}
    with undone(database) as connection:
        people(connection, 1, 2)
        add(connection, "visits", visitor=2)
        there_and_back(engine_of(visits), connection, order(1, 2))
        assert query(connection, "SELECT visitor FROM people.visits") == [(1,)]


def test_a_row_that_names_customers_twice_moves_by_both(database: Engine) -> None:
    orders = [{"table": "people.orders", "customer": column, "move": "repoint"} for column in ("buyer", "payer")]
    with undone(database) as connection:
        people(connection, 1, 2, 3, 4)
        for buyer, payer in ((2, 3), (2, 4), (4, 3), (1, 2)):
            add(connection, "orders", buyer=buyer, payer=payer)
        merge = there_and_back(engine_of(*orders), connection, order(1, 2, 3))
        assert merge.moved == (Moved(table="people.orders", rows=5, collisions=0),)
        assert query(connection, "SELECT buyer, payer FROM people.orders ORDER BY id") == [
            (1, 1),
            (1, 4),
            (4, 1),
            (1, 1),
        ]


def test_relations_between_those_who_merge_go_and_equal_ones_become_one(database: Engine) -> None:
    with undone(database) as connection:
        people(connection, 1, 2, 3, 9)
        for person, other in ((1, 2), (2, 3), (3, 1), (2, 9), (3, 9), (9, 2), (9, 1)):
            add(connection, "relations", person=person, other=other, kind="spouse")
        merge = there_and_back(engine_of(*RELATIONS), connection, order(1, 2, 3))
        assert merge.moved == (Moved(table="people.relations", rows=1, collisions=5),)
        assert query(connection, "SELECT person, other FROM people.relations ORDER BY 1, 2") == [(1, 9), (9, 1)]


def test_customers_that_name_a_loser_name_the_winner_and_nobody_names_itself(database: Engine) -> None:
    parents = {"table": "people.customers", "customer": "parent", "move": "repoint", "row_id": ["org", "no"]}
    with undone(database) as connection:
        people(connection, 1, 2, 3, 8, 9)
        connection.exec_driver_sql("UPDATE people.customers SET parent = 2 WHERE no IN (1, 9)")
        connection.exec_driver_sql("UPDATE people.customers SET parent = 3 WHERE no IN (2, 8)")
        there_and_back(engine_of(parents), connection, order(1, 2, 3))
        found = query(connection, "SELECT no, parent FROM people.customers ORDER BY 1")
        assert found == [(1, None), (2, 1), (3, None), (8, 1), (9, 1)]


def test_a_copied_name_follows_the_winner_and_returns_with_the_rows(database: Engine) -> None:
    orders = {"table": "people.orders", "customer": "buyer", "move": "repoint", "refresh": {"buyer_name": "name"}}
    engine = engine_of(orders, fields={"name": "CONCAT"})
    with undone(database) as connection:
        people(connection, 1, name="Ann")
        people(connection, 2, name="Bob")
        for buyer, name in ((1, "Ann"), (1, "Annie"), (2, "Bob"), (2, "Bobby")):
            add(connection, "orders", buyer=buyer, buyer_name=name)
        there_and_back(engine, connection, order(1, 2))
        found = query(connection, "SELECT buyer, buyer_name FROM people.orders ORDER BY id")
        assert found == [(1, "Ann\nBob"), (1, "Annie"), (1, "Ann\nBob"), (1, "Ann\nBob")]


def test_a_copied_name_that_somebody_corrected_since_is_left_alone(database: Engine) -> None:
    orders = {"table": "people.orders", "customer": "buyer", "move": "repoint", "refresh": {"buyer_name": "name"}}
    with undone(database) as connection:
        people(connection, 1, name="Ann")
        people(connection, 2, name="Bob")
        add(connection, "orders", buyer=2, buyer_name="Bob")
        add(connection, "orders", buyer=2, buyer_name="Bob")
        merge = merged(engine_of(orders), connection, order(1, 2))
        connection.exec_driver_sql(
            "UPDATE people.orders SET buyer_name = 'Anna' WHERE id = (SELECT min(id) FROM people.orders)"
        )
        unmerged(engine_of(orders), connection, merge)
        found = query(connection, "SELECT buyer, buyer_name FROM people.orders ORDER BY id")
        assert found == [(2, "Anna"), (2, "Bob")]


def test_figures_are_added_once_and_taken_out_again(database: Engine) -> None:
    points = {
        "table": "people.points",
        "customer": "person",
        "move": "sum_into_winner",
        "row_id": "id",
        "sum": ["points", "bonus"],
    }
    for kept in ("remove", "keep_on_loser"):
        engine = engine_of({**points, "losing_rows": kept})
        with undone(database) as connection:
            people(connection, 1, 2, 3, 4)
            for person, figure, bonus in ((1, 5, None), (2, 7, "1.50"), (3, None, "0.25")):
                add(connection, "points", person=person, points=figure, bonus=bonus)
            merge = there_and_back(engine, connection, order(1, 2, 3))
            assert merge.moved == (Moved(table="people.points", rows=2, collisions=0),)
            left = [] if kept == "remove" else [(2, 0, 0), (3, None, 0)]
            found = query(connection, "SELECT person, points, bonus::float FROM people.points ORDER BY 1")
            assert found == [(1, 12, 1.75), *left]


def test_a_winner_without_a_row_gets_one_with_an_id_of_its_own(database: Engine) -> None:
    points = {
        "table": "people.points",
        "customer": "person",
        "move": "sum_into_winner",
        "row_id": "id",
        "sum": ["points", "bonus"],
    }
    with undone(database) as connection:
        people(connection, 1, 2, 3)
        for person in (2, 3):
            add(connection, "points", person=person, points=person, bonus=0)
        there_and_back(engine_of(points), connection, order(1, 2, 3))
        assert query(connection, "SELECT person, points FROM people.points") == [(1, 5)]


def test_rows_stay_where_the_plan_keeps_them(database: Engine) -> None:
    leases = {"table": "people.leases", "customer": "person", "move": "keep_on_loser"}
    with undone(database) as connection:
        people(connection, 1, 2)
        add(connection, "leases", person=2)
        merge = there_and_back(engine_of(leases), connection, order(1, 2))
        assert merge.moved == ()
        assert query(connection, "SELECT person FROM people.leases") == [(2,)]
        assert engine_of(leases).reconcile(connection, 10) == 0


def test_rows_that_the_winner_lacks_are_copied_and_the_loser_keeps_its_own(database: Engine) -> None:
    lists = {"table": "people.subscriptions", "customer": "person", "move": "copy_missing", "unique": ["list"]}
    engine = engine_of(lists)
    with undone(database) as connection:
        people(connection, 1, 2, 3)
        for person, name in ((1, "a"), (2, "a"), (2, "b"), (3, "b"), (3, "c"), (2, None)):
            add(connection, "subscriptions", person=person, list=name)
        merge = there_and_back(engine, connection, order(1, 2, 3))
        assert merge.moved == (Moved(table="people.subscriptions", rows=3, collisions=0),)
        mine = "SELECT list FROM people.subscriptions WHERE person = 1 ORDER BY 1"
        assert query(connection, mine) == [("a",), ("b",), ("c",), (None,)]
        assert query(connection, "SELECT count(*) FROM people.subscriptions WHERE person > 1") == [(5,)]
        connection.exec_driver_sql("DELETE FROM people.subscriptions WHERE person = 1 AND list = 'c'")
        assert engine.reconcile(connection, 10) == 0, "what was copied once is not copied again"
        add(connection, "subscriptions", person=2, list="later")
        assert engine.reconcile(connection, 10) == 1
        assert query(connection, mine) == [("a",), ("b",), ("later",), (None,)]


def test_a_copy_that_changed_since_is_the_winners(database: Engine) -> None:
    lists = {"table": "people.subscriptions", "customer": "person", "move": "copy_missing", "unique": ["list"]}
    with undone(database) as connection:
        people(connection, 1, 2)
        add(connection, "subscriptions", person=2, list="a")
        add(connection, "subscriptions", person=2, list="b")
        merge = merged(engine_of(lists), connection, order(1, 2))
        connection.exec_driver_sql("UPDATE people.subscriptions SET list = 'A' WHERE person = 1 AND list = 'a'")
        undo = unmerged(engine_of(lists), connection, merge)
        assert [(kept.rows, kept.reason) for kept in undo.kept] == [(1, "CHANGED_SINCE")]
        found = query(connection, "SELECT person, list FROM people.subscriptions ORDER BY 1, 2")
        assert found == [(1, "A"), (2, "a"), (2, "b")]


def test_a_customer_with_rows_that_cannot_follow_is_not_merged_away(database: Engine) -> None:
    cases = {"table": "people.cases", "customer": "person", "move": "block_if_exists", "rule": "OPEN_CASE"}
    with undone(database) as connection:
        people(connection, 1, 2)
        add(connection, "cases", person=2)
        assert refused(engine_of(cases), connection, order(1, 2)) == ["OPEN_CASE"]
        assert merged(engine_of(cases), connection, order(2, 1)).moved == ()
