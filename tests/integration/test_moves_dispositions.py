"""What becomes of a loser's record: linked, inactivated or deleted; and records without a version column."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from customer_identity.merging import ApprovalRef, Disposition, Merged, Noop, Redirect, Refused
from merge_engine import Canonical, FindingKind
from rig.people_world import (
    CHILDREN,
    DELETE,
    DELETING,
    INACTIVATE,
    LINK,
    ORG,
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

RECORD = "SELECT no, name, email, status, merged_into FROM people.customers ORDER BY no"
CONFIGURATIONS = pytest.mark.parametrize("disposition", [LINK, INACTIVATE, DELETE], ids=lambda one: str(one["kind"]))
ORDERS = {"table": "people.orders", "customer": "buyer", "move": "repoint"}


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[Engine]:
    yield from people_engine()


@pytest.mark.parametrize(
    ("disposition", "record"),
    [
        (LINK, [(2, "Bob", None, "MERGED", 1)]),
        (INACTIVATE, [(2, "Bob", None, "MERGED", None)]),
        (DELETE, []),
    ],
    ids=["link", "inactivate", "delete"],
)
def test_a_merge_leaves_the_record_as_the_plan_says_and_an_undo_restores_it(
    database: Engine, disposition: Mapping[str, Any], record: list[tuple[Any, ...]]
) -> None:
    engine = engine_of(ORDERS, disposition=disposition)
    with undone(database) as connection:
        people(connection, 1)
        people(connection, 2, name="Bob", email="bob@example.com")
        add(connection, "orders", buyer=2)
        before = contents(connection)
        merge = merged(engine, connection, order(1, 2))
        assert [loser.disposition for loser in merge.losers] == [Disposition(str(disposition["kind"]).upper())]
        # The address is unique: the winner can take it because the loser gave it up first.
        assert query(connection, RECORD) == [(1, "Bob", "bob@example.com", "ACTIVE", None), *record]
        assert engine.canonical(connection, ORG, ["2"]) == {"2": Canonical(canonical_id="1", version=1)}
        assert list(engine.verify(connection)) == []
        undo = unmerged(engine, connection, merge)
        assert (undo.kept, undo.conflicts) == ((), ())
        assert contents(connection) == before
        assert undo.redirects == (Redirect(from_id="2", direct_to="2", canonical="2", version=2),)


@CONFIGURATIONS
def test_who_was_merged_away_answers_with_the_winner_and_takes_no_part_again(
    database: Engine, disposition: Mapping[str, Any]
) -> None:
    engine = engine_of(ORDERS, disposition=disposition)
    with undone(database) as connection:
        people(connection, 1, 2, 3)
        merged(engine, connection, order(1, 2))
        assert refused(engine, connection, order(2, 3)) == ["WINNER_PREVIOUSLY_MERGED"]
        (as_loser,) = engine.merge(connection, [order(3, 2)])
        assert isinstance(as_loser, Refused)
        assert [(error.rule, error.remediation.split()[1]) for error in as_loser.errors] == [
            ("LOSER_PREVIOUSLY_MERGED", "1")
        ]
        (again,) = engine.merge(connection, [order(2, 1)])
        assert isinstance(again, Noop)
        (unapproved,) = engine.merge(connection, [order(3, 2, follow_redirects=True)])
        assert isinstance(unapproved, Refused)
        assert [error.rule for error in unapproved.errors] == ["APPROVAL_OF_ROOTS_MISSING"]
        roots = engine.preview(connection, order(3, 1)).versions
        reviewed: dict[str, Any] = {
            "approvals": (ApprovalRef(by="eve", at=datetime.now(UTC)),),
            "expected_versions": roots,
        }
        (followed,) = engine.merge(connection, [order(3, 2, follow_redirects=True, **reviewed)])
        assert isinstance(followed, Merged)
        assert [loser.id for loser in followed.losers] == ["1"]
        assert engine.canonical(connection, ORG, ["1", "2"]) == {
            "1": Canonical(canonical_id="3", version=1),
            "2": Canonical(canonical_id="3", version=2),
        }


@CONFIGURATIONS
def test_a_chain_is_taken_apart_newest_first_to_what_it_was(database: Engine, disposition: Mapping[str, Any]) -> None:
    children = DELETING if disposition is DELETE else CHILDREN
    engine = engine_of(*children, disposition=disposition)
    with undone(database) as connection:
        people(connection, 1, 2, 3, name="n")
        for number in (1, 2, 3):
            add(connection, "orders", buyer=number, payer=number, buyer_name="n")
            add(connection, "emails", person=number, address="same", is_primary=True)
            add(connection, "tags", person=number, tag=f"tag-{number}")
            add(connection, "preferences", person=number, language=f"l{number}")
            add(connection, "points_ledger", person=number, points=number)
            add(connection, "points", person=number, points=number)
            add(connection, "visits", visitor=number)
        before = contents(connection)
        merges = [merged(engine, connection, order(2, 1)), merged(engine, connection, order(3, 2))]
        assert list(engine.verify(connection)) == []
        for merge in reversed(merges):
            undo = unmerged(engine, connection, merge)
            assert (undo.kept, undo.conflicts) == ((), ())
            assert list(engine.verify(connection)) == []
        assert contents(connection) == before


def test_rows_written_later_go_past_a_customer_that_was_deleted_and_come_back_through_it(database: Engine) -> None:
    inactivating, deleting = engine_of(ORDERS, disposition=INACTIVATE), engine_of(ORDERS, disposition=DELETE)
    owner = "SELECT buyer FROM people.orders"
    with undone(database) as connection:
        people(connection, 1, 2, 3)
        first = merged(inactivating, connection, order(2, 1))
        second = merged(deleting, connection, order(3, 2))
        add(connection, "orders", buyer=1)
        assert deleting.reconcile(connection, 10) == 1
        assert query(connection, owner) == [(3,)]
        unmerged(deleting, connection, second)
        assert query(connection, owner) == [(2,)]
        unmerged(inactivating, connection, first)
        assert query(connection, owner) == [(1,)]


def test_a_deleted_customer_is_shown_by_the_map_alone(database: Engine) -> None:
    engine = engine_of(ORDERS, disposition=DELETE)
    with undone(database) as connection:
        people(connection, 1, 2)
        merged(engine, connection, order(1, 2))
        assert engine.records(connection, ORG, ["2"]) == {}
        account = engine.account(connection, ORG, "1")
        assert account is not None
        assert [one.customer_id for one in account.merged_accounts] == ["2"]


def test_an_inactivated_customer_is_shown_with_whoever_answers_for_it(database: Engine) -> None:
    engine = engine_of(ORDERS, disposition=INACTIVATE)
    with undone(database) as connection:
        people(connection, 1, 2)
        merged(engine, connection, order(1, 2))
        records = engine.records(connection, ORG, ["1", "2"])
        assert {id_: record.merged_into for id_, record in records.items()} == {"1": None, "2": "1"}


@CONFIGURATIONS
def test_a_record_that_is_not_what_the_map_says_is_found(database: Engine, disposition: Mapping[str, Any]) -> None:
    engine = engine_of(ORDERS, disposition=disposition)
    with undone(database) as connection:
        people(connection, 1, 2)
        merged(engine, connection, order(1, 2))
        if disposition is DELETE:
            people(connection, 2)
        connection.exec_driver_sql("UPDATE people.customers SET status = 'ACTIVE', merged_into = NULL WHERE no = 2")
        (finding,) = engine.verify(connection)
        linked = disposition is LINK
        assert finding.customer_id == "2"
        assert finding.kind is (FindingKind.LINK_DIFFERS_FROM_MAP if linked else FindingKind.RECORD_DIFFERS_FROM_MAP)


def test_a_deleted_record_whose_place_was_taken_is_reported_and_nothing_else_is_lost(database: Engine) -> None:
    engine = engine_of(ORDERS, disposition=DELETE, fields={"name": "WINNER_STRICT"})
    with undone(database) as connection:
        people(connection, 1, 2)
        connection.exec_driver_sql("UPDATE people.customers SET email = 'bob@example.com' WHERE no = 2")
        add(connection, "orders", buyer=2)
        merge = merged(engine, connection, order(1, 2))
        connection.exec_driver_sql("UPDATE people.customers SET email = 'bob@example.com' WHERE no = 1")
        before = contents(connection)
        result = None
        with connection.begin_nested():
            result = engine.unmerge(connection, _undo_of(merge))
        assert isinstance(result, Refused), result
        assert contents(connection) == before


def test_a_record_without_a_version_column_is_versioned_by_what_it_holds(database: Engine) -> None:
    engine = engine_of(ORDERS)
    with undone(database) as connection:
        people(connection, 1, 2, 3)
        versions = {id_: one.version for id_, one in engine.records(connection, ORG, ["1", "2", "3"]).items()}
        assert len(set(versions.values())) == 3
        assert all(0 <= version < 2**63 for version in versions.values())
        connection.exec_driver_sql("UPDATE people.customers SET name = 'changed' WHERE no = 2")
        assert refused(engine, connection, order(1, 2, expected_versions=versions)) == ["STALE_VERSION"]
        connection.exec_driver_sql("UPDATE people.customers SET name = NULL WHERE no = 2")
        merge = merged(engine, connection, order(1, 2, expected_versions=versions))
        after = engine.records(connection, ORG, ["1", "2"])
        assert merge.winner.version == after["1"].version
        assert merge.losers[0].version == after["2"].version != versions["2"]


def _undo_of(merge: Merged) -> Any:
    from customer_identity.merging import UnmergeOrder
    from rig.people_world import ACTOR

    return UnmergeOrder(
        tenant_id=ORG, command_id="undo", merge_id=merge.merge_id, requested_by=ACTOR, reason="wrong person"
    )


def test_the_version_of_a_deleted_record_only_rises(database: Engine) -> None:
    engine = engine_of(ORDERS, disposition=DELETE, version="version")
    with undone(database) as connection:
        connection.exec_driver_sql("ALTER TABLE people.customers ADD COLUMN version integer NOT NULL DEFAULT 4")
        people(connection, 1, 2)
        merge = merged(engine, connection, order(1, 2, expected_versions={"1": 4, "2": 4}))
        assert (merge.winner.version, merge.losers[0].version) == (5, 5)
        undo = unmerged(engine, connection, merge)
        assert [restored.version for restored in undo.restored] == [6]
        assert query(connection, "SELECT no, version FROM people.customers ORDER BY 1") == [(1, 6), (2, 6)]
