"""Spektrix, ticketing: who may be merged with whom, by whom, and what is kept."""

import pytest

from parity.spektrix_rows import (
    BOX_OFFICE,
    DATA_PROTECTION,
    attribute,
    individual,
    order,
    organisation,
    owned,
    record,
    refused,
    related,
)
from rig.processes import eventually
from rig.profile_world import LIMIT_S, ProfileWorld


@pytest.mark.parity(system="Spektrix", row="same-kind")
def test_individuals_merge_with_individuals_and_organisations_with_organisations(spektrix: ProfileWorld) -> None:
    persons = [individual(spektrix), individual(spektrix)]
    bodies = [organisation(spektrix), organisation(spektrix)]
    for winner, loser in (persons, bodies):
        spektrix.merged(winner, loser)
        assert record(spektrix, loser).merged_into == winner


@pytest.mark.parity(system="Spektrix", row="same-kind")
def test_an_individual_and_an_organisation_are_refused_with_the_remedy(spektrix: ProfileWorld) -> None:
    outcome = spektrix.outcome(spektrix.merge(organisation(spektrix), individual(spektrix)))
    assert refused(outcome) == ["ENTITY_TYPE_MISMATCH"]
    assert "ConvertCustomer" in outcome["errors"][0]["remediation"]


@pytest.mark.parity(system="Spektrix", row="conversion")
def test_a_conversion_changes_the_prefix_and_removes_email_and_birth_date(spektrix: ProfileWorld) -> None:
    person = individual(spektrix, email="club@players.example", birth_date="2000-01-01", phone="555 0100")
    number = order(spektrix, person)
    outcome = spektrix.outcome(spektrix.command("ConvertCustomer", customer_id=person, to_type="ORGANISATION"))
    assert (outcome["type"], outcome["kind"]) == ("MergeCompleted", "CONVERT"), outcome
    body = person.replace("I-", "O-")
    now = record(spektrix, body)
    assert (now.kind, now.email, now.birth_date, now.phone) == ("ORGANISATION", None, None, "555 0100")
    assert owned(spektrix, "orders", "order_no", body) == [[number]]


@pytest.mark.parity(system="Spektrix", row="conversion")
def test_a_conversion_is_told_with_a_redirect_and_the_old_id_leads_on(spektrix: ProfileWorld) -> None:
    person = individual(spektrix)
    spektrix.outcome(spektrix.command("ConvertCustomer", customer_id=person, to_type="ORGANISATION"))
    body = person.replace("I-", "O-")
    (told,) = eventually(
        lambda: [
            one.event
            for one in spektrix.told("customer-merged")
            if one.type == "CustomerConverted" and one.event.customer_id == person
        ],
        LIMIT_S,
    )
    assert (told.new_id, [(one.from_, one.canonical) for one in told.redirects]) == (body, [(person, body)])
    assert spektrix.worker("status", person, "--json").json["state"]["canonical_id"] == body


@pytest.mark.parity(system="Spektrix", row="conversion")
def test_an_organisation_becomes_an_individual_and_keeps_its_email(spektrix: ProfileWorld) -> None:
    body = organisation(spektrix, email="office@school.example")
    number = order(spektrix, body)
    spektrix.outcome(spektrix.command("ConvertCustomer", customer_id=body, to_type="INDIVIDUAL"))
    person = body.replace("O-", "I-")
    now = record(spektrix, person)
    assert (now.kind, now.email) == ("INDIVIDUAL", "office@school.example")
    assert owned(spektrix, "orders", "order_no", person) == [[number]]


@pytest.mark.parity(system="Spektrix", row="conversion")
def test_the_primary_contact_is_kept_in_a_conversion(spektrix: ProfileWorld) -> None:
    contact, club = individual(spektrix), individual(spektrix)
    kept = related(spektrix, club, contact, "primary contact")
    spektrix.outcome(spektrix.command("ConvertCustomer", customer_id=club, to_type="ORGANISATION"))
    body = club.replace("I-", "O-")
    rows = spektrix.sql(
        "SELECT relationship_id, related_id, kind FROM spektrix.relationships WHERE customer_id = :id", id=body
    )
    assert [(str(row[0]), *row[1:]) for row in rows] == [(kept, contact, "primary contact")]


@pytest.mark.parity(system="Spektrix", row="conversion")
def test_a_conversion_may_name_the_primary_contact(spektrix: ProfileWorld) -> None:
    contact, club = individual(spektrix), individual(spektrix)
    command = spektrix.command("ConvertCustomer", customer_id=club, to_type="ORGANISATION", relationship=contact)
    assert spektrix.outcome(command)["type"] == "MergeCompleted"
    body = club.replace("I-", "O-")
    assert owned(spektrix, "relationships", "related_id", body) == [[contact]]


@pytest.mark.parity(system="Spektrix", row="conversion")
def test_a_converted_customer_merges_with_its_like(spektrix: ProfileWorld) -> None:
    person, body = individual(spektrix), organisation(spektrix)
    spektrix.outcome(spektrix.command("ConvertCustomer", customer_id=person, to_type="ORGANISATION"))
    approved = spektrix.approved(body, person.replace("I-", "O-"))
    outcome = spektrix.outcome(spektrix.merge(body, person, follow_redirects=True, **approved))
    assert outcome["type"] == "MergeCompleted", outcome
    assert record(spektrix, person.replace("I-", "O-")).merged_into == body


@pytest.mark.parity(system="Spektrix", row="permission")
def test_who_has_not_the_role_may_only_suggest_a_merge(spektrix: ProfileWorld) -> None:
    winner, loser = individual(spektrix), individual(spektrix)
    command = spektrix.merge(winner, loser, requested_by={"id": "joe", "roles": ["recommend"]})
    assert [failure["rule"] for failure in spektrix.preview(command)["failures"]] == ["MERGE_ROLE_MISSING"]
    spektrix.worker("submit", "-", commands=[command])
    suggested = eventually(
        lambda: spektrix.worker("status", command["command_id"], "--json").json["requests"], LIMIT_S, every_s=0.2
    )
    assert [(one["status"], one["requested_by"]) for one in suggested] == [("recommended", "joe")]
    assert record(spektrix, loser).status == "ACTIVE"
    spektrix.merged(winner, loser)  # by somebody who may


@pytest.mark.parity(system="Spektrix", row="permission")
def test_protected_data_needs_a_permission_of_its_own(spektrix: ProfileWorld) -> None:
    winner, loser = individual(spektrix), individual(spektrix)
    attribute(spektrix, loser, "medical", "carries an inhaler", is_protected=True)
    waived = {"waived_rules": ["PROTECTED_ATTRIBUTE_NOT_COPIED"]}
    outcome = spektrix.outcome(spektrix.merge(winner, loser, requested_by=BOX_OFFICE, **waived))
    assert "PROTECTED_DATA_PERMISSION_MISSING" in refused(outcome)
    spektrix.merged(winner, loser, requested_by=DATA_PROTECTION, **waived)


@pytest.mark.parity(system="Spektrix", row="one-email")
def test_of_two_email_addresses_one_must_be_chosen(spektrix: ProfileWorld) -> None:
    winner, loser = individual(spektrix, email="a@one.example"), individual(spektrix, email="b@two.example")
    outcome = spektrix.outcome(spektrix.merge(winner, loser))
    assert refused(outcome) == ["EMAIL_CHOICE_REQUIRED"]
    spektrix.merged(winner, loser, field_choices=[{"field": "email", "from_customer_id": loser}])
    assert record(spektrix, winner).email == "b@two.example"


@pytest.mark.parity(system="Spektrix", row="one-email")
def test_one_email_address_needs_no_choice(spektrix: ProfileWorld) -> None:
    winner, loser = individual(spektrix), individual(spektrix, email="only@one.example")
    spektrix.merged(winner, loser)
    assert record(spektrix, winner).email == "only@one.example"


@pytest.mark.parity(system="Spektrix", row="filled-when-blank")
def test_phone_mobile_and_birth_date_are_filled_only_when_blank(spektrix: ProfileWorld) -> None:
    winner = individual(spektrix, phone="555 0001")
    loser = individual(spektrix, phone="555 0002", mobile="555 0003", birth_date="1984-05-17")
    spektrix.merged(winner, loser)
    now = record(spektrix, winner)
    assert (now.phone, now.mobile, str(now.birth_date)) == ("555 0001", "555 0003", "1984-05-17")


@pytest.mark.parity(system="Spektrix", row="kept")
def test_orders_memberships_credit_and_gift_aid_declarations_are_kept(spektrix: ProfileWorld) -> None:
    pair = winner, loser = individual(spektrix), individual(spektrix)
    orders = [order(spektrix, one) for one in pair]
    for one, pence, year in ((winner, 1500, 2016), (loser, 2250, 2024)):
        spektrix.insert(
            "spektrix.memberships",
            customer_id=one,
            scheme=f"of {year}",
            valid_from=f"{year}-01-01",
            valid_until=f"{year}-12-31",
        )
        spektrix.insert(
            "spektrix.gift_aid_declarations", customer_id=one, signed_on=f"{year}-01-01", covers_from=f"{year}-01-01"
        )
        spektrix.insert("spektrix.credit_movements", customer_id=one, pence=pence, why="voucher")
        spektrix.insert("spektrix.credit_accounts", customer_id=one, pence=pence)
    merge_id = spektrix.merged(winner, loser)["merge_id"]
    assert owned(spektrix, "orders", "order_no", *pair) == [orders, []]
    assert owned(spektrix, "memberships", "scheme", *pair) == [["of 2016", "of 2024"], []]
    assert owned(spektrix, "credit_accounts", "pence", winner) == [[3750]]
    assert owned(spektrix, "credit_movements", "pence", *pair) == [[1500, 2250], []]
    assert [len(rows) for rows in owned(spektrix, "gift_aid_declarations", "signed_on", *pair)] == [2, 0]
    assert spektrix.worker("verify", merge_id).status == 0


@pytest.mark.parity(system="Spektrix", row="autotags")
def test_autotags_are_recomputed_with_the_merge_and_with_its_undo(spektrix: ProfileWorld) -> None:
    pair = winner, loser = individual(spektrix), individual(spektrix)
    for one, count in ((winner, 2), (loser, 1)):
        for _ in range(count):
            order(spektrix, one)
    spektrix.insert(
        "spektrix.memberships", customer_id=loser, scheme="Friends", valid_from="2025-01-01", valid_until="2025-12-31"
    )
    assert owned(spektrix, "auto_tags", "tag", *pair) == [[], ["member"]]
    merge_id = spektrix.merged(winner, loser)["merge_id"]
    assert owned(spektrix, "auto_tags", "tag", *pair) == [["member", "regular"], []]
    assert spektrix.worker("unmerge", merge_id, "--wait").status == 0
    assert owned(spektrix, "auto_tags", "tag", *pair) == [[], ["member"]]
