"""Which consent counts when customers become one, on a real PostgreSQL, and back again."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from customer_identity.merging import ConsentDecision
from rig.people_world import (
    CONSENTS,
    add,
    engine_of,
    order,
    people,
    people_engine,
    query,
    undone,
)
from rig.there_and_back import there_and_back


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[Engine]:
    yield from people_engine()


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
        merge = there_and_back(engine_of(CONSENTS), connection, order(1, 2, 3))
        assert merge.consent_decisions == (ConsentDecision(channel="mail", result=result, evidence=evidence),)
        assert query(connection, "SELECT person, granted FROM people.consents") == [(1, result == "GRANTED")]


def test_the_most_restrictive_consent_is_an_opt_out_with_any_number_of_losers(database: Engine) -> None:
    engine = engine_of({**CONSENTS, "collision": {"policy": "most_restrictive", "column": "granted"}})
    with undone(database) as connection:
        people(connection, 1, 2, 3)
        for person, granted in ((1, True), (2, False), (3, True)):
            add(connection, "consents", person=person, channel="mail", granted=granted, evidence="form", said_at=NOW)
        there_and_back(engine, connection, order(1, 3, 2))
        assert query(connection, "SELECT person, granted FROM people.consents") == [(1, False)]
