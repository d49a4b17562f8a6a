"""What no other product has, in the reference store."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

import customer_events as wire
from parity.reference_rows import image, order, orders_of, points_of, shopper, shoppers, spend
from rig.processes import eventually
from rig.profile_world import LIMIT_S, TENANT, ProfileWorld


def canonical(world: ProfileWorld, *ids: str) -> dict[str, str]:
    """Who each of these customers is now."""
    return {id_: world.worker("status", id_, "--json").json["customer"]["canonical_id"] for id_ in ids}


def unmerged(world: ProfileWorld, merge_id: str) -> Any:
    """The CustomerUnmerged that undid the merge."""
    (event,) = [
        one.event
        for one in world.told("customer-merged")
        if one.type == "CustomerUnmerged" and one.event.merge_id == merge_id
    ]
    return event


@pytest.mark.parity(system="What none has", row="relink-ledger")
def test_each_system_that_must_relink_is_followed_until_it_has(reference: ProfileWorld) -> None:
    winner, loser = shoppers(reference, 2)
    merge_id = reference.merged(winner, loser)["merge_id"]
    announced = reference.announced(merge_id)
    assert [ack.system for ack in announced.required_acks] == ["crm"]

    def status() -> list[tuple[str, str]]:
        (merge,) = reference.worker("status", merge_id, "--json").json["merges"]
        return [(entry["system"], entry["status"]) for entry in merge["relinked"]]

    assert status() == [("crm", "PENDING")]
    for told in (wire.AckStatus.RECEIVED, wire.AckStatus.FAILED, wire.AckStatus.RELINKED):
        acknowledgement = wire.RelinkAcknowledged(
            tenant_id=TENANT,
            system="crm",
            merge_id=merge_id,
            status=told,
            stream=announced.stream,
            sequence=announced.sequence,
            error="a row is locked" if told is wire.AckStatus.FAILED else None,
            at=datetime.now(UTC),
        )
        reference.produce("relink-ack", acknowledgement)
        eventually(lambda: status() == [("crm", told.value)], LIMIT_S, every_s=0.2)  # noqa: B023 - called at once
    assert [one["system"] for one in reference.worker("status", "--json").json["systems"]] == ["crm"]


@pytest.mark.parity(system="What none has", row="stored-outcome")
def test_a_repeated_command_gets_the_stored_outcome_with_the_same_event_id(reference: ProfileWorld) -> None:
    command = reference.merge(*shoppers(reference, 2), issued_at="2026-01-01T00:00:00Z")
    first, again = reference.outcome(command), reference.outcome(command)
    assert first == again
    told = [one for one in reference.told("merge-outcome") if one.event.command_id == command["command_id"]]
    assert (len(told), len({one.event_id for one in told}), len({one.body for one in told})) == (2, 1, 1)


@pytest.mark.parity(system="What none has", row="late-undo")
def test_an_undo_after_later_activity_gives_back_what_it_can_and_reports_what_it_cannot(
    reference: ProfileWorld,
) -> None:
    winner, loser = shopper(reference, points=10, orders=1), shopper(reference, points=40, orders=1)
    merge_id = reference.merged(winner, loser)["merge_id"]
    spend(reference, winner, 45)
    order(reference, winner, f"new at {winner}")
    order(reference, loser, f"written under {loser}")
    assert reference.worker("unmerge", merge_id, "--wait").status == 0
    assert points_of(reference, loser) == 40
    assert orders_of(reference, loser) == [f"{loser}-0", f"written under {loser}"]
    assert orders_of(reference, winner) == [f"new at {winner}", f"{winner}-0"]
    event = unmerged(reference, merge_id)
    assert [(conflict.table, conflict.id) for conflict in event.conflicts] == [("store.loyalty_accounts", winner)]
    assert event.conflicts[0].reason


@pytest.mark.parity(system="What none has", row="chains")
def test_chains_are_compressed_and_every_link_can_still_be_undone(reference: ProfileWorld) -> None:
    a, b, c, d = ids = shoppers(reference, 4)
    before = image(reference, *ids)
    merges = [reference.merged(winner, loser)["merge_id"] for winner, loser in ((b, a), (c, b), (d, c))]
    assert canonical(reference, *ids) == dict.fromkeys(ids, d)
    announced = reference.announced(merges[-1])
    assert {(one.from_, one.canonical) for one in announced.redirects} == {(a, d), (b, d), (c, d)}
    for merge_id, left in zip(reversed(merges), ([a, b, c], [a, b], [a]), strict=True):
        assert reference.worker("unmerge", merge_id, "--wait").status == 0
        assert canonical(reference, *left) == dict.fromkeys(left, left[-1])
    assert image(reference, *ids) == before


@pytest.mark.parity(system="What none has", row="consent")
def test_consent_is_decided_channel_by_channel_and_says_on_what_evidence(reference: ProfileWorld) -> None:
    winner, loser = shoppers(reference, 2)
    decisions = (
        (winner, "email", True, "web form"),
        (loser, "email", False, "unsubscribe link"),
        (loser, "sms", True, "at the till"),
    )
    for id_, channel, granted, evidence in decisions:
        reference.insert(
            "store.consents", tenant_id=TENANT, customer_id=id_, channel=channel, granted=granted, evidence=evidence
        )
    announced = reference.announced(reference.merged(winner, loser)["merge_id"])
    rows = reference.sql("SELECT channel, granted FROM store.consents WHERE customer_id = :id ORDER BY 1", id=winner)
    assert [tuple(row) for row in rows] == [("email", False), ("sms", True)]  # an opt-out wins, wherever it was said
    told = {one.channel: (one.result, one.evidence) for one in announced.consent_decisions}
    assert told == {"email": ("DENIED", "unsubscribe link")}  # the one that was in dispute


@pytest.mark.parity(system="What none has", row="plan-complete")
def test_a_foreign_key_that_the_plan_does_not_cover_is_named_before_any_merge(reference: ProfileWorld) -> None:
    assert reference.worker("plan", "check").status == 0
    reference.sql(
        "CREATE TABLE store.gift_cards (number text PRIMARY KEY, tenant_id text, owner text,"
        " FOREIGN KEY (tenant_id, owner) REFERENCES store.customers (tenant_id, customer_id))"
    )
    try:
        checked = reference.worker("plan", "check", "--json")
        assert checked.status == 1
        assert "store.gift_cards" in json.dumps(checked.json)
    finally:
        reference.sql("DROP TABLE store.gift_cards")
    assert reference.worker("plan", "check").status == 0


@pytest.mark.parity(system="What none has", row="hash-chain")
def test_the_published_history_proves_that_nothing_was_lost_or_changed(reference: ProfileWorld) -> None:
    event = reference.announced(reference.merged(*shoppers(reference, 2))["merge_id"])
    eventually(lambda: reference.worker("audit", "verify").status == 0, LIMIT_S, every_s=0.2)
    whole = reference.worker("audit", "verify", "--json")
    assert (whole.status, whole.json["problems"], whole.json["missing"]) == (0, [], 0)

    place = "WHERE stream = :stream AND sequence = :sequence"
    at = {"stream": event.stream, "sequence": event.sequence}
    reference.merged(*shoppers(reference, 2), tenant_id=TENANT)
    (kept,) = reference.sql(f"SELECT body FROM merge.outbox {place}", **at)
    forged = bytes(kept.body).replace(b"ann", b"eve")
    reference.sql(f"UPDATE merge.outbox SET body = :body {place}", body=forged, **at)
    try:
        checked = reference.worker("audit", "verify", "--source", "database", "--json")
        assert (checked.status, bool(checked.json["problems"])) == (1, True)
    finally:
        reference.sql(f"UPDATE merge.outbox SET body = :body {place}", body=kept.body, **at)
    assert reference.worker("audit", "verify", "--source", "database").status == 0
