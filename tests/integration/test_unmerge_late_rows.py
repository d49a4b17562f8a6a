"""Rows written under a merged-away id, after others had passed the merges on their way: an undo takes them back behind.

Then they pass the merges that stay as if they had come in time.
"""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, text

from merge_engine import MergeEngine
from rig.people_world import (
    DELETE,
    EMAILS,
    INACTIVATE,
    LEDGER,
    POINTS,
    TAGS,
    add,
    contents,
    engine_of,
    merged,
    order,
    people,
    people_engine,
    query,
    undone,
    unmerged,
)

FLAGGED = {**EMAILS, "one_flagged": "is_primary"}
KEPT = {**TAGS, "collision": {"policy": "highest", "column": "rank", "losing_rows": "keep_on_loser"}}


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[Engine]:
    yield from people_engine()


def test_a_flag_that_came_late_gives_way_to_the_one_that_came_in_time(database: Engine) -> None:
    engine = engine_of(FLAGGED)
    emails = "SELECT person, address, is_primary FROM people.emails ORDER BY address"
    with undone(database) as connection:
        people(connection, 2, 3, 6)
        add(connection, "emails", person=3, address="in time", is_primary=True)
        older, newer = (merged(engine, connection, order(*pair)) for pair in ((3, 2), (6, 3)))
        add(connection, "emails", person=2, address="late", is_primary=True)
        assert engine.reconcile(connection, 100) == 1
        assert query(connection, emails) == [(6, "in time", True), (6, "late", False)]
        apart = unmerged(engine, connection, newer)
        assert (apart.kept, apart.conflicts) == ((), ())
        assert query(connection, emails) == [(3, "in time", True), (3, "late", False)]
        apart = unmerged(engine, connection, older)
        assert (apart.kept, apart.conflicts) == ((), ())
        assert query(connection, emails) == [(3, "in time", True), (2, "late", True)]


def test_a_row_that_came_late_and_stayed_half_way_makes_room_for_the_one_that_came_in_time(database: Engine) -> None:
    engine = engine_of(KEPT)
    tags = "SELECT person, rank FROM people.tags ORDER BY rank"
    with undone(database) as connection:
        people(connection, 2, 3, 6)
        add(connection, "tags", person=3, tag="vip", rank=9)
        older, newer = (merged(engine, connection, order(*pair)) for pair in ((3, 2), (6, 3)))
        add(connection, "tags", person=2, tag="vip", rank=1)
        engine.reconcile(connection, 100)
        assert query(connection, tags) == [(3, 1), (6, 9)]
        for merge in (newer, older):
            apart = unmerged(engine, connection, merge)
            assert (apart.kept, apart.conflicts) == ((), ())
            assert query(connection, tags) == [(2, 1), (3, 9)]


def test_a_row_that_an_undo_merged_again_did_not_come_late(database: Engine) -> None:
    """It met whom it met: undoing something else must not send it past merges again whose rows have long gone on."""
    engine = engine_of(KEPT)
    with undone(database) as connection:
        people(connection, 1, 2, 3, 4, 5)
        for number, rank in ((1, 9), (2, 1), (4, 2), (5, 3)):
            add(connection, "tags", person=number, tag="vip", rank=rank)
        unmerged(engine, connection, merged(engine, connection, order(1, 5, 2)), "5")
        merged(engine, connection, order(3, 1))
        before = contents(connection)
        assert query(connection, "SELECT person FROM people.tags ORDER BY 1") == [(2,), (3,), (4,), (5,)]
        unmerged(engine, connection, merged(engine, connection, order(3, 4)))
        assert contents(connection) == before


def test_a_flag_that_another_row_bears_by_now_is_listed_and_the_row_goes_home_without_it(database: Engine) -> None:
    engine = engine_of(FLAGGED)
    with undone(database) as connection:
        people(connection, 1, 2)
        for number in (1, 2):
            add(connection, "emails", person=number, address=f"of {number}", is_primary=True)
        merge = merged(engine, connection, order(1, 2))
        add(connection, "emails", person=2, address="since", is_primary=True)
        apart = unmerged(engine, connection, merge)
        assert [(conflict.table, conflict.reason) for conflict in apart.conflicts] == [("people.emails", "TAKEN_SINCE")]
        assert query(connection, "SELECT person, address, is_primary FROM people.emails ORDER BY address") == [
            (1, "of 1", True),
            (2, "of 2", False),
            (2, "since", True),
        ]


@pytest.mark.parametrize("had_points", [True, False])
def test_late_rows_go_through_a_customer_that_was_deleted_and_come_back_through_it(
    database: Engine,
    had_points: bool,  # noqa: FBT001
) -> None:
    """Its record stands in for a moment: figures are added to it, rows meet at it, and every merge can be undone."""
    children = (LEDGER, POINTS, FLAGGED, TAGS)
    inactivating, deleting = (engine_of(*children, disposition=kind) for kind in (INACTIVATE, DELETE))
    with undone(database) as connection:
        people(connection, 1, 2, 3, name="n")
        for number in (2, 3) if had_points else ():
            _earn(connection, number, 100)
        add(connection, "tags", person=3, tag="vip")
        add(connection, "emails", person=3, address="at three", is_primary=True)
        before = contents(connection)
        older = merged(inactivating, connection, order(2, 1))
        newer = merged(deleting, connection, order(3, 2))
        _earn(connection, 1, 5)
        add(connection, "tags", person=1, tag="vip")
        add(connection, "emails", person=1, address="late", is_primary=True)
        while deleting.reconcile(connection, 100):
            pass
        assert query(connection, "SELECT no FROM people.customers ORDER BY no") == [(1,), (3,)]
        assert _found(deleting, connection) == {("RECORD_DIFFERS_FROM_MAP", "1")}, "the other plan kept the record"
        apart = unmerged(deleting, connection, newer)
        assert (apart.kept, apart.conflicts) == ((), ())
        assert _found(inactivating, connection) == set()
        assert query(connection, "SELECT person FROM people.tags ORDER BY person") == [(2,), (3,)]
        primary = "SELECT person, is_primary FROM people.emails ORDER BY person"
        assert query(connection, primary) == [(2, True), (3, True)]
        apart = unmerged(inactivating, connection, older)
        assert (apart.kept, apart.conflicts) == ((), ())
        assert _found(inactivating, connection) == set()
        for table, late in (("points", 5), ("points_ledger", 5), ("tags", "vip"), ("emails", "late")):
            column = {"tags": "tag", "emails": "address"}.get(table, "points")
            taken = connection.execute(
                text(f"DELETE FROM people.{table} WHERE person = 1 AND {column} = :late"), {"late": late}
            )
            assert taken.rowcount == 1
        assert contents(connection) == before


def test_late_rows_come_back_through_deleted_customers_that_cannot_stand_in(database: Engine) -> None:
    """The e-mail of 1 is another's by now, and 1 may not be without: rows go past, noted all along."""
    engine = engine_of(LEDGER, POINTS, disposition=DELETE)
    with undone(database) as connection:
        _named_people(connection, 1, 2, 3, 4, mail=True)
        for number in (1, 2, 3, 4):
            _earn(connection, number, 100)
        before = contents(connection)
        merges = [merged(engine, connection, order(*pair)) for pair in ((1, 2), (3, 1), (4, 3))]
        _earn(connection, 2, 5)
        assert engine.reconcile(connection, 100) == 2
        assert query(connection, "SELECT person, points FROM people.points_ledger WHERE points = 5") == [(4, 5)]
        for merge, home in zip(reversed(merges), (3, 1, 2), strict=True):
            apart = unmerged(engine, connection, merge)
            assert (apart.kept, apart.conflicts) == ((), ())
            assert query(connection, "SELECT person FROM people.points_ledger WHERE points = 5") == [(home,)]
            assert query(connection, "SELECT person FROM people.points WHERE points % 100 = 5") == [(home,)]
            assert _found(engine, connection) == set()
        connection.execute(text("DELETE FROM people.points_ledger WHERE points = 5"))
        connection.execute(text("UPDATE people.points SET points = 100 WHERE person = 2"))
        assert contents(connection) == before


def test_a_deleted_customer_stands_in_without_the_one_value_that_is_anothers_by_now(database: Engine) -> None:
    """Nobody comes without a name here, so the rest of the record has to be there: figures go through it."""
    engine = engine_of(LEDGER, POINTS, disposition=DELETE)
    with undone(database) as connection:
        _named_people(connection, 1, 2, 3)
        older, newer = (merged(engine, connection, order(*pair)) for pair in ((1, 2), (3, 1)))
        _earn(connection, 2, 5)
        while engine.reconcile(connection, 100):
            pass
        assert query(connection, "SELECT no FROM people.customers") == [(3,)]
        for merge, home in ((newer, 1), (older, 2)):
            apart = unmerged(engine, connection, merge)
            assert (apart.kept, apart.conflicts) == ((), ())
            for table in ("points", "points_ledger"):
                rows = query(connection, f"SELECT person FROM people.{table} WHERE points = 5")
                assert rows == [(home,)]
            assert _found(engine, connection) == set()
        people_ = query(connection, "SELECT no, name, email FROM people.customers ORDER BY no")
        assert people_ == [(1, "n", "one@example.com"), (2, "n", None), (3, "n", None)]


def test_a_late_row_that_the_database_refuses_holds_up_no_other_row(database: Engine) -> None:
    engine = engine_of(LEDGER, TAGS, EMAILS, disposition=INACTIVATE)
    ledger = "SELECT person, points FROM people.points_ledger ORDER BY points"
    with undone(database) as connection:
        people(connection, 1, 2, 4, 5)
        connection.execute(
            text("ALTER TABLE people.points_ledger ADD CONSTRAINT odd CHECK (person = 2 OR points NOT IN (3, 4, 9))")
        )
        connection.execute(text("ALTER TABLE people.tags ADD CONSTRAINT rare CHECK (person = 2 OR tag <> 'rare')"))
        merge = merged(engine, connection, order(1, 2))
        merged(engine, connection, order(4, 5))
        for points in range(1, 12):
            add(connection, "points_ledger", person=2, points=points)
        for tag in ("rare", "vip"):
            add(connection, "tags", person=2, tag=tag)
        add(connection, "emails", person=2, address="late")
        add(connection, "points_ledger", person=5, points=99)
        assert engine.reconcile(connection, 100) == 10
        assert query(connection, ledger) == [
            *((2 if points in {3, 4, 9} else 1, points) for points in range(1, 12)),
            (4, 99),
        ]
        # Rows of one customer that are unique decide about each other: they stay together.
        assert query(connection, "SELECT DISTINCT person FROM people.tags") == [(2,)]
        assert query(connection, "SELECT person FROM people.emails") == [(1,)]
        assert engine.reconcile(connection, 100) == 0
        assert _found(engine, connection) == {("ROWS_LEFT_ON_LOSER", "2")}
        apart = unmerged(engine, connection, merge)
        assert (apart.kept, apart.conflicts) == ((), ())
        assert query(connection, "SELECT DISTINCT person FROM people.points_ledger ORDER BY 1") == [(2,), (4,)]


def test_what_gave_way_to_a_late_row_that_went_past_a_deleted_customer_comes_back(database: Engine) -> None:
    engine = engine_of({**TAGS, "collision": {"policy": "keep_loser"}}, disposition=DELETE)
    tags = "SELECT person, rank FROM people.tags ORDER BY person"
    with undone(database) as connection:
        _named_people(connection, 1, 2, 3, mail=True)
        add(connection, "tags", person=3, tag="vip", rank=9)
        older, newer = (merged(engine, connection, order(*pair)) for pair in ((1, 2), (3, 1)))
        add(connection, "tags", person=2, tag="vip", rank=1)
        assert engine.reconcile(connection, 100) == 2
        assert query(connection, tags) == [(3, 1)]
        for merge, home in ((newer, 1), (older, 2)):
            apart = unmerged(engine, connection, merge)
            assert (apart.kept, apart.conflicts) == ((), ())
            assert query(connection, tags) == [(home, 1), (3, 9)]


def _named_people(connection: Connection, *numbers: int, mail: bool = False) -> None:
    """Customers must have names here, and only 1 has an e-mail, which 1 may not be without (`mail`).

    Rows may name a customer that was deleted.
    """
    connection.execute(text("ALTER TABLE people.customers ALTER COLUMN name SET NOT NULL"))
    for table in ("points", "points_ledger", "tags"):
        connection.execute(text(f"ALTER TABLE people.{table} DROP CONSTRAINT {table}_org_person_fkey"))
    people(connection, *numbers, name="n")
    connection.execute(text("UPDATE people.customers SET email = 'one@example.com' WHERE no = 1"))
    if mail:
        connection.execute(
            text("ALTER TABLE people.customers ADD CONSTRAINT mail CHECK (no <> 1 OR email IS NOT NULL)")
        )


def _earn(connection: Connection, person: int, points: int) -> None:
    add(connection, "points_ledger", person=person, points=points)
    add(connection, "points", person=person, points=points, bonus=0)


def _found(engine: MergeEngine, connection: Connection) -> set[tuple[str, str]]:
    return {(finding.kind.value, finding.customer_id) for finding in engine.verify(connection)}
