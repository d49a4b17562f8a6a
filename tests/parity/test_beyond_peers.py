"""What other products are good at, in the reference store."""

import pytest

from parity.reference_rows import image, order, orders_of, points_of, shopper, shoppers, spend
from rig.processes import eventually
from rig.profile_world import LIMIT_S, TENANT, ProfileWorld


@pytest.mark.parity(system="Peers beyond them", row="shopify-preview")
def test_a_preview_names_what_blocks_and_which_fields_can_be_overridden(reference: ProfileWorld) -> None:
    winner = shopper(reference, occupation="potter", currency="EUR")
    loser = shopper(reference, occupation="poet", currency="USD")
    preview = reference.preview(reference.merge(winner, loser))
    assert (preview["eligible"], [one["rule"] for one in preview["failures"]]) == (False, ["CURRENCY_MISMATCH"])
    fields = {one["decision"]["field"]: one for one in preview["fields"]}
    assert fields["occupation"]["alternatives"] == {winner: "potter", loser: "poet"}

    reference.sql("UPDATE store.customers SET currency = 'EUR' WHERE customer_id = :id", id=loser)
    choice = {"field_choices": [{"field": "occupation", "from_customer_id": loser}]}
    preview = reference.preview(reference.merge(winner, loser, **choice))
    assert {one["decision"]["field"]: one["value"] for one in preview["fields"]}["occupation"] == "poet"
    reference.merged(winner, loser, **choice)
    assert reference.value("SELECT occupation FROM store.customers WHERE customer_id = :id", id=winner) == "poet"


@pytest.mark.parity(system="Peers beyond them", row="shopify-blockers")
def test_a_hard_blocker_cannot_be_waived(reference: ProfileWorld) -> None:
    winner, loser = shopper(reference), shopper(reference, legal_hold=True)
    command = reference.merge(
        winner, loser, waived_rules=["LEGAL_HOLD"], requested_by={"id": "root", "roles": ["admin", "merge"]}
    )
    outcome = reference.outcome(command)
    assert [(error["rule"], error["permanent"]) for error in outcome["errors"]] == [("LEGAL_HOLD", True)]


@pytest.mark.parity(system="Peers beyond them", row="shopify-status")
def test_an_asynchronous_command_can_be_asked_for_its_status_until_it_ends(reference: ProfileWorld) -> None:
    winner, loser = shoppers(reference, 2)
    first = reference.merge(winner, shopper(reference))
    waits = reference.merge(winner, loser, after_command_id=first["command_id"])
    reference.worker("submit", "-", commands=[waits])

    def status() -> dict[str, object]:
        answer = reference.worker("status", waits["command_id"], "--json")
        return answer.json if answer.status == 0 else {}

    seen = eventually(lambda: found if (found := status()).get("requests") else None, LIMIT_S, every_s=0.2)
    assert seen["command"]["outcome"] is None  # type: ignore[index]  # JSON
    reference.outcome(first)
    eventually(lambda: (status().get("command") or {}).get("outcome") == "MergeCompleted", LIMIT_S, every_s=0.2)  # type: ignore[attr-defined]  # JSON


@pytest.mark.parity(system="Peers beyond them", row="shopify-failures")
def test_a_refusal_is_published_with_every_rule_that_failed_and_its_remedy(reference: ProfileWorld) -> None:
    winner, loser = shopper(reference, currency="EUR"), shopper(reference, currency="USD", legal_hold=True)
    command = reference.merge(winner, loser)
    reference.outcome(command)
    (told,) = [one.event for one in reference.told("merge-outcome") if one.event.command_id == command["command_id"]]
    assert {error.rule for error in told.errors} == {"LEGAL_HOLD", "CURRENCY_MISMATCH"}
    assert all(error.remediation for error in told.errors)


@pytest.mark.parity(system="Peers beyond them", row="fhir-links")
def test_the_history_of_links_is_kept_through_merge_and_undo(reference: ProfileWorld) -> None:
    winner, loser = shoppers(reference, 2)
    merge_id = reference.merged(winner, loser, reason="asked at the counter")["merge_id"]
    (linked,) = reference.desk("account", winner, "--json").json["merged_accounts"]
    assert (linked["customer_id"], linked["actor"], linked["reason"]) == (loser, "ann", "asked at the counter")
    assert linked["merged_at"]
    reference.worker("unmerge", merge_id, "--wait")
    (merge,) = reference.worker("status", loser, "--json").json["merges"]
    assert (merge["merge_id"], merge["state"]) == (merge_id, "UNMERGED")


@pytest.mark.parity(system="Peers beyond them", row="fhir-not-duplicate")
def test_whoever_is_marked_as_not_a_duplicate_is_never_merged_until_a_person_withdraws_it(
    reference: ProfileWorld,
) -> None:
    one, other = shoppers(reference, 2)
    reference.outcome(reference.command("MarkNotDuplicate", customer_ids=[one, other]))
    refused = reference.outcome(reference.merge(one, other))
    assert [error["rule"] for error in refused["errors"]] == ["NOT_DUPLICATE_ASSERTED"]
    reference.outcome(reference.command("MarkNotDuplicate", customer_ids=[one, other], withdrawn=True))
    reference.merged(one, other)


@pytest.mark.parity(system="Peers beyond them", row="fhir-preview")
def test_a_preview_writes_nothing_and_the_merge_then_does_just_that(reference: ProfileWorld) -> None:
    winner, loser = shopper(reference, points=3, orders=2), shopper(reference, points=4, orders=3)
    before = image(reference, winner, loser)
    command = reference.merge(winner, loser)
    shown = {move["table"]: move["rows"] for move in reference.preview(command)["moves"] if move["rows"]}
    assert image(reference, winner, loser) == before
    announced = reference.announced(reference.outcome(command)["merge_id"])
    assert {one.table: one.rows for one in announced.moved if one.rows} == shown
    assert shown["store.orders"] == 3


@pytest.mark.parity(system="Peers beyond them", row="fhir-undo")
def test_a_merge_undone_at_once_leaves_no_trace(reference: ProfileWorld) -> None:
    winner, loser = shopper(reference, points=3, orders=2), shopper(reference, points=4, orders=3, occupation="poet")
    before = image(reference, winner, loser)
    merge_id = reference.merged(winner, loser)["merge_id"]
    assert image(reference, winner, loser) != before
    assert reference.worker("unmerge", merge_id, "--wait").status == 0
    assert image(reference, winner, loser) == before


@pytest.mark.parity(system="Peers beyond them", row="reltio-provenance")
def test_every_value_of_the_winner_says_from_whose_record_it_came_and_why(reference: ProfileWorld) -> None:
    winner, loser = shopper(reference), shopper(reference, occupation="poet", gender="F")
    announced = reference.announced(reference.merged(winner, loser)["merge_id"])
    decided = {one.field: (one.strategy, one.from_customer_id) for one in announced.field_decisions}
    assert decided["occupation"] == ("WINNER_THEN_FILL", loser)
    assert decided["full_name"] == ("WINNER_THEN_FILL", winner)


@pytest.mark.parity(system="Peers beyond them", row="reltio-tree")
def test_a_record_is_taken_out_of_a_tree_of_merges_with_all_that_came_through_it(reference: ProfileWorld) -> None:
    a, b, c, d = shoppers(reference, 4)
    reference.merged(b, a)  # a came to b, and with b to c, and d came to c
    middle = reference.merged(c, b)["merge_id"]
    reference.merged(d, c)
    undone = reference.worker("unmerge", middle, "--mode", "TREE", "--wait")
    assert undone.status == 0, undone.err
    canonical = {
        id_: reference.worker("status", id_, "--json").json["customer"]["canonical_id"] for id_ in (a, b, c, d)
    }
    assert canonical == {a: b, b: b, c: d, d: d}
    assert [len(orders_of(reference, id_)) for id_ in (a, b, c, d)] == [0, 2, 0, 2]


@pytest.mark.parity(system="Peers beyond them", row="salesforce-points")
def test_an_undo_gives_the_points_back_even_when_some_were_spent_since(reference: ProfileWorld) -> None:
    winner, loser = shopper(reference, points=100), shopper(reference, points=40)
    merge_id = reference.merged(winner, loser)["merge_id"]
    assert points_of(reference, winner) == 140
    spend(reference, winner, 30)
    assert reference.worker("unmerge", merge_id, "--wait").status == 0
    assert (points_of(reference, winner), points_of(reference, loser)) == (70, 40)


@pytest.mark.parity(system="Peers beyond them", row="posthog-overrides")
def test_a_chain_of_merges_is_told_on_kafka_as_overrides_that_lead_straight_to_the_end(reference: ProfileWorld) -> None:
    a, b, c = shoppers(reference, 3)
    reference.merged(b, a)
    announced = reference.announced(reference.merged(c, b)["merge_id"])
    told = {(one.from_, one.canonical, one.version) for one in announced.redirects}
    assert told == {(b, c, 1), (a, c, 2)}
    aliases = {one.event.retired_id: one.event for one in reference.told("customer-alias")}
    assert {id_: (aliases[id_].canonical_id, aliases[id_].version) for id_ in (a, b)} == {a: (c, 2), b: (c, 1)}


@pytest.mark.parity(system="Peers beyond them", row="hubspot-old-ids")
def test_an_old_id_keeps_resolving_and_rows_written_under_it_find_the_customer(reference: ProfileWorld) -> None:
    a, b, c = shoppers(reference, 3)
    reference.merged(b, a)
    reference.merged(c, b)
    assert reference.value("SELECT merge.canonical_id(:t, :id)", t=TENANT, id=a) == c
    order(reference, a, f"late order of {a}")
    eventually(lambda: f"late order of {a}" in orders_of(reference, c), LIMIT_S)
    later = shopper(reference)
    unseen = reference.outcome(reference.merge(a, later, follow_redirects=True))
    assert [error["rule"] for error in unseen["errors"]] == ["APPROVAL_OF_ROOTS_MISSING"]
    seen = reference.approved(c, later)
    assert reference.merged(a, later, follow_redirects=True, **seen)["winner_id"] == c


@pytest.mark.parity(system="Peers beyond them", row="intercom-gone")
def test_a_merged_away_id_is_answered_with_410_and_a_link(reference: ProfileWorld) -> None:
    winner, loser = shoppers(reference, 2)
    reference.merged(winner, loser)
    status, headers, body = reference.get(f"/customers/{TENANT}/{loser}")
    assert (status, headers["Link"]) == (410, f'</customers/{TENANT}/{winner}>; rel="canonical"')
    assert reference.get(headers["Link"].partition(">")[0].removeprefix("<"))[0] == 200
    assert body["canonical_id"] == winner
    assert reference.get(f"/customers/{TENANT}/nobody")[0] == 404


@pytest.mark.parity(system="Peers beyond them", row="civicrm-conflicts")
def test_conflicts_are_resolved_by_the_plan_or_by_a_person(reference: ProfileWorld) -> None:
    winner = shopper(reference, occupation="potter", notes="one")
    loser = shopper(reference, occupation="poet", notes="two", currency="USD")
    reference.merged(winner, loser, field_choices=[{"field": "occupation", "from_customer_id": loser}])
    ((occupation, notes, currency),) = reference.sql(
        "SELECT occupation, notes, currency FROM store.customers WHERE customer_id = :id", id=winner
    )
    assert (occupation, currency) == ("poet", "USD")  # chosen; filled, as the winner had none
    assert ("one" in notes, "two" in notes) == (True, True)  # kept both
