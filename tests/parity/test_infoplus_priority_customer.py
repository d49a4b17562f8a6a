"""Infoplus, order management: several accounts of one business become one priority customer."""

from typing import Any

import pytest

from parity.infoplus_rows import LOB, account, address, mailing, merged, order, parties, record, subscribe
from rig.processes import eventually
from rig.profile_world import LIMIT_S, ProfileWorld


@pytest.mark.parity(system="Infoplus", row="many-into-one")
def test_three_accounts_become_one_priority_customer_in_one_merge(infoplus: ProfileWorld) -> None:
    priority, second, third = account(infoplus), account(infoplus), account(infoplus)
    outcome = merged(infoplus, priority, second, third)
    told = infoplus.announced(outcome["merge_id"])
    assert told.winner.id == str(priority)
    assert [loser.id for loser in told.losers] == [str(second), str(third)]
    for number in (second, third):
        status = infoplus.worker("status", str(number), "--tenant", str(LOB), "--json").json
        assert status["customer"]["canonical_id"] == str(priority)


@pytest.mark.parity(system="Infoplus", row="many-into-one")
def test_accounts_of_another_line_of_business_are_never_drawn_in(infoplus: ProfileWorld) -> None:
    mine, other = account(infoplus), account(infoplus)
    infoplus.sql(
        "INSERT INTO infoplus.customers (lob_id, customer_no, company_name) VALUES (20, :n, 'Gardens')", n=other
    )
    merged(infoplus, mine, other)
    ((status, link),) = infoplus.sql(
        "SELECT status, priority_customer_no FROM infoplus.customers WHERE lob_id = 20 AND customer_no = :n", n=other
    )
    assert (status, link) == ("ACTIVE", None)


@pytest.mark.parity(system="Infoplus", row="addresses-and-orders")
def test_ship_to_addresses_move_and_a_place_that_both_had_stands_once(infoplus: ProfileWorld) -> None:
    priority, other = account(infoplus), account(infoplus)
    address(infoplus, priority, "1quay", is_default=True)
    address(infoplus, other, "1quay", is_default=True)
    address(infoplus, other, "2mill")
    merged(infoplus, priority, other)
    rows = infoplus.sql(
        "SELECT address_key, is_default FROM infoplus.ship_to_addresses WHERE customer_no = :n ORDER BY 1", n=priority
    )
    assert [tuple(row) for row in rows] == [("1quay", True), ("2mill", False)]


@pytest.mark.parity(system="Infoplus", row="addresses-and-orders")
def test_an_order_goes_on_to_the_very_address_it_was_given(infoplus: ProfileWorld) -> None:
    priority, other = account(infoplus), account(infoplus)
    address(infoplus, priority, "1quay")
    shared, own = address(infoplus, other, "1quay"), address(infoplus, other, "2mill")
    first = order(infoplus, other, other, ship_to=shared)
    second = order(infoplus, other, other, ship_to=own)
    merged(infoplus, priority, other)
    streets = infoplus.sql(
        "SELECT o.order_no, a.street FROM infoplus.orders o"
        " JOIN infoplus.ship_to_addresses a ON a.address_id = o.ship_to WHERE o.bill_to_no = :n ORDER BY 1",
        n=priority,
    )
    assert [tuple(row) for row in streets] == [(first, "1quay"), (second, "2mill")]


@pytest.mark.parity(system="Infoplus", row="addresses-and-orders")
def test_orders_move_past_and_open_whoever_pays_and_whoever_receives(infoplus: ProfileWorld) -> None:
    priority, other, stranger = account(infoplus), account(infoplus), account(infoplus)
    both = order(infoplus, other, other, status="PENDING")
    payer = order(infoplus, other, stranger)
    receiver = order(infoplus, stranger, other)
    merged(infoplus, priority, other)
    assert parties(infoplus, both) == (priority, priority)
    assert parties(infoplus, payer) == (priority, stranger)
    assert parties(infoplus, receiver) == (stranger, priority)


@pytest.mark.parity(system="Infoplus", row="bill-to")
def test_the_priority_record_is_billed_for_what_was_and_for_what_comes_under_the_old_number(
    infoplus: ProfileWorld,
) -> None:
    priority, other, branch = account(infoplus), account(infoplus), account(infoplus)
    infoplus.sql("UPDATE infoplus.customers SET billed_through = :o WHERE customer_no = :b", o=other, b=branch)
    before = order(infoplus, other, other)
    merged(infoplus, priority, other)
    late = order(infoplus, other, other, status="PENDING")
    assert parties(infoplus, before)[0] == priority
    assert record(infoplus, branch).billed_through == priority
    eventually(lambda: parties(infoplus, late) == (priority, priority), LIMIT_S)


@pytest.mark.parity(system="Infoplus", row="bill-to")
def test_terms_and_billing_address_are_never_put_together_from_two_records(infoplus: ProfileWorld) -> None:
    priority = account(infoplus, payment_terms="NET30", credit_limit=500)
    other = account(
        infoplus,
        payment_terms="PREPAID",
        bill_street="9 Quay",
        bill_city="Ashby",
        bill_zip="05501",
        phone="555 0100",
        credit_limit=900,
    )
    merged(infoplus, priority, other)
    now = record(infoplus, priority)
    assert (now.payment_terms, now.bill_street, now.bill_city, now.bill_zip) == ("NET30", None, None, None)
    assert (now.phone, now.credit_limit) == ("555 0100", 900)


@pytest.mark.parity(system="Infoplus", row="review")
def test_accounts_are_selected_a_priority_is_chosen_it_is_reviewed_and_merged(infoplus: ProfileWorld) -> None:
    younger = account(infoplus, company_name="Silver Birch Inn", customer_since="2024-01-01")
    older = account(infoplus, company_name="Silver Birch", customer_since="2012-01-01")
    order(infoplus, younger, younger)
    found = infoplus.desk("search", "--name", "Silver Birch", "--tenant", str(LOB), "--json").json
    assert {one["customer_id"] for one in found} == {str(younger), str(older)}

    unnamed = infoplus.preview(infoplus.merge(None, younger, older, tenant_id=str(LOB)))
    assert unnamed["winner_id"] == str(older)  # the longer history, when nobody says
    review = infoplus.preview(infoplus.merge(younger, older, tenant_id=str(LOB)))
    assert (review["eligible"], review["winner_id"]) == (True, str(younger))
    assert {one["field"] for one in _decided(review)} >= {"company_name", "customer_since"}

    sent = infoplus.desk("merge", str(younger), str(older), "--tenant", str(LOB), "--reason", "same inn", "--json")
    assert sent.status == 0, sent.err
    eventually(lambda: record(infoplus, older).priority_customer_no == younger, LIMIT_S)
    assert str(record(infoplus, younger).customer_since) == "2012-01-01"


def _decided(preview: dict[str, Any]) -> list[dict[str, Any]]:
    return [field["decision"] for field in preview["fields"]]


@pytest.mark.parity(system="Infoplus", row="originals-remain")
def test_original_records_remain_with_nothing_on_them_and_a_link_to_the_priority_customer(
    infoplus: ProfileWorld,
) -> None:
    priority, other = account(infoplus), account(infoplus, company_name="The Old Name", email="old@inn.example")
    order(infoplus, other, other)
    outcome = merged(infoplus, priority, other)
    left = record(infoplus, other)
    assert (left.status, left.priority_customer_no) == ("MERGED", priority)
    assert (left.company_name, left.email) == ("The Old Name", "old@inn.example")
    assert infoplus.value("SELECT count(*) FROM infoplus.orders WHERE :n IN (bill_to_no, ship_to_no)", n=other) == 0
    assert infoplus.worker("verify", outcome["merge_id"]).status == 0


@pytest.mark.parity(system="Infoplus", row="originals-remain")
def test_the_link_holds_the_last_priority_customer_after_a_second_merge(infoplus: ProfileWorld) -> None:
    last, middle, first = account(infoplus), account(infoplus), account(infoplus)
    merged(infoplus, middle, first)
    merged(infoplus, last, middle)
    assert [record(infoplus, number).priority_customer_no for number in (first, middle)] == [last, last]


@pytest.mark.parity(system="Infoplus", row="merged-accounts")
def test_the_priority_record_lists_its_merged_accounts(infoplus: ProfileWorld) -> None:
    last, middle, first = account(infoplus), account(infoplus), account(infoplus)
    merged(infoplus, middle, first)
    outcome = merged(infoplus, last, middle)
    shown = infoplus.desk("account", str(last), "--tenant", str(LOB), "--json").json
    accounts = {one["customer_id"]: one for one in shown["merged_accounts"]}
    assert accounts.keys() == {str(middle), str(first)}
    assert (accounts[str(middle)]["merge_id"], accounts[str(middle)]["actor"]) == (outcome["merge_id"], "ann")


@pytest.mark.parity(system="Infoplus", row="one-mailing")
def test_one_catalogue_is_mailed_to_a_person_afterwards(infoplus: ProfileWorld) -> None:
    priority, second, third = account(infoplus), account(infoplus), account(infoplus)
    for number in (priority, second, third):
        subscribe(infoplus, number, wanted=True)
    subscribe(infoplus, third, wanted=True, catalogue="AUTUMN")
    assert len(mailing(infoplus, priority, second, third)) == 4
    merged(infoplus, priority, second, third)
    assert mailing(infoplus, priority, second, third) == [("AUTUMN", priority), ("SPRING", priority)]


@pytest.mark.parity(system="Infoplus", row="one-mailing")
def test_who_said_no_under_any_account_is_mailed_nothing(infoplus: ProfileWorld) -> None:
    priority, other = account(infoplus), account(infoplus)
    subscribe(infoplus, priority, wanted=True)
    subscribe(infoplus, other, wanted=False)
    merged(infoplus, priority, other)
    assert mailing(infoplus, priority, other) == []
