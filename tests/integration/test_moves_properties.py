"""What holds for every merge, whatever rows there are: nothing lost, nothing doubled, and the whole way back."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from customer_identity.merging import Merged
from merge_engine import MergeEngine
from rig.examples import examples
from rig.people_world import (
    CHILDREN,
    DELETE,
    DELETING,
    INACTIVATE,
    LINK,
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

WINNER, OTHER = 1, 9


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[Engine]:
    yield from people_engine()


@dataclass(kw_only=True)
class World:
    """Rows for every table, by table, and an order."""

    losers: list[int]
    facilitator: str | None
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


@st.composite
def _worlds(draw: st.DrawFn) -> World:
    losers = draw(st.permutations([2, 3, 4]))[: draw(st.integers(1, 3))]
    world = World(losers=losers, facilitator=draw(st.sampled_from([None, "8"])))
    everybody = [WINNER, *losers, 8, OTHER]
    person = st.sampled_from(everybody)
    nobody = st.none() | person
    small = st.integers(0, 3)
    parents = {number: draw(nobody) for number in everybody}
    world.rows["customers"] = [
        {
            "no": number,
            "name": draw(st.sampled_from([None, "Ann", "Bob"])),
            "email": draw(st.none() | st.just(f"{number}@example.com")),
            "parent": None if parents[number] == number else parents[number],
            "status": "ACTIVE",
        }
        for number in everybody
    ]

    def some(unique: Sequence[str] = (), **columns: st.SearchStrategy[Any]) -> list[dict[str, Any]]:
        rows = draw(st.lists(st.fixed_dictionaries(columns), max_size=6))
        by_key = {tuple(row[column] for column in unique) or place: row for place, row in enumerate(rows)}
        return [{"id": place, **row} for place, row in enumerate(by_key.values(), start=1)]

    names = st.sampled_from([None, "Ann", "Bob", "Eve"])
    tag = st.sampled_from(["a", "b", "c"])
    world.rows["orders"] = some(buyer=nobody, payer=nobody, agent=nobody, buyer_name=names)
    world.rows["emails"] = [
        {**row, "id": f"00000000-0000-0000-0000-{row['id']:012}", "is_primary": row["rank"] == 0}
        for row in some(("person", "address"), person=person, address=tag, rank=small)
    ]
    primary: set[int] = set()
    for row in world.rows["emails"]:
        row["is_primary"] = row["is_primary"] and row["person"] not in primary
        primary |= {row["person"]} if row["is_primary"] else set()
    world.rows["tags"] = _without_id(some(("person", "tag"), person=person, tag=tag, rank=small))
    world.rows["preferences"] = _without_id(some(("person",), person=person, language=tag))
    world.rows["consents"] = some(
        ("person", "channel"),
        person=person,
        channel=tag,
        granted=st.sampled_from([True, False, None]),
        evidence=st.sampled_from([None, "", "form"]),
        said_at=st.sampled_from([None, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"]),
    )
    owner_type = st.sampled_from(["Customer", "Contact"])
    world.rows["notes"] = some(owner_type=owner_type, owner_id=person.map(str), body=st.just("x"))
    world.rows["points_ledger"] = some(person=person, points=small)
    world.rows["points"] = _accounts(draw, world.rows["points_ledger"], everybody)
    world.rows["relations"] = [
        row
        for row in some(("person", "other", "kind"), person=person, other=person, kind=tag)
        if row["person"] != row["other"]
    ]
    world.rows["subscriptions"] = some(("person", "list"), person=person, list=tag)
    world.rows["visits"] = some(visitor=person)
    world.rows["leases"] = some(person=person)
    return world


def _without_id(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "id"} for row in rows]


def _accounts(draw: st.DrawFn, ledger: Sequence[Mapping[str, Any]], everybody: Sequence[int]) -> list[dict[str, Any]]:
    """Points are the sum of the ledger; whoever has none may have no account, or an empty one."""
    sums = Counter[int]()
    for row in ledger:
        sums[row["person"]] += row["points"]
    accounts = [
        {
            "person": number,
            "points": sums[number] or draw(st.sampled_from([0, None])),
            "bonus": draw(st.sampled_from([None, 0, 1.25])),
        }
        for number in everybody
        if sums[number] or draw(st.booleans())
    ]
    return [{"id": place, **row} for place, row in enumerate(accounts, start=1)]


@pytest.mark.parametrize(
    ("disposition", "children"),
    [(LINK, CHILDREN), (INACTIVATE, CHILDREN), (DELETE, DELETING)],
    ids=["link", "inactivate", "delete"],
)
@settings(max_examples=examples(50))
@given(world=_worlds())
def test_a_merge_does_what_its_preview_said_loses_nothing_and_can_be_taken_back(
    database: Engine, disposition: Mapping[str, Any], children: Sequence[Mapping[str, Any]], world: World
) -> None:
    engine = engine_of(*children, disposition=disposition)
    with undone(database) as connection:
        for table, rows in world.rows.items():
            if table not in {"leases", "subscriptions"} or children is CHILDREN:
                fill(connection, table, rows)
        before = contents(connection)
        merge_order = order(WINNER, *world.losers, facilitator_id=world.facilitator)
        previewed = engine.preview(connection, merge_order)
        merge = merged(engine, connection, merge_order)
        assert previewed.moves == merge.moved
        assert list(engine.verify(connection)) == []
        _assert_nothing_lost(connection, before, contents(connection), merge)
        _assert_sums(before, contents(connection))
        undo = unmerged(engine, connection, merge)
        assert (undo.kept, undo.conflicts) == ((), ())
        assert contents(connection) == before


def _assert_nothing_lost(
    connection: Connection, before: Mapping[str, list[str]], after: Mapping[str, list[str]], merge: Merged
) -> None:
    """Every row is still there once, or stands in the journal; new rows are copies, or an account for the winner."""
    journal = query(
        connection,
        "SELECT table_name, action, row_ids, before FROM merge.journal WHERE merge_id = CAST(:id AS uuid)",
        id=merge.merge_id,
    )
    for table in before:
        if table in {"customers", "tags", "preferences"}:
            continue
        was, now = (Counter(json.loads(row)["id"] for row in found[table]) for found in (before, after))
        lines = [line for line in journal if line[0].startswith(f"people.{table}") and _is_of(line[0], table)]
        aside = Counter(
            _own_id(id_) for _, action, ids, _ in lines if action in {"REMOVED", "CHOSEN_AWAY"} for id_ in ids
        )
        aside += Counter(image["id"] for _, action, _, image in lines if action == "SUMMED")
        made = Counter(_own_id(id_) for _, action, ids, _ in lines if action == "COPIED" for id_ in ids)
        if any(action == "CREATED" for _, action, _, _ in lines):
            made += now - was
        assert max(now.values(), default=1) == 1
        assert now + aside == was + made, table
    assert len(after["tags"]) + _put_aside(merge, "tags") == len(before["tags"])
    assert len(after["preferences"]) + _put_aside(merge, "preferences") == len(before["preferences"])


def _is_of(label: str, table: str) -> bool:
    return label.removeprefix("people.").split(".")[0].split("[")[0] == table


def _own_id(id_: str) -> int | str:
    return int(id_) if id_.isdecimal() else id_


def _put_aside(merge: Merged, table: str) -> int:
    return sum(moved.collisions for moved in merge.moved if moved.table == f"people.{table}")


def _assert_sums(before: Mapping[str, list[str]], after: Mapping[str, list[str]]) -> None:
    for table in ("points", "points_ledger"):
        totals = [sum(json.loads(row)["points"] or 0 for row in found[table]) for found in (before, after)]
        assert totals[0] == totals[1]


@settings(max_examples=examples(20))
@given(world=_worlds(), data=st.data())
def test_a_preview_of_chosen_rows_is_right_and_the_rest_comes_back(
    database: Engine, world: World, data: st.DataObject
) -> None:
    engine = _choosing()
    with undone(database) as connection:
        for table, rows in world.rows.items():
            fill(connection, table, rows)
        before = contents(connection)
        members = (WINNER, *world.losers)
        choices = {}
        for table, own in (("tags", "tag"), ("consents", "id"), ("relations", "id")):
            ids = [
                str(row[own]) for row in world.rows[table] if row["person"] in members or row.get("other") in members
            ]
            if data.draw(st.booleans()):
                choices[f"people.{table}"] = data.draw(st.lists(st.sampled_from(ids), unique=True)) if ids else []
        merge_order = order(WINNER, *world.losers, choices=choices)
        previewed = engine.preview(connection, merge_order)
        merge = merged(engine, connection, merge_order)
        assert previewed.moves == merge.moved
        unmerged(engine, connection, merge)
        assert contents(connection) == before


def _choosing() -> MergeEngine:
    return engine_of(
        *({**child, "choosable": True} if child["table"] == "people.relations" else child for child in CHILDREN)
    )
