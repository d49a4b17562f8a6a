"""TREE over other plans: losers linked, inactivated or deleted, ids of several columns, exact sums, kept rows."""

import json
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, example, given, note, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from customer_identity.merging import ActorRef, Noop, Unmerged, UnmergeMode, UnmergeOrder
from merge_engine import MergeEngine
from rig.examples import examples
from rig.people_world import (
    DELETE,
    EMAILS,
    INACTIVATE,
    LEDGER,
    LINK,
    NOTES,
    ORG,
    POINTS,
    PREFERENCES,
    TAGS,
    add,
    contents,
    engine_of,
    merged,
    order,
    people_engine,
    undone,
)

PAYER = {"table": "people.orders", "customer": "payer", "move": "repoint"}
KEPT_TAGS = {**TAGS, "collision": {"policy": "highest", "column": "rank", "losing_rows": "keep_on_loser"}}
SUMS_STAY = {**POINTS, "losing_rows": "keep_on_loser"}
MOVES = (PAYER, {**EMAILS, "one_flagged": "is_primary"}, TAGS, PREFERENCES, NOTES, LEDGER, POINTS)
KEEPING = (PAYER, {**EMAILS, "one_flagged": "is_primary"}, KEPT_TAGS, PREFERENCES, NOTES, LEDGER, SUMS_STAY)
PEOPLE = range(1, 7)
# One transaction for two whole histories; a timer that runs is not set again.
UNHURRIED = (
    "SELECT set_config('transaction_timeout', '2min', true) WHERE current_setting('server_version_num')::int >= 170000"
)


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[Engine]:
    yield from people_engine()


@pytest.mark.parametrize(
    ("disposition", "children"),
    [(LINK, MOVES), (INACTIVATE, KEEPING), (DELETE, MOVES)],
    ids=["link", "inactivate and keep", "delete"],
)
# A seed says it all: what fails is shown as it is, for shrinking a history of merges takes minutes.
@settings(max_examples=examples(50), phases=[Phase.explicit, Phase.generate])
@example(seed=8910295)
@given(seed=st.integers(min_value=0))
def test_a_loser_leaves_as_if_it_had_never_been_merged(
    database: Engine, disposition: Mapping[str, Any], children: Sequence[Mapping[str, Any]], seed: int
) -> None:
    random = Random(seed)  # noqa: S311 - no secret
    engine = engine_of(*children, disposition=disposition)
    roots, merges = list(PEOPLE), []
    for _ in range(random.randint(1, 4)):
        if len(roots) > 1:
            winner, *losers = random.sample(roots, min(len(roots), random.choice([2, 2, 3])))
            merges.append((winner, losers))
            roots = [root for root in roots if root not in losers]
    place = random.randrange(max(1, len(merges) - 1))
    leaver = random.choice(merges[place][1])
    note(f"{merges}, {leaver} leaves merge {place}")
    with undone(database) as connection:
        connection.exec_driver_sql(UNHURRIED)
        for number in PEOPLE:
            _add(connection, number, random)
        with connection.begin_nested() as with_it:
            made = [merged(engine, connection, order(winner, *losers)) for winner, losers in merges]
            result = engine.unmerge(connection, _undo(made[place].merge_id, leaver))
            assert isinstance(result, Unmerged), result
            assert (result.kept, result.conflicts) == ((), ())
            assert list(engine.verify(connection)) == []
            ended = _comparable(connection)
            _undo_the_rest(engine, connection, [one.merge_id for one in reversed(made)])
            apart = _comparable(connection)
            with_it.rollback()
        assert apart == _comparable(connection)
        for at, (winner, losers) in enumerate(merges):
            left = [loser for loser in losers if at != place or loser != leaver]
            if left:
                merged(engine, connection, order(winner, *left))
        assert ended == _comparable(connection)


def _undo_the_rest(engine: MergeEngine, connection: Connection, merge_ids: Sequence[str]) -> None:
    """What is left is as good a history as any: newest first it comes apart without a remark."""
    for merge_id in merge_ids:
        result = engine.unmerge(connection, _undo(merge_id))
        assert isinstance(result, Unmerged | Noop), result
        if isinstance(result, Unmerged):
            assert (result.kept, result.conflicts) == ((), ())


def _add(connection: Connection, number: int, random: Random) -> None:
    """A customer with rows whose keys come from small pools, so that they meet."""
    email = random.choice([None, f"{number}@example.com"])
    add(connection, "customers", no=number, name=random.choice([None, f"name {number}"]), email=email)
    for _ in range(random.randint(0, 2)):
        add(connection, "orders", payer=number)
    primary = random.choice([True, False])
    for address in random.sample("xyz", random.randint(0, 2)):
        add(connection, "emails", person=number, address=address, is_primary=primary)
        primary = False
    for tag in random.sample("pqr", random.randint(0, 2)):
        add(connection, "tags", person=number, tag=tag, rank=random.randint(1, 9))
    if random.choice([True, False]):
        add(connection, "preferences", person=number, language=random.choice(["en", "de"]))
    add(connection, "notes", owner_type="Customer", owner_id=str(number), body="x")
    if random.choice([True, True, False]):
        points = random.randint(1, 9)
        add(connection, "points_ledger", person=number, points=points)
        add(connection, "points", person=number, points=points, bonus=random.choice(["0.00", "0.10", "12345678.90"]))


def _comparable(connection: Connection) -> dict[str, list[str]]:
    """All rows, without the ids of rows of figures that merges make."""
    found = contents(connection)
    images = [json.loads(row, parse_float=str) for row in found["points"]]
    found["points"] = sorted(json.dumps({**image, "id": None}) for image in images)
    return found


def _undo(merge_id: str, *losers: int) -> UnmergeOrder:
    return UnmergeOrder(
        tenant_id=ORG,
        command_id="undo",
        merge_id=merge_id,
        loser_ids=tuple(str(loser) for loser in losers),
        mode=UnmergeMode.TREE if losers else UnmergeMode.LINEAR,
        requested_by=ActorRef(id="test"),
        reason="wrong person",
    )
