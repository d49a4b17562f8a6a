"""What an order decides about rows: which of them are kept, and who takes over what the winner does not."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from customer_identity.merging import ConsentDecision, Moved, Refused
from rig.people_world import (
    CONSENTS,
    ORG,
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

ORDERS: list[dict[str, Any]] = [
    {"table": "people.orders", "customer": "buyer", "move": "repoint"},
    {"table": "people.orders", "customer": "agent", "move": "repoint", "facilitator": True},
]
NOW, EARLIER = "2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[Engine]:
    yield from people_engine()


def _ids(connection: Connection, table: str, owner: str = "person") -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for person, id_ in query(connection, f"SELECT {owner}, id::text FROM people.{table} ORDER BY id"):
        found.setdefault(person, []).append(id_)
    return found


def test_only_chosen_rows_are_kept_whoever_they_belonged_to(database: Engine) -> None:
    engine = engine_of(TAGS)
    with undone(database) as connection:
        people(connection, 1, 2, 3, 4)
        for person, tag in ((1, "a"), (1, "b"), (2, "a"), (2, "c"), (3, "d"), (4, "a")):
            add(connection, "tags", person=person, tag=tag)
        before = contents(connection)
        chosen = order(1, 2, 3, choices={"people.tags": ["a", "c"]})
        assert engine.preview(connection, chosen).moves == (Moved(table="people.tags", rows=1, collisions=3),)
        merge = merged(engine, connection, chosen)
        assert merge.moved == (Moved(table="people.tags", rows=1, collisions=3),)
        found = query(connection, "SELECT person, tag FROM people.tags ORDER BY 1, 2")
        assert found == [(1, "a"), (1, "c"), (4, "a")]
        unmerged(engine, connection, merge)
        assert contents(connection) == before


def test_a_choice_of_nothing_puts_all_rows_aside(database: Engine) -> None:
    with undone(database) as connection:
        people(connection, 1, 2)
        for person in (1, 2):
            add(connection, "tags", person=person, tag="a")
        merge = merged(engine_of(TAGS), connection, order(1, 2, choices={"people.tags": []}))
        assert merge.moved == (Moved(table="people.tags", rows=0, collisions=2),)
        assert query(connection, "SELECT * FROM people.tags") == []


def test_of_two_merges_in_one_batch_each_keeps_what_it_chose(database: Engine) -> None:
    with undone(database) as connection:
        people(connection, 1, 2, 3, 4)
        for person in (1, 2, 3, 4):
            add(connection, "tags", person=person, tag=f"t{person}")
        orders = [order(1, 2, choices={"people.tags": ["t2"]}), order(3, 4)]
        engine_of(TAGS).merge(connection, orders)
        found = query(connection, "SELECT person, tag FROM people.tags ORDER BY 1, 2")
        assert found == [(1, "t2"), (3, "t3"), (3, "t4")]


@pytest.mark.parametrize(
    ("keep_ids", "shown"),
    [
        (["zzz"], "zzz"),
        (["x"], "x"),
        (["not an id"], "not an id"),
        (["zero\0character"], "zero"),
        (["'; DROP TABLE people.tags; --"], "DROP TABLE"),
        (["y" * 1_000_000], "yyy"),
    ],
    ids=["unknown", "somebody else's", "no id", "zero character", "SQL", "long"],
)
def test_rows_that_belong_to_nobody_of_the_merge_cannot_be_chosen(
    database: Engine, keep_ids: list[str], shown: str
) -> None:
    engine = engine_of(TAGS)
    with undone(database) as connection:
        people(connection, 1, 2, 9)
        add(connection, "tags", person=1, tag="a")
        add(connection, "tags", person=9, tag="x")
        before = contents(connection)
        wrong = order(1, 2, choices={"people.tags": ["a", *keep_ids]})
        (result,) = engine.merge(connection, [wrong])
        assert isinstance(result, Refused)
        (error,) = result.errors
        assert (error.rule, error.field, error.permanent) == ("ROW_CHOICE_INVALID", "people.tags", True)
        assert shown in error.message
        assert len(error.message) < 300
        previewed = engine.preview(connection, wrong)
        assert not previewed.eligible
        assert [failure.rule for failure in previewed.failures] == ["ROW_CHOICE_INVALID"]
        assert contents(connection) == before


def test_rows_of_a_table_that_the_plan_does_not_offer_cannot_be_chosen(database: Engine) -> None:
    with undone(database) as connection:
        people(connection, 1, 2)
        unknown = order(1, 2, choices={"people.orders": [], "people.nowhere": ["1"]})
        assert refused(engine_of(TAGS, *ORDERS), connection, unknown) == ["ROW_CHOICE_INVALID"] * 2


@pytest.mark.parametrize(
    ("evidence", "kept", "decided"),
    [
        (None, False, ConsentDecision(channel="mail", result="DENIED", evidence="letter")),
        ("signed form", True, ConsentDecision(channel="mail", result="GRANTED", evidence="signed form")),
    ],
    ids=["without evidence", "with evidence"],
)
@pytest.mark.parametrize("policy", ["latest_evidence", "most_restrictive"])
def test_an_opt_out_gives_way_to_a_chosen_row_with_evidence_only(
    database: Engine, policy: str, evidence: str | None, kept: object, decided: ConsentDecision
) -> None:
    column = "said_at" if policy == "latest_evidence" else "granted"
    engine = engine_of({**CONSENTS, "collision": {"policy": policy, "column": column}})
    with undone(database) as connection:
        people(connection, 1, 2)
        add(connection, "consents", person=1, channel="mail", granted=True, evidence=evidence, said_at=EARLIER)
        add(connection, "consents", person=2, channel="mail", granted=False, evidence="letter", said_at=NOW)
        before = contents(connection)
        chosen = order(1, 2, choices={"people.consents": _ids(connection, "consents")[1]})
        previewed = engine.preview(connection, chosen)
        merge = merged(engine, connection, chosen)
        assert previewed.moves == merge.moved
        assert merge.consent_decisions == (decided,)
        assert query(connection, "SELECT person, granted FROM people.consents") == [(1, kept)]
        unmerged(engine, connection, merge)
        assert contents(connection) == before


def test_an_opt_out_stays_where_no_row_of_its_channel_was_chosen(database: Engine) -> None:
    with undone(database) as connection:
        people(connection, 1, 2)
        add(connection, "consents", person=2, channel="mail", granted=False, said_at=NOW)
        add(connection, "consents", person=2, channel="phone", granted=True, evidence="form", said_at=NOW)
        merged(engine_of(CONSENTS), connection, order(1, 2, choices={"people.consents": []}))
        assert query(connection, "SELECT person, channel, granted FROM people.consents") == [(1, "mail", False)]


def test_relations_are_chosen_one_by_one(database: Engine) -> None:
    relations = [{**child, "choosable": True} for child in RELATIONS]
    engine = engine_of(*relations)
    with undone(database) as connection:
        people(connection, 1, 2, 8, 9)
        for person, other in ((1, 8), (2, 8), (2, 9), (9, 2)):
            add(connection, "relations", person=person, other=other, kind="friend")
        before = contents(connection)
        ids = {row[1:]: row[0] for row in query(connection, "SELECT id::text, person, other FROM people.relations")}
        chosen = order(1, 2, choices={"people.relations": [ids[2, 9], ids[2, 8]]})
        previewed = engine.preview(connection, chosen)
        merge = merged(engine, connection, chosen)
        assert previewed.moves == merge.moved
        assert query(connection, "SELECT person, other FROM people.relations ORDER BY 1, 2") == [(1, 8), (1, 9)]
        unmerged(engine, connection, merge)
        assert contents(connection) == before


def test_rows_of_a_facilitator_go_to_whom_the_order_names_and_return(database: Engine) -> None:
    engine = engine_of(*ORDERS)
    with undone(database) as connection:
        people(connection, 1, 2, 7)
        for buyer, agent in ((2, 2), (1, 2), (2, 7), (9, 1)):
            people(connection, *({buyer} - {1, 2, 7}))
            add(connection, "orders", buyer=buyer, agent=agent)
        before = contents(connection)
        merge = merged(engine, connection, order(1, 2, facilitator_id="7"))
        found = query(connection, "SELECT buyer, agent FROM people.orders ORDER BY id")
        assert found == [(1, 7), (1, 7), (1, 7), (9, 1)]
        assert list(engine.verify(connection)) == []
        unmerged(engine, connection, merge)
        assert contents(connection) == before


def test_rows_written_for_a_merged_facilitator_later_go_the_same_way(database: Engine) -> None:
    engine = engine_of(*ORDERS)
    with undone(database) as connection:
        people(connection, 1, 2, 7)
        merged(engine, connection, order(1, 2, facilitator_id="7"))
        add(connection, "orders", agent=2)
        assert engine.reconcile(connection, 10) == 1
        assert query(connection, "SELECT agent FROM people.orders") == [(7,)]


def test_without_a_facilitator_its_rows_go_to_the_winner(database: Engine) -> None:
    with undone(database) as connection:
        people(connection, 1, 2)
        add(connection, "orders", agent=2)
        merged(engine_of(*ORDERS), connection, order(1, 2))
        assert query(connection, "SELECT agent FROM people.orders") == [(1,)]


@pytest.mark.parametrize("facilitator", ["1", "2", "404", "no number", "8"])
def test_a_facilitator_is_a_third_customer_that_exists_and_was_not_merged_away(
    database: Engine, facilitator: str
) -> None:
    engine = engine_of(*ORDERS)
    with undone(database) as connection:
        people(connection, 1, 2, 7, 8)
        merged(engine, connection, order(7, 8))
        before = contents(connection)
        assert refused(engine, connection, order(1, 2, facilitator_id=facilitator)) == ["FACILITATOR_INVALID"]
        assert contents(connection) == before


def test_a_plan_without_facilitated_rows_takes_no_facilitator(database: Engine) -> None:
    with undone(database) as connection:
        people(connection, 1, 2, 7)
        assert refused(engine_of(TAGS), connection, order(1, 2, facilitator_id="7")) == ["FACILITATOR_INVALID"]
        assert engine_of(TAGS).canonical(connection, ORG, ["2"])["2"].version == 0
