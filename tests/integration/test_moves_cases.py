"""Every way of moving rows, case by case, on a real PostgreSQL: who has which row afterwards, and back again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from customer_identity.merging import ConsentDecision, Merged, Moved
from merge_engine import MergeEngine
from rig.people_world import (
    CONSENTS,
    EMAILS,
    NOTES,
    RELATIONS,
    TAGS,
    add,
    contents,
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


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[Engine]:
    yield from people_engine()


def _there_and_back(engine: MergeEngine, connection: Connection, merge_order: Any) -> Merged:
    """Preview, merge, verify, unmerge, merge again: the preview was right and the way back is complete."""
    before = contents(connection)
    previewed = engine.preview(connection, merge_order)
    merge = merged(engine, connection, merge_order)
    assert previewed.moves == merge.moved
    assert list(engine.verify(connection)) == []
    after = contents(connection)
    undo = unmerged(engine, connection, merge)
    assert (undo.kept, undo.conflicts) == ((), ())
    assert contents(connection) == before
    connection.exec_driver_sql("DELETE FROM merge.not_duplicates")
    again = merged(engine, connection, merge_order)
    assert again.moved == merge.moved
    if not any(table.endswith(("subscriptions", "points")) for table in (row.table for row in merge.moved)):
        assert contents(connection) == after
    return again


@dataclass(frozen=True, kw_only=True)
class Case:
    """E-mails as (owner, address, rank, primary): what is there, and what is there after 1 has won over 2 and 3."""

    policy: Mapping[str, Any]
    before: Sequence[tuple[int, str | None, int | None]]
    after: Sequence[tuple[int, str | None, int | None]]
    moved: Moved


def _collided(rows: int, collisions: int) -> Moved:
    return Moved(table="people.emails", rows=rows, collisions=collisions)


ALIKE = ((1, "x", 1), (2, "x", 2), (3, "x", 3))
COLLISIONS: dict[str, Case] = {
    "keep_winner keeps the winner's": Case(
        policy={"policy": "keep_winner"}, before=ALIKE, after=[(1, "x", 1)], moved=_collided(0, 2)
    ),
    "keep_winner falls back to the order of the losers": Case(
        policy={"policy": "keep_winner"}, before=ALIKE[1:], after=[(1, "x", 2)], moved=_collided(1, 1)
    ),
    "keep_loser keeps the first loser's": Case(
        policy={"policy": "keep_loser"}, before=ALIKE, after=[(1, "x", 2)], moved=_collided(1, 2)
    ),
    "keep_loser keeps the winner's where no loser has one": Case(
        policy={"policy": "keep_loser"}, before=ALIKE[:1], after=ALIKE[:1], moved=_collided(0, 0)
    ),
    "highest keeps the greatest": Case(
        policy={"policy": "highest", "column": "rank"}, before=ALIKE, after=[(1, "x", 3)], moved=_collided(1, 2)
    ),
    "newest keeps the greatest": Case(
        policy={"policy": "newest", "column": "rank"}, before=ALIKE, after=[(1, "x", 3)], moved=_collided(1, 2)
    ),
    "oldest keeps the smallest": Case(
        policy={"policy": "oldest", "column": "rank"},
        before=[(1, "x", 5), (2, "x", 2), (3, "x", 3)],
        after=[(1, "x", 2)],
        moved=_collided(1, 2),
    ),
    "most_restrictive keeps the smallest": Case(
        policy={"policy": "most_restrictive", "column": "rank"},
        before=[(1, "x", 5), (2, "x", 2), (3, "x", 3)],
        after=[(1, "x", 2)],
        moved=_collided(1, 2),
    ),
    "a missing value never wins": Case(
        policy={"policy": "oldest", "column": "rank"},
        before=[(1, "x", None), (2, "x", 2)],
        after=[(1, "x", 2)],
        moved=_collided(1, 1),
    ),
    "a tie goes to the winner": Case(
        policy={"policy": "highest", "column": "rank"},
        before=[(1, "x", 2), (2, "x", 2)],
        after=[(1, "x", 2)],
        moved=_collided(0, 1),
    ),
    "empty values never collide": Case(
        policy={"policy": "keep_winner"},
        before=[(1, None, 1), (2, None, 2), (3, None, 3)],
        after=[(1, None, 1), (1, None, 2), (1, None, 3)],
        moved=_collided(2, 0),
    ),
    "a loser's losing row stays on the loser": Case(
        policy={"policy": "keep_winner", "losing_rows": "keep_on_loser"},
        before=[*ALIKE, (2, "y", 4)],
        after=[(1, "x", 1), (1, "y", 4), (2, "x", 2), (3, "x", 3)],
        moved=_collided(1, 2),
    ),
    "a winner's losing row makes room": Case(
        policy={"policy": "newest", "column": "rank", "losing_rows": "keep_on_loser"},
        before=ALIKE,
        after=[(1, "x", 3), (2, "x", 2)],
        moved=_collided(1, 2),
    ),
    "block lets pass what does not collide": Case(
        policy={"policy": "block"},
        before=[(1, "x", 1), (2, "y", 2), (3, "z", 3)],
        after=[(1, "x", 1), (1, "y", 2), (1, "z", 3)],
        moved=_collided(2, 0),
    ),
}


@pytest.mark.parametrize("name", COLLISIONS)
def test_rows_that_collide_follow_their_policy(database: Engine, name: str) -> None:
    case = COLLISIONS[name]
    engine = engine_of({**EMAILS, "collision": case.policy})
    with undone(database) as connection:
        people(connection, 1, 2, 3)
        for person, address, rank in case.before:
            add(connection, "emails", person=person, address=address, rank=rank)
        merge = _there_and_back(engine, connection, order(1, 2, 3))
        assert query(connection, "SELECT person, address, rank FROM people.emails ORDER BY 1, 2, 3") == list(case.after)
        expected = (case.moved,) if case.moved.rows or case.moved.collisions else ()
        assert merge.moved == expected


def test_colliding_rows_block_the_merge_where_the_plan_says_so(database: Engine) -> None:
    engine = engine_of({**EMAILS, "collision": {"policy": "block"}})
    with undone(database) as connection:
        people(connection, 1, 2)
        for person in (1, 2):
            add(connection, "emails", person=person, address="x")
        before = contents(connection)
        assert refused(engine, connection, order(1, 2)) == ["ROWS_COLLIDE"]
        assert contents(connection) == before


def test_one_row_stays_primary(database: Engine) -> None:
    engine = engine_of({**EMAILS, "one_flagged": "is_primary"})
    with undone(database) as connection:
        people(connection, 1, 2, 3)
        for person in (2, 3):
            add(connection, "emails", person=person, address=f"e{person}", is_primary=True)
        _there_and_back(engine, connection, order(1, 3, 2))
        found = query(connection, "SELECT person, address, is_primary FROM people.emails ORDER BY 2")
        assert found == [(1, "e2", False), (1, "e3", True)]


def test_rows_without_an_id_of_their_own_are_told_apart_by_their_key(database: Engine) -> None:
    with undone(database) as connection:
        people(connection, 1, 2, 3, 4)
        for person, tag in ((1, "a"), (2, "a"), (2, "b"), (3, "b"), (4, "a"), (4, "b")):
            add(connection, "tags", person=person, tag=tag)
        merge = _there_and_back(engine_of(TAGS), connection, order(1, 2, 3))
        assert merge.moved == (Moved(table="people.tags", rows=1, collisions=2),)
        found = query(connection, "SELECT person, tag FROM people.tags ORDER BY 1, 2")
        assert found == [(1, "a"), (1, "b"), (4, "a"), (4, "b")]


@pytest.mark.parametrize(("policy", "kept"), [("keep_winner", "w"), ("keep_loser", "b")])
def test_of_a_table_with_one_row_a_customer_one_is_kept(database: Engine, policy: str, kept: str) -> None:
    preferences = {
        "table": "people.preferences",
        "customer": "person",
        "move": "repoint_unique",
        "row_id": ["org", "person"],
        "unique": [],
        "collision": {"policy": policy},
    }
    with undone(database) as connection:
        people(connection, 1, 2, 3)
        for person, language in ((1, "w"), (2, "b"), (3, "c")):
            add(connection, "preferences", person=person, language=language)
        _there_and_back(engine_of(preferences), connection, order(1, 2, 3))
        assert query(connection, "SELECT person, language FROM people.preferences") == [(1, kept)]


def test_only_rows_that_say_so_belong_to_a_customer(database: Engine) -> None:
    with undone(database) as connection:
        people(connection, 1, 2)
        for owner_type in ("Customer", "Contact", None):
            add(connection, "notes", owner_type=owner_type, owner_id="2", body="x")
        merge = _there_and_back(engine_of(NOTES), connection, order(1, 2))
        assert merge.moved == (Moved(table="people.notes", rows=1, collisions=0),)
        found = query(connection, "SELECT owner_type, owner_id FROM people.notes ORDER BY 1")
        assert found == [("Contact", "2"), ("Customer", "1"), (None, "2")]


def test_rows_without_a_tenant_move_by_their_customer_alone(database: Engine) -> None:
    visits = {"table": "people.visits", "customer": "visitor", "tenant": False, "move": "repoint"}
    with undone(database) as connection:
        people(connection, 1, 2)
        add(connection, "visits", visitor=2)
        _there_and_back(engine_of(visits), connection, order(1, 2))
        assert query(connection, "SELECT visitor FROM people.visits") == [(1,)]


def test_a_row_that_names_customers_twice_moves_by_both(database: Engine) -> None:
    orders = [{"table": "people.orders", "customer": column, "move": "repoint"} for column in ("buyer", "payer")]
    with undone(database) as connection:
        people(connection, 1, 2, 3, 4)
        for buyer, payer in ((2, 3), (2, 4), (4, 3), (1, 2)):
            add(connection, "orders", buyer=buyer, payer=payer)
        merge = _there_and_back(engine_of(*orders), connection, order(1, 2, 3))
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
        merge = _there_and_back(engine_of(*RELATIONS), connection, order(1, 2, 3))
        assert merge.moved == (Moved(table="people.relations", rows=1, collisions=5),)
        assert query(connection, "SELECT person, other FROM people.relations ORDER BY 1, 2") == [(1, 9), (9, 1)]


def test_customers_that_name_a_loser_name_the_winner_and_nobody_names_itself(database: Engine) -> None:
    parents = {"table": "people.customers", "customer": "parent", "move": "repoint", "row_id": ["org", "no"]}
    with undone(database) as connection:
        people(connection, 1, 2, 3, 8, 9)
        connection.exec_driver_sql("UPDATE people.customers SET parent = 2 WHERE no IN (1, 9)")
        connection.exec_driver_sql("UPDATE people.customers SET parent = 3 WHERE no IN (2, 8)")
        _there_and_back(engine_of(parents), connection, order(1, 2, 3))
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
        _there_and_back(engine, connection, order(1, 2))
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
            merge = _there_and_back(engine, connection, order(1, 2, 3))
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
        _there_and_back(engine_of(points), connection, order(1, 2, 3))
        assert query(connection, "SELECT person, points FROM people.points") == [(1, 5)]


def test_rows_stay_where_the_plan_keeps_them(database: Engine) -> None:
    leases = {"table": "people.leases", "customer": "person", "move": "keep_on_loser"}
    with undone(database) as connection:
        people(connection, 1, 2)
        add(connection, "leases", person=2)
        merge = _there_and_back(engine_of(leases), connection, order(1, 2))
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
        merge = _there_and_back(engine, connection, order(1, 2, 3))
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


NOW, EARLIER, LATER = "2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"
CONSENT_CASES: dict[str, tuple[list[tuple[int, bool, str | None, str]], tuple[str, str | None]]] = {
    "the latest evidence counts": ([(1, True, "form", EARLIER), (2, True, "call", NOW)], ("GRANTED", "call")),
    "an earlier opt-out gives way to later evidence": (
        [(1, False, None, EARLIER), (2, True, "call", NOW)],
        ("GRANTED", "call"),
    ),
    "a later opt-out needs no evidence": ([(1, True, "form", EARLIER), (2, False, None, NOW)], ("DENIED", None)),
    "a grant without evidence never counts against an opt-out": (
        [(1, False, None, EARLIER), (2, True, None, LATER)],
        ("DENIED", None),
    ),
    "blank evidence is none": ([(1, False, "form", EARLIER), (2, True, "  ", LATER)], ("DENIED", "form")),
    "at the same time the opt-out counts": ([(1, True, "form", NOW), (2, False, "call", NOW)], ("DENIED", "call")),
    "three customers are ranked together": (
        [(1, True, None, LATER), (2, False, None, EARLIER), (3, True, "form", NOW)],
        ("GRANTED", "form"),
    ),
}


@pytest.mark.parametrize("name", CONSENT_CASES)
def test_consent_follows_its_evidence(database: Engine, name: str) -> None:
    said, (result, evidence) = CONSENT_CASES[name]
    with undone(database) as connection:
        people(connection, 1, 2, 3)
        for person, granted, proof, said_at in said:
            add(connection, "consents", person=person, channel="mail", granted=granted, evidence=proof, said_at=said_at)
        merge = _there_and_back(engine_of(CONSENTS), connection, order(1, 2, 3))
        assert merge.consent_decisions == (ConsentDecision(channel="mail", result=result, evidence=evidence),)
        assert query(connection, "SELECT person, granted FROM people.consents") == [(1, result == "GRANTED")]


def test_the_most_restrictive_consent_is_an_opt_out_with_any_number_of_losers(database: Engine) -> None:
    engine = engine_of({**CONSENTS, "collision": {"policy": "most_restrictive", "column": "granted"}})
    with undone(database) as connection:
        people(connection, 1, 2, 3)
        for person, granted in ((1, True), (2, False), (3, True)):
            add(connection, "consents", person=person, channel="mail", granted=granted, evidence="form", said_at=NOW)
        _there_and_back(engine, connection, order(1, 3, 2))
        assert query(connection, "SELECT person, granted FROM people.consents") == [(1, False)]


def test_rows_written_under_a_losers_id_later_are_ranked_with_the_winners(database: Engine) -> None:
    engine = engine_of({**EMAILS, "collision": {"policy": "newest", "column": "rank", "losing_rows": "keep_on_loser"}})
    with undone(database) as connection:
        people(connection, 1, 2)
        for person, address, rank in ((1, "x", 2), (2, "x", 1)):
            add(connection, "emails", person=person, address=address, rank=rank)
        merged(engine, connection, order(1, 2))
        assert engine.reconcile(connection, 10) == 0, "what stays on purpose is nothing to move"
        add(connection, "emails", person=2, address="y", rank=1)
        assert [finding.detail for finding in engine.verify(connection)] == ["1 rows"]
        assert engine.reconcile(connection, 10) == 1
        found = query(connection, "SELECT person, address, rank FROM people.emails ORDER BY 1, 2")
        assert found == [(1, "x", 2), (1, "y", 1), (2, "x", 1)]
        assert list(engine.verify(connection)) == []


def test_a_constraint_that_the_plan_does_not_know_stops_the_merge_whole(database: Engine) -> None:
    emails = {"table": "people.emails", "customer": "person", "move": "repoint"}
    with undone(database) as connection:
        people(connection, 1, 2)
        for person in (1, 2):
            add(connection, "emails", person=person, address="x")
        before = contents(connection)
        with pytest.raises(IntegrityError), connection.begin_nested():
            merged(engine_of(emails), connection, order(1, 2))
        assert contents(connection) == before
