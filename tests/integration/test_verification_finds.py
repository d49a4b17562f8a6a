"""Every fault that a verification can report, planted: it is found, and nothing else is."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from merge_engine import FindingKind, MergeEngine
from rig.people_world import (
    DELETE,
    INACTIVATE,
    LEDGER,
    LINK,
    POINTS,
    add,
    engine_of,
    merged,
    order,
    people,
    people_engine,
    undone,
)

ORDERS = {"table": "people.orders", "customer": "buyer", "move": "repoint"}
RECORDS = (LINK, INACTIVATE, DELETE)
Faults = set[tuple[FindingKind, str]]


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[Engine]:
    yield from people_engine()


@pytest.mark.parametrize("disposition", RECORDS, ids=lambda one: str(one["kind"]))
@pytest.mark.parametrize(
    ("fault", "found"),
    [
        pytest.param(
            "UPDATE people.points SET points = points + 1 WHERE person = 3",
            {(FindingKind.SUM_DIFFERS, "3")},
            id="a figure that is not the sum",
        ),
        pytest.param(
            "DELETE FROM people.points WHERE person = 3",
            {(FindingKind.SUM_DIFFERS, "3")},
            id="a figure that is gone",
        ),
        pytest.param(
            "DELETE FROM merge.journal WHERE action = 'LOSER' AND from_id = '2'",
            {(FindingKind.JOURNAL_MISSING, "2")},
            id="a loser that the journal does not know",
        ),
        pytest.param(
            "DELETE FROM merge.journal WHERE action = 'WINNER' AND from_id = '2'",
            {(FindingKind.JOURNAL_MISSING, "1")},
            id="a winner that the journal does not know",
        ),
        pytest.param(
            "UPDATE merge.edges SET active = false WHERE loser_id = '1'",
            {(FindingKind.MAP_DIFFERS_FROM_EDGES, "1")},
            id="an edge that is off",
        ),
        pytest.param(
            "DELETE FROM merge.edges WHERE loser_id = '1'",
            {(FindingKind.MAP_DIFFERS_FROM_EDGES, "1")},
            id="an edge that is gone",
        ),
        pytest.param(
            "DELETE FROM merge.canonical WHERE customer_id = '2'",
            {(FindingKind.MAP_DIFFERS_FROM_EDGES, "2")},
            id="an id that the map does not know",
        ),
        pytest.param(
            "INSERT INTO merge.edges (merge_id, tenant_id, loser_id, winner_id, position, active) "
            "VALUES (gen_random_uuid(), 'north', '3', '1', 1, true)",
            {
                *((FindingKind.EDGES_IN_A_CIRCLE, one) for one in "123"),
                *((FindingKind.MAP_DIFFERS_FROM_EDGES, one) for one in "12"),
            },
            id="edges in a circle",
        ),
    ],
)
def test_a_planted_fault_is_found(database: Engine, disposition: Mapping[str, Any], fault: str, found: Faults) -> None:
    engine = _engine(disposition)
    with undone(database) as connection:
        _chain(engine, connection)
        connection.exec_driver_sql(fault)
        assert _found(engine, connection) == found


def test_a_chain_that_is_not_compressed_is_found(database: Engine) -> None:
    engine = _engine(INACTIVATE)
    with undone(database) as connection:
        _chain(engine, connection)
        connection.exec_driver_sql("UPDATE merge.canonical SET canonical_id = '2' WHERE customer_id = '1'")
        assert _found(engine, connection) == {
            (FindingKind.MAP_NOT_FLAT, "1"),
            (FindingKind.MAP_DIFFERS_FROM_EDGES, "1"),
        }


@pytest.mark.parametrize("disposition", [LINK, INACTIVATE], ids=lambda one: str(one["kind"]))
def test_a_row_that_was_left_on_a_loser_is_found(database: Engine, disposition: Mapping[str, Any]) -> None:
    engine = _engine(disposition)
    with undone(database) as connection:
        _chain(engine, connection)
        add(connection, "orders", buyer=1)
        (finding,) = engine.verify(connection)
        assert (finding.kind, finding.customer_id) == (FindingKind.ROWS_LEFT_ON_LOSER, "1")
        assert (finding.table, finding.detail) == ("people.orders", "1 rows")


@pytest.mark.parametrize(
    ("disposition", "fault", "kind"),
    [
        (LINK, "UPDATE people.customers SET merged_into = 2 WHERE no = 1", FindingKind.LINK_DIFFERS_FROM_MAP),
        (LINK, "UPDATE people.customers SET merged_into = NULL WHERE no = 1", FindingKind.LINK_DIFFERS_FROM_MAP),
        (INACTIVATE, "UPDATE people.customers SET status = 'ACTIVE' WHERE no = 1", FindingKind.RECORD_DIFFERS_FROM_MAP),
        (DELETE, "INSERT INTO people.customers (org, no) VALUES ('north', 1)", FindingKind.RECORD_DIFFERS_FROM_MAP),
    ],
    ids=["a link that is not compressed", "a link that is gone", "a mark that is gone", "a record that is back"],
)
def test_a_record_that_is_not_what_the_map_says_is_told(
    database: Engine, disposition: Mapping[str, Any], fault: str, kind: FindingKind
) -> None:
    engine = _engine(disposition)
    with undone(database) as connection:
        _chain(engine, connection)
        connection.exec_driver_sql(fault)
        assert _found(engine, connection) == {(kind, "1")}


def _engine(disposition: Mapping[str, Any]) -> MergeEngine:
    return engine_of(ORDERS, LEDGER, POINTS, disposition=disposition)


def _chain(engine: MergeEngine, connection: Connection) -> None:
    """1 was merged into 2, and 2 into 3; nothing is wrong with them, nor with another merge."""
    people(connection, 1, 2, 3, 8, 9, name="n")
    for number in (1, 3):
        add(connection, "orders", buyer=number)
        add(connection, "points_ledger", person=number, points=number)
        add(connection, "points", person=number, points=number, bonus=0)
    for winner, loser in ((2, 1), (3, 2), (9, 8)):
        merged(engine, connection, order(winner, loser))
    assert list(engine.verify(connection)) == []


def _found(engine: MergeEngine, connection: Connection) -> Faults:
    """What is found in the whole database, which must be found in the merges' own identity and in no other."""
    found = {(finding.kind, finding.customer_id) for finding in engine.verify(connection)}
    other = connection.exec_driver_sql("SELECT merge_id::text FROM merge.merges WHERE winner_id = '9'").scalar_one()
    assert list(engine.verify(connection, other)) == []
    return found
