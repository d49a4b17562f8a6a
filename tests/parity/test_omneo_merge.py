"""Omneo: what a merge of two loyalty profiles does, and how it shows it before."""

import pytest

from parity.omneo_rows import active_member, image, member, rows_of
from rig.profile_world import ProfileWorld

CONFIRMED = {"email_confirmed": True, "joined_at": "2022-01-01", "last_transaction_at": "2022-06-01"}
OLD = {"joined_at": "2018-01-01", "last_transaction_at": "2023-06-01"}


def fields(world: ProfileWorld, id_: str) -> dict[str, object]:
    (row,) = world.sql("SELECT * FROM omneo.profiles WHERE id = CAST(:id AS uuid)", id=id_)
    return dict(row._mapping)


@pytest.mark.parity(system="Omneo", row="winner-email")
def test_unless_somebody_says_otherwise_the_profile_with_the_correct_email_wins_and_keeps_it(
    omneo: ProfileWorld,
) -> None:
    right = member(omneo, email="right@example.com", **CONFIRMED)
    wrong = member(omneo, email="wrong@exmaple.com", **OLD)
    outcome = omneo.merged(None, wrong, right)
    assert (outcome["winner_id"], outcome["warnings"]) == (right, [])
    assert fields(omneo, right)["email"] == "right@example.com"


@pytest.mark.parity(system="Omneo", row="winner-email")
def test_whoever_is_named_the_winner_ends_with_the_correct_email_and_one_is_told_that_it_was_not(
    omneo: ProfileWorld,
) -> None:
    right = member(omneo, email="right@example.com", **CONFIRMED)
    wrong = member(omneo, email="wrong@exmaple.com", **OLD)
    outcome = omneo.merged(wrong, right)
    assert [warning["rule"] for warning in outcome["warnings"]] == ["WINNER_EMAIL_UNCONFIRMED"]
    after = fields(omneo, wrong)
    assert (after["email"], after["email_confirmed"]) == ("right@example.com", True)


@pytest.mark.parity(system="Omneo", row="consolidate")
def test_transactions_identities_rewards_benefits_points_and_tier_progress_come_together(omneo: ProfileWorld) -> None:
    winner = active_member(omneo, "w", (70, 30), tier="SILVER", tags=["app"], **CONFIRMED)
    loser = active_member(omneo, "l", (5,), tier="GOLD", tags=["vip", "app"], **OLD)
    friend = member(omneo, referred_by=loser)
    for id_, expires_at in ((winner, "2026-01-01"), (loser, "2027-01-01")):
        omneo.insert("omneo.benefits", profile_id=id_, benefit="free delivery", expires_at=expires_at)
        omneo.insert("omneo.consents", profile_id=id_, channel="email", opted_in=id_ == winner, evidence=f"by {id_}")
    outcome = omneo.merged(winner, loser)

    assert rows_of(omneo, loser) == {}
    assert rows_of(omneo, winner) == {
        "identities": 2, "transactions": 3, "point_balances": 1, "point_entries": 3, "tier_progress": 1, "rewards": 2,
        "benefits": 3, "consents": 1,
    }  # fmt: skip
    balance = omneo.sql("SELECT available, lifetime FROM omneo.point_balances WHERE profile_id = :id", id=winner)
    progress = omneo.sql("SELECT spend_cents, visits FROM omneo.tier_progress WHERE profile_id = :id", id=winner)
    assert [tuple(row) for row in (*balance, *progress)] == [(105, 105), (10_500, 3)]
    after = fields(omneo, winner)
    assert (after["tier"], after["tags"]) == ("GOLD", ["app", "vip"])
    longest = "SELECT expires_at::date::text FROM omneo.benefits WHERE profile_id = :id AND benefit = 'free delivery'"
    assert omneo.value(longest, id=winner) == "2027-01-01"  # a benefit is held once: the one that lasts longer
    assert omneo.value("SELECT opted_in FROM omneo.consents WHERE profile_id = :id", id=winner) is False
    assert str(omneo.value("SELECT referred_by FROM omneo.profiles WHERE id = :id", id=friend)) == winner
    announced = omneo.announced(outcome["merge_id"])
    assert [(one.system, one.from_, one.to) for one in announced.external_ids] == [("pos", loser, winner)]


@pytest.mark.parity(system="Omneo", row="loser-deleted")
def test_the_loser_is_deleted_and_its_id_still_leads_to_the_winner(omneo: ProfileWorld) -> None:
    winner, loser = active_member(omneo, "w", (1,), **CONFIRMED), active_member(omneo, "l", (2,))
    outcome = omneo.merged(winner, loser)
    assert omneo.sql("SELECT FROM omneo.profiles WHERE id = :id", id=loser) == []
    (announced,) = omneo.announced(outcome["merge_id"]).losers
    assert (announced.id, announced.disposition) == (loser, "DELETE")
    status = omneo.worker("status", loser, "--json").json
    assert (status["customer"]["canonical_id"], status["merges"][0]["winner_id"]) == (winner, winner)


@pytest.mark.parity(system="Omneo", row="loser-deleted")
def test_ours_brings_the_deleted_profile_back_as_it_was(omneo: ProfileWorld) -> None:
    winner, loser = active_member(omneo, "w", (1,), **CONFIRMED), active_member(omneo, "l", (2, 3), tier="GOLD")
    before = image(omneo, winner), image(omneo, loser)
    merge_id = omneo.merged(winner, loser)["merge_id"]
    undone = omneo.worker("unmerge", merge_id, "--wait", "--reason", "two people")
    assert undone.status == 0, undone.err
    assert (image(omneo, winner), image(omneo, loser)) == before


@pytest.mark.parity(system="Omneo", row="shows-both")
def test_before_the_merge_one_sees_what_will_be_transferred_and_what_will_be_deleted(omneo: ProfileWorld) -> None:
    winner, loser = active_member(omneo, "w", (70, 30), **CONFIRMED), active_member(omneo, "l", (5,))
    for id_ in (winner, loser):
        omneo.insert("omneo.benefits", profile_id=id_, benefit="free delivery", expires_at="2027-01-01")
    before = image(omneo, winner), image(omneo, loser)
    command = omneo.merge(winner, loser)
    preview = omneo.preview(command)
    moves = {
        move["table"]: (move["rows"], move["collisions"])
        for move in preview["moves"]
        if move["rows"] or move["collisions"]
    }
    assert moves == {
        "omneo.transactions": (1, 0),
        "omneo.identities": (1, 0),
        "omneo.point_entries": (1, 0),
        "omneo.point_balances": (1, 0),
        "omneo.tier_progress": (1, 0),
        "omneo.rewards": (1, 0),
        "omneo.benefits": (1, 1),
    }
    assert (image(omneo, winner), image(omneo, loser)) == before  # looking changes nothing
    assert preview["disposition"] == "DELETE"
    assert "are deleted" in omneo.worker("preview", "-", commands=[command]).out

    announced = omneo.announced(omneo.outcome(command)["merge_id"])
    assert {one.table: (one.rows, one.collisions) for one in announced.moved if one.rows or one.collisions} == moves
