"""Omneo: many profiles, platforms beside it, and whether all of it came out right."""

import pytest

from parity.omneo_rows import active_member, connected_mailer, member, rows_of
from rig.processes import eventually
from rig.profile_world import LIMIT_S, ProfileWorld

AT_ONCE = 40
VOLUME = 400
PLATFORM = {"id": "webshop", "roles": ["merge"]}


@pytest.mark.parity(system="Omneo", row="many-losers")
def test_many_losers_one_after_the_other_end_in_one_profile(omneo: ProfileWorld) -> None:
    winner = active_member(omneo, "w", (1,))
    losers = [active_member(omneo, f"l{number}", (10,)) for number in range(3)]
    for loser in losers:
        omneo.merged(winner, loser)
    assert omneo.value("SELECT available FROM omneo.point_balances WHERE profile_id = :id", id=winner) == 31
    assert rows_of(omneo, winner)["rewards"] == 4


@pytest.mark.parity(system="Omneo", row="many-losers")
def test_many_losers_at_once_are_one_merge(omneo: ProfileWorld) -> None:
    winner = active_member(omneo, "w", (1,))
    losers = [active_member(omneo, f"l{number}", (10,)) for number in range(AT_ONCE)]
    announced = omneo.announced(omneo.merged(winner, *losers)["merge_id"])
    assert {loser.id for loser in announced.losers} == set(losers)
    assert omneo.value("SELECT available FROM omneo.point_balances WHERE profile_id = :id", id=winner) == 401


@pytest.mark.parity(system="Omneo", row="many-losers")
def test_many_merges_in_a_row_all_end_and_lose_no_point(omneo: ProfileWorld) -> None:
    made = omneo.sql(
        "INSERT INTO omneo.profiles (id, last_name)"
        " SELECT gen_random_uuid(), 'Volume' FROM generate_series(1, :count) RETURNING id::text",
        count=VOLUME * 2,
    )
    ids = [row.id for row in made]
    owned = "SELECT id FROM omneo.profiles WHERE last_name = 'Volume'"
    omneo.sql(f"INSERT INTO omneo.point_entries (profile_id, points, reason) SELECT id, 7, 'in bulk' FROM ({owned}) x")
    omneo.sql(f"INSERT INTO omneo.point_balances SELECT id, 7, 7 FROM ({owned}) x")
    outcomes = omneo.submit(*(omneo.merge(*pair) for pair in zip(ids[:VOLUME], ids[VOLUME:], strict=True)))
    assert {outcome["type"] for outcome in outcomes.values()} == {"MergeCompleted"}
    left = omneo.sql(
        f"SELECT available, count(*) FROM omneo.point_balances JOIN ({owned}) x ON id = profile_id GROUP BY 1"
    )
    assert [tuple(row) for row in left] == [(14, VOLUME)]


@pytest.mark.parity(system="Omneo", row="webhooks")
def test_a_connected_platform_hears_of_the_merge_moves_its_rows_and_the_worker_knows_when(omneo: ProfileWorld) -> None:
    winner, loser = active_member(omneo, "w", (1,)), active_member(omneo, "l", (2,))
    merge_id = omneo.merged(winner, loser)["merge_id"]

    def relinked() -> list[tuple[str, str]]:
        (merge,) = omneo.worker("status", merge_id, "--json").json["merges"]
        return [(entry["system"], entry["status"]) for entry in merge["relinked"]]

    assert relinked() == [("mailer", "PENDING")]  # it is asked to, and nobody forgets that it has not yet
    with connected_mailer(omneo):
        eventually(lambda: relinked() == [("mailer", "RELINKED")], LIMIT_S, every_s=0.3)
    contacts = omneo.sql("SELECT DISTINCT profile_id::text AS id FROM omneo_mailer.contacts WHERE original_profile_id"
                         " = ANY(CAST(:ids AS uuid[]))", ids=[winner, loser])  # fmt: skip
    assert [row.id for row in contacts] == [winner]


@pytest.mark.parity(system="Omneo", row="begun-elsewhere")
def test_a_merge_begun_in_another_system_obeys_the_same_rules(omneo: ProfileWorld) -> None:
    winner, frozen = member(omneo), member(omneo, frozen=True)
    begun = omneo.merge(
        winner, frozen, command_id="webshop-merge-1", requested_by=PLATFORM, reason="merged in the shop"
    )
    outcome = omneo.outcome(begun)
    assert (outcome["type"], [error["rule"] for error in outcome["errors"]]) == ("MergeRejected", ["RECORD_LOCKED"])


@pytest.mark.parity(system="Omneo", row="begun-elsewhere")
def test_a_merge_begun_in_another_system_reaches_all_and_comes_back_as_nothing_to_do(omneo: ProfileWorld) -> None:
    winner, loser = active_member(omneo, "w", (1,)), active_member(omneo, "l", (2,))
    begun = omneo.merge(winner, loser, command_id="webshop-merge-2", requested_by=PLATFORM, reason="merged in the shop")
    outcome = omneo.outcome(begun)
    announced = omneo.announced(outcome["merge_id"])
    assert (announced.actor, announced.command_id) == ("webshop", "webshop-merge-2")
    told_before = len(omneo.told("customer-merged"))

    # The shop hears of its own merge and reports it once more; another platform has merged them the other way round.
    again = omneo.outcome(begun)
    other_way = omneo.outcome(omneo.merge(loser, winner, requested_by={"id": "pos", "roles": ["merge"]}))
    assert (again["type"], again["merge_id"]) == ("MergeCompleted", outcome["merge_id"])
    assert (other_way["type"], other_way["canonical_id"]) == ("MergeNoop", winner)
    assert len(omneo.told("customer-merged")) == told_before  # nobody hears of it twice, so nobody answers: no loop


@pytest.mark.parity(system="Omneo", row="verify")
def test_afterwards_verify_finds_nothing_or_says_what_is_not_as_it_should_be(omneo: ProfileWorld) -> None:
    winner, loser = active_member(omneo, "w", (70,)), active_member(omneo, "l", (30,))
    merge_id = omneo.merged(winner, loser)["merge_id"]
    assert omneo.worker("verify", merge_id, "--json").json == {"findings": []}

    omneo.sql("UPDATE omneo.point_balances SET available = 99 WHERE profile_id = :id", id=winner)
    wrong = omneo.worker("verify", merge_id, "--json")
    assert wrong.status == 1
    assert [(one["customer_id"], one["table"]) for one in wrong.json["findings"]] == [(winner, "omneo.point_balances")]
    omneo.sql("UPDATE omneo.point_balances SET available = 100 WHERE profile_id = :id", id=winner)
    assert omneo.worker("verify", merge_id).status == 0


@pytest.mark.parity(system="Omneo", row="verify")
def test_points_written_later_under_the_deleted_id_come_to_the_winner(omneo: ProfileWorld) -> None:
    winner, loser = member(omneo), member(omneo)
    merge_id = omneo.merged(winner, loser)["merge_id"]
    omneo.insert("omneo.point_entries", profile_id=loser, points=0, reason="written late")
    eventually(lambda: rows_of(omneo, winner) == {"point_entries": 1}, LIMIT_S)
    assert omneo.worker("verify", merge_id).status == 0


@pytest.mark.parity(system="Omneo", row="advice")
def test_when_both_profiles_are_in_real_use_one_is_advised_to_ask_the_member(omneo: ProfileWorld) -> None:
    today = omneo.value("SELECT now()::text")
    winner, loser = (member(omneo, email_confirmed=True, last_transaction_at=today) for _ in range(2))
    (warning,) = omneo.preview(omneo.merge(winner, loser))["warnings"]
    assert warning["rule"] == "BOTH_ACTIVELY_USED"
    assert "ask the member" in warning["remediation"]
    assert omneo.preview(omneo.merge(winner, loser, reason="CUSTOMER_REQUEST"))["warnings"] == []
    outcome = omneo.merged(winner, loser)
    assert [one["rule"] for one in outcome["warnings"]] == ["BOTH_ACTIVELY_USED"]  # advice, no refusal
