"""Spektrix, ticketing: what is picked row by row, what never moves silently, what the audit keeps, large merges."""

from typing import Any

import pytest

from parity.spektrix_rows import (
    DATA_PROTECTION,
    address,
    attribute,
    individual,
    order,
    owned,
    preference,
    record,
    refused,
    related,
    tag,
)
from rig.processes import eventually
from rig.profile_world import LIMIT_S, ProfileWorld

TABS = ("addresses", "contact_preferences", "tags", "relationships")


@pytest.mark.parity(system="Spektrix", row="tabs")
def test_the_preview_has_a_tab_for_basics_and_for_every_kind_of_row(spektrix: ProfileWorld) -> None:
    winner, loser = individual(spektrix, phone="555 0001"), individual(spektrix, phone="555 0002")
    spektrix.insert("spektrix.notes", customer_id=loser, body="Lost a glove in row F")
    rows = {
        "addresses": [address(spektrix, winner, "1 Hill"), address(spektrix, loser, "2 Dale")],
        "contact_preferences": [preference(spektrix, loser, "brochure", agreed=True)],
        "tags": [tag(spektrix, loser, "press list")],
    }
    seen = spektrix.preview(spektrix.merge(winner, loser))
    phone = next(one for one in seen["fields"] if one["decision"]["field"] == "phone")
    assert phone["alternatives"] == {winner: "555 0001", loser: "555 0002"}
    tabs = {one["table"].removeprefix("spektrix."): one["rows"] for one in seen["choices"]}
    assert {name: sorted(one["id"] for one in tabs[name]) for name in rows} == rows
    assert {move["table"]: move["rows"] for move in seen["moves"]}["spektrix.notes"] == 1


@pytest.mark.parity(system="Spektrix", row="tabs")
def test_a_tab_with_nothing_to_choose_is_greyed(spektrix: ProfileWorld) -> None:
    winner, loser = individual(spektrix), individual(spektrix)
    tag(spektrix, loser, "press list")
    choices = spektrix.preview(spektrix.merge(winner, loser))["choices"]
    greyed = {one["table"]: not one["rows"] for one in choices}
    assert greyed == {f"spektrix.{name}": name != "tags" for name in TABS}


@pytest.mark.parity(system="Spektrix", row="picked-rows")
def test_tags_preferences_and_addresses_are_picked_one_by_one(spektrix: ProfileWorld) -> None:
    winner, loser = individual(spektrix), individual(spektrix)
    tag(spektrix, winner, "wrong number")
    opera, press = tag(spektrix, loser, "likes opera"), tag(spektrix, loser, "press list")
    hill, dale = address(spektrix, winner, "1 Hill"), address(spektrix, loser, "2 Dale")
    texts = preference(spektrix, loser, "text message", agreed=True)
    preference(spektrix, loser, "brochure", agreed=True)
    choices = [
        {"table": "spektrix.tags", "keep_ids": [opera, press]},
        {"table": "spektrix.addresses", "keep_ids": [dale]},
        {"table": "spektrix.contact_preferences", "keep_ids": [texts]},
    ]
    merge_id = spektrix.merged(winner, loser, row_choices=choices)["merge_id"]
    assert owned(spektrix, "tags", "tag", winner) == [["likes opera", "press list"]]
    assert owned(spektrix, "addresses", "street", winner) == [["2 Dale"]]
    assert owned(spektrix, "contact_preferences", "purpose", winner) == [["text message"]]

    assert spektrix.worker("unmerge", merge_id, "--wait").status == 0
    assert owned(spektrix, "tags", "tag", winner, loser) == [["wrong number"], ["likes opera", "press list"]]
    assert owned(spektrix, "addresses", "address_id", winner, loser) == [[int(hill)], [int(dale)]]


@pytest.mark.parity(system="Spektrix", row="picked-rows")
def test_the_box_office_picks_email_and_rows_at_the_desk(spektrix: ProfileWorld) -> None:
    winner, loser = individual(spektrix, email="a@one.example"), individual(spektrix, email="b@two.example")
    opera, press = tag(spektrix, loser, "likes opera"), tag(spektrix, loser, "press list")
    unchosen = spektrix.desk("merge", winner, loser)
    assert (unchosen.status, "EMAIL_CHOICE_REQUIRED" in unchosen.out + unchosen.err) == (1, True)
    picks = ("--field", f"email={loser}", "--keep", f"spektrix.tags:{press}")
    assert spektrix.desk("merge", winner, loser, *picks).status == 0
    eventually(lambda: record(spektrix, loser).merged_into == winner, LIMIT_S)
    assert owned(spektrix, "tags", "tag", winner, loser) == [["press list"], []]
    assert record(spektrix, winner).email == "b@two.example"
    assert spektrix.value("SELECT count(*) FROM spektrix.tags WHERE tag_id = :id", id=int(opera)) == 0


@pytest.mark.parity(system="Spektrix", row="picked-rows")
def test_a_pick_without_evidence_never_undoes_an_opt_out(spektrix: ProfileWorld) -> None:
    winner, loser = individual(spektrix), individual(spektrix)
    yes, _no = (
        preference(spektrix, winner, "brochure", agreed=True),
        preference(spektrix, loser, "brochure", agreed=False),
    )
    spektrix.sql("UPDATE spektrix.contact_preferences SET evidence = NULL WHERE preference_id = :id", id=int(yes))
    choices = [{"table": "spektrix.contact_preferences", "keep_ids": [yes]}]
    spektrix.merged(winner, loser, row_choices=choices)
    assert owned(spektrix, "contact_preferences", "agreed", winner) == [[False]]


@pytest.mark.parity(system="Spektrix", row="relationships")
def test_relationships_block_a_merge_until_a_facilitator_and_the_rows_are_named(spektrix: ProfileWorld) -> None:
    winner, loser, partner, friend = (individual(spektrix) for _ in range(4))
    kept, dropped = related(spektrix, loser, partner), related(spektrix, loser, friend, "friend")
    arranged = order(spektrix, partner, facilitator_id=loser)
    assert refused(spektrix.outcome(spektrix.merge(winner, loser))) == ["RELATIONSHIPS_PRESENT"]
    choice = {"row_choices": [{"table": "spektrix.relationships", "keep_ids": [kept]}]}
    assert refused(spektrix.outcome(spektrix.merge(winner, loser, **choice))) == ["RELATIONSHIPS_PRESENT"]

    spektrix.merged(winner, loser, facilitator_id=friend, **choice)
    assert owned(spektrix, "relationships", "related_id", winner, loser) == [[partner], []]
    assert spektrix.value("SELECT facilitator_id FROM spektrix.orders WHERE order_no = :n", n=arranged) == friend
    assert spektrix.value("SELECT count(*) FROM spektrix.relationships WHERE relationship_id = :r", r=int(dropped)) == 0


@pytest.mark.parity(system="Spektrix", row="relationships")
def test_transactions_on_behalf_of_somebody_related_block_for_good(spektrix: ProfileWorld) -> None:
    winner, loser = individual(spektrix), individual(spektrix)
    order(spektrix, loser, paid_on_behalf=True)
    outcome = spektrix.outcome(spektrix.merge(winner, loser))
    assert refused(outcome) == ["ON_BEHALF_RELATIONSHIP_TRANSACTIONS"]
    assert [error["permanent"] for error in outcome["errors"]] == [True]


@pytest.mark.parity(system="Spektrix", row="protected-attributes")
def test_a_protected_attribute_stops_the_merge_and_stays_where_it_is_when_that_is_waived(
    spektrix: ProfileWorld,
) -> None:
    winner, loser = individual(spektrix), individual(spektrix)
    attribute(spektrix, loser, "medical", "carries an inhaler", is_protected=True)
    attribute(spektrix, loser, "seat", "aisle")
    stopped = spektrix.outcome(spektrix.merge(winner, loser, requested_by=DATA_PROTECTION))
    assert refused(stopped) == ["PROTECTED_ATTRIBUTE_NOT_COPIED"]
    waived = ["PROTECTED_ATTRIBUTE_NOT_COPIED"]
    spektrix.merged(winner, loser, requested_by=DATA_PROTECTION, waived_rules=waived)
    assert owned(spektrix, "attributes", "name", winner, loser) == [["seat"], ["medical"]]


@pytest.mark.parity(system="Spektrix", row="protected-attributes")
def test_a_protected_field_moves_only_when_somebody_permitted_chooses_it(spektrix: ProfileWorld) -> None:
    winner, loser = individual(spektrix), individual(spektrix, access_needs="step-free seat")
    assert refused(spektrix.outcome(spektrix.merge(winner, loser))) == ["PROTECTED_ATTRIBUTE_NOT_COPIED"]
    choice = {"field_choices": [{"field": "access_needs", "from_customer_id": loser}]}
    assert refused(spektrix.outcome(spektrix.merge(winner, loser, **choice))) == ["PROTECTED_DATA_PERMISSION_MISSING"]
    spektrix.merged(winner, loser, requested_by=DATA_PROTECTION, **choice)
    assert record(spektrix, winner).access_needs == "step-free seat"


@pytest.mark.parity(system="Spektrix", row="audit")
def test_the_audit_keeps_the_merge_the_changed_contact_data_and_the_losers_own(spektrix: ProfileWorld) -> None:
    winner = individual(spektrix, email="a@one.example", phone=None)
    loser = individual(spektrix, email="b@two.example", phone="555 0002", mobile="555 0003")
    choice = [{"field": "email", "from_customer_id": loser}]
    merge_id = spektrix.merged(winner, loser, field_choices=choice, reason="asked at the counter")["merge_id"]
    shown = spektrix.worker("audit", "show", merge_id, "--json").json
    assert (shown["winner_id"], shown["actor"], shown["reason"]) == (winner, "ann", "asked at the counter")
    changed = {one["field"]: (one["before"], one["after"]) for one in shown["winner"]}
    assert changed["email"] == ("a@one.example", "b@two.example")
    assert changed["phone"] == (None, "555 0002")
    (lost,) = shown["losers"]
    assert lost["customer_id"] == loser
    assert {name: lost["record"][name] for name in ("email", "phone", "mobile")} == {
        "email": "b@two.example",
        "phone": "555 0002",
        "mobile": "555 0003",
    }


@pytest.mark.parity(system="Spektrix", row="large")
def test_a_large_merge_locks_nobody_out_while_its_rows_move(spektrix: ProfileWorld) -> None:
    winner, loser, others = individual(spektrix), individual(spektrix), [individual(spektrix) for _ in range(2)]
    spektrix.sql(
        "INSERT INTO spektrix.orders (customer_id, event, total)"
        " SELECT :id, 'Giselle', 1 FROM generate_series(1, 2000)",
        id=loser,
    )
    with spektrix.engine.connect() as held:
        _hold_one_order(held, loser)
        outcome = spektrix.merged(winner, loser)  # done for everybody, although its rows still move
        assert outcome["rows"] == "MOVING"
        assert record(spektrix, loser).merged_into == winner
        spektrix.merged(*others)
        with spektrix.engine.connect() as till:
            till.exec_driver_sql("SET lock_timeout = '1s'")
            till.exec_driver_sql("UPDATE spektrix.customers SET phone = '555 0100' WHERE customer_id = %s", (winner,))
            till.exec_driver_sql(
                "INSERT INTO spektrix.orders (customer_id, event, total) VALUES (%s, 'Nabucco', 1)", (winner,)
            )
        held.exec_driver_sql("ROLLBACK")
    eventually(
        lambda: [len(rows) for rows in owned(spektrix, "orders", "order_no", winner, loser)] == [2001, 0], LIMIT_S
    )
    told = eventually(lambda: _rows_moved(spektrix, outcome["merge_id"]), LIMIT_S)
    assert {one.table: one.rows for one in told.moved}["spektrix.orders"] == 2000
    assert spektrix.worker("verify", outcome["merge_id"]).status == 0


def _hold_one_order(connection: Any, owner: str) -> None:
    """Hold one of the rows, as somebody does who has an order open at the till."""
    connection.exec_driver_sql("BEGIN")
    connection.exec_driver_sql("SELECT FROM spektrix.orders WHERE customer_id = %s LIMIT 1 FOR UPDATE", (owner,))


def _rows_moved(world: ProfileWorld, merge_id: str) -> Any:
    return next(
        (
            one.event
            for one in world.told("customer-merged")
            if one.type == "RowsMoved" and one.event.merge_id == merge_id
        ),
        None,
    )
