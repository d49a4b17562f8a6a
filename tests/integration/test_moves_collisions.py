"""Rows that cannot all follow: which of them stays, policy by policy, on a real PostgreSQL, and back again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine

from customer_identity.merging import Moved
from rig.people_world import (
    EMAILS,
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
)
from rig.there_and_back import there_and_back


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[Engine]:
    yield from people_engine()


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
        merge = there_and_back(engine, connection, order(1, 2, 3))
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
        there_and_back(engine, connection, order(1, 3, 2))
        found = query(connection, "SELECT person, address, is_primary FROM people.emails ORDER BY 2")
        assert found == [(1, "e2", False), (1, "e3", True)]


def test_rows_without_an_id_of_their_own_are_told_apart_by_their_key(database: Engine) -> None:
    with undone(database) as connection:
        people(connection, 1, 2, 3, 4)
        for person, tag in ((1, "a"), (2, "a"), (2, "b"), (3, "b"), (4, "a"), (4, "b")):
            add(connection, "tags", person=person, tag=tag)
        merge = there_and_back(engine_of(TAGS), connection, order(1, 2, 3))
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
        there_and_back(engine_of(preferences), connection, order(1, 2, 3))
        assert query(connection, "SELECT person, language FROM people.preferences") == [(1, kept)]


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
        with pytest.raises(psycopg.errors.UniqueViolation), connection.begin_nested():
            merged(engine_of(emails), connection, order(1, 2))
        assert contents(connection) == before
