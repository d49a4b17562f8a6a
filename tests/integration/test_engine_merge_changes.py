"""What the audit can tell of a merge, and what a preview offers to choose."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from sqlalchemy import Engine

from customer_identity.merging import ActorRef, Merged, MergeOrder, RowChoice
from event_runtime.database import create_engine
from merge_engine import MergeEngine
from rig.customer_rows import customer, order, rich_customer
from rig.profile_world import PROFILES

DEFAULT = MergeEngine.load("default")
SPEKTRIX = MergeEngine.load("spektrix")
UNKNOWN = "01a2055c-e81f-72bd-b298-81f03a382919"


@pytest.fixture
def box_office(migrated: Callable[..., str]) -> Iterator[Engine]:
    url = migrated("merge_worker")
    with psycopg.connect(url, autocommit=True) as connection:
        for script in ("schema.sql", "seed.sql"):
            connection.execute((PROFILES / "spektrix" / script).read_bytes())
    engine = create_engine(url)
    yield engine
    engine.dispose()


def test_fields_that_the_winner_got_are_told_with_before_and_after_and_no_others(database: Engine) -> None:
    with database.begin() as connection:
        customer(connection, "a", full_name="Ada Quimby")
        customer(connection, "b", full_name="A. Quimby", occupation="baker")
        (merged,) = DEFAULT.merge(connection, [order("a", "b")])
        assert isinstance(merged, Merged)
        changes = DEFAULT.merge_changes(connection, merged.merge_id)
    assert changes is not None
    changed = {one.field: (one.before, one.after) for one in changes.winner}
    assert changed["occupation"] == (None, "baker")
    assert "full_name" not in changed
    (loser,) = changes.losers
    assert loser.customer_id == "b"
    assert loser.record is not None
    assert (loser.record["full_name"], loser.record["occupation"]) == ("A. Quimby", "baker")


def test_rows_that_lost_a_collision_are_told_as_they_were(database: Engine) -> None:
    with database.begin() as connection:
        rich_customer(connection, "a")
        rich_customer(connection, "b")
        (merged,) = DEFAULT.merge(connection, [order("a", "b")])
        assert isinstance(merged, Merged)
        changes = DEFAULT.merge_changes(connection, merged.merge_id)
    assert changes is not None
    aside = {(one.table, one.customer_id): one.rows for one in changes.put_aside}
    assert [row["email"] for row in aside["store.emails", "b"]] == ["shared@example.com"]
    assert [row["tag"] for row in aside["store.customer_tags", "b"]] == ["vip"]


def test_rows_that_were_not_picked_are_told_whoever_had_them(box_office: Engine) -> None:
    picked = MergeOrder(
        tenant_id="default",
        command_id="c-1",
        winner_id="I-1010",
        loser_ids=("I-1011",),
        requested_by=ActorRef(id="dee", roles=("merge",)),
        reason="test",
        row_choices=(RowChoice(table="spektrix.addresses", keep_ids=()),),
    )
    with box_office.begin() as connection:
        (merged,) = SPEKTRIX.merge(connection, [picked])
        assert isinstance(merged, Merged)
        changes = SPEKTRIX.merge_changes(connection, merged.merge_id)
    assert changes is not None
    (aside,) = changes.put_aside
    assert (aside.table, aside.customer_id) == ("spektrix.addresses", "I-1010")
    assert [row["street"] for row in aside.rows] == ["2 Hill View"]


@pytest.mark.parametrize("merge_id", [UNKNOWN, "not an id"])
def test_a_merge_that_there_is_not_has_changed_nothing(database: Engine, merge_id: str) -> None:
    with database.begin() as connection:
        assert DEFAULT.merge_changes(connection, merge_id) is None


def test_a_preview_offers_the_rows_of_everybody_who_takes_part_and_only_of_choosable_tables(box_office: Engine) -> None:
    asked = MergeOrder(
        tenant_id="default",
        command_id="c-1",
        winner_id="I-1001",
        loser_ids=("I-1002",),
        requested_by=ActorRef(id="dee", roles=("merge",)),
        reason="test",
    )
    with box_office.begin() as connection:
        offered = SPEKTRIX.preview(connection, asked).choices
    rows = {one.table.removeprefix("spektrix."): [(row.id, row.customer_id) for row in one.rows] for one in offered}
    assert rows == {
        "addresses": [("1", "I-1001"), ("2", "I-1002"), ("3", "I-1002")],
        "contact_preferences": [("1", "I-1001"), ("2", "I-1002"), ("3", "I-1002")],
        "tags": [("1", "I-1001"), ("2", "I-1002"), ("3", "I-1002"), ("4", "I-1002")],
        "relationships": [("1", "I-1002")],
    }
    assert offered[2].rows[0].values["tag"] == "likes opera"


def test_a_preview_with_an_unknown_customer_offers_nothing(box_office: Engine) -> None:
    asked = order("I-1001", "I-9999", tenant_id="default")
    with box_office.begin() as connection:
        assert SPEKTRIX.preview(connection, asked).choices == ()
