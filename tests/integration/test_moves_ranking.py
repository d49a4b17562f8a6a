"""Whatever rows collide, the policy alone says which of them stays, and all of them come back."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from rig.examples import examples
from rig.people_world import (
    EMAILS,
    contents,
    engine_of,
    fill,
    merged,
    order,
    people_engine,
    query,
    undone,
    unmerged,
)

WINNER = 1


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[Engine]:
    yield from people_engine()


@dataclass(frozen=True, kw_only=True)
class Email:
    """One row of a table in which a customer has an address once."""

    person: int
    address: str | None
    rank: int | None


@st.composite
def _emails(draw: st.DrawFn, losers: Sequence[int]) -> list[Email]:
    """Any rows that the unique constraint allows."""
    people = st.sampled_from([WINNER, *losers])
    rows = draw(
        st.lists(
            st.builds(
                Email, person=people, address=st.sampled_from([None, "a", "b", "c"]), rank=st.none() | st.integers(0, 3)
            ),
            max_size=14,
        )
    )
    allowed = {(row.person, row.address): row for row in rows if row.address is not None}
    return [*allowed.values(), *(row for row in rows if row.address is None)]


@st.composite
def _collisions(draw: st.DrawFn) -> tuple[dict[str, str], list[int], list[Email]]:
    losers = draw(st.permutations([2, 3, 4]))[: draw(st.integers(1, 3))]
    policy = draw(st.sampled_from(["keep_winner", "keep_loser", "newest", "oldest", "highest", "most_restrictive"]))
    collision = {"policy": policy, "losing_rows": draw(st.sampled_from(["remove", "keep_on_loser"]))}
    if not policy.startswith("keep"):
        collision["column"] = "rank"
    return collision, losers, draw(_emails(losers))


def _preference(policy: str, row: Email, position: int) -> tuple[Any, ...]:
    """What the policy prefers comes first."""
    if policy == "keep_loser":
        return (position == 0, position)
    if policy == "keep_winner":
        return (position,)
    rank = row.rank if row.rank is None or policy in {"oldest", "most_restrictive"} else -row.rank
    return (rank is None, rank or 0, position)


def _expected(collision: Mapping[str, str], losers: Sequence[int], rows: Sequence[Email]) -> Counter[Email]:
    """Who has which row afterwards, by the rules of the policies alone."""
    left: Counter[Email] = Counter()
    by_address: dict[str, list[Email]] = defaultdict(list)
    positions = {person: position for position, person in enumerate([WINNER, *losers])}
    for row in rows:
        if row.address is None:
            left[Email(person=WINNER, address=None, rank=row.rank)] += 1
        else:
            by_address[row.address].append(row)
    for alike in by_address.values():
        best, *others = sorted(alike, key=lambda row: _preference(collision["policy"], row, positions[row.person]))
        left[Email(person=WINNER, address=best.address, rank=best.rank)] += 1
        if collision["losing_rows"] == "keep_on_loser":
            left.update(row for row in others if row.person != WINNER)
    return left


def _write(connection: Connection, losers: Sequence[int], rows: Sequence[Email]) -> None:
    fill(connection, "customers", [{"no": number, "status": "ACTIVE"} for number in (WINNER, *losers)])
    fill(
        connection,
        "emails",
        [
            {"id": f"00000000-0000-0000-0000-{place:012}", "is_primary": False, **_columns(row)}
            for place, row in enumerate(rows)
        ],
    )


def _columns(row: Email) -> dict[str, Any]:
    return {"person": row.person, "address": row.address, "rank": row.rank}


def _read(connection: Connection) -> Counter[Email]:
    found = query(connection, "SELECT person, address, rank FROM people.emails")
    return Counter(Email(person=person, address=address, rank=rank) for person, address, rank in found)


@settings(max_examples=examples(100))
@given(case=_collisions())
def test_rows_of_all_losers_are_ranked_together(
    database: Engine, case: tuple[dict[str, str], list[int], list[Email]]
) -> None:
    collision, losers, rows = case
    engine = engine_of({**EMAILS, "collision": collision})
    with undone(database) as connection:
        _write(connection, losers, rows)
        before = contents(connection)
        previewed = engine.preview(connection, order(WINNER, *losers))
        merge = merged(engine, connection, order(WINNER, *losers))
        assert _read(connection) == _expected(collision, losers, rows)
        assert previewed.moves == merge.moved
        assert list(engine.verify(connection)) == []
        assert engine.reconcile(connection, 100) == 0
        unmerged(engine, connection, merge)
        assert contents(connection) == before


@settings(max_examples=examples(40))
@given(case=_collisions(), reorder=st.randoms(use_true_random=False))
def test_where_the_policy_decides_the_order_of_the_losers_does_not(
    database: Engine, case: tuple[dict[str, str], list[int], list[Email]], reorder: Any
) -> None:
    """Ranks are made distinct: then nothing is left to the order."""
    collision, losers, rows = case
    if collision["policy"].startswith("keep"):
        collision = {**collision, "policy": "newest", "column": "rank"}
    distinct = [Email(person=row.person, address=row.address, rank=place) for place, row in enumerate(rows)]
    reordered = list(losers)
    reorder.shuffle(reordered)
    engine = engine_of({**EMAILS, "collision": collision})
    results = []
    for sequence in (losers, reordered):
        with undone(database) as connection:
            _write(connection, losers, distinct)
            merge = merged(engine, connection, order(WINNER, *sequence))
            results.append((_read(connection), merge.moved))
    assert results[0] == results[1]
