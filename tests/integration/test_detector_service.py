"""The detector on real PostgreSQL and Kafka: every pair is found, told once, and only for as long as it holds."""

from datetime import UTC, datetime

import pytest

import customer_events as wire
from rig.detector_world import PACKAGES, TENANT, DetectorWorld, created, erased, person, updated
from rig.fixtures import Migrated, Spawn


@pytest.fixture
def world(migrated: Migrated, kafka: str, topic_prefix: str, spawn: Spawn) -> DetectorWorld:
    return DetectorWorld(database_url=migrated(*PACKAGES), bootstrap=kafka, prefix=topic_prefix, spawn=spawn)


def test_two_detectors_tell_of_each_pair_exactly_once_when_duplicates_arrive_at_the_same_moment(
    world: DetectorWorld,
) -> None:
    people = 150
    # Range gives both a share of every topic; whoever came first has them all for a moment.
    sharing = {"KAFKA__GROUP_PROTOCOL": "classic", "KAFKA__PARTITION_ASSIGNMENT_STRATEGY": "range"}
    detectors = [world.detector(BATCH__MAX_COMMANDS="20", **sharing) for _ in range(2)]
    for detector in detectors:
        detector.wait_for(r"customer-created/[^]]*\], \"event\": \"partitions_assigned", 60)

    # Keys spread over four partitions: the halves of many pairs meet two processes at once.
    world.customers(
        *(
            event
            for number in range(people)
            for event in (created(f"A{number}", **person(number)), created(f"B{number}", **person(number)))
        )
    )
    world.rest()

    pairs = [(event.pair.a, event.pair.b) for event in world.found()]
    assert len(pairs) == len(set(pairs)), "a pair was told of twice"
    assert {(f"A{number}", f"B{number}") for number in range(people)} <= set(pairs)
    assert all(detector.stop() == 0 for detector in detectors)


def test_a_detector_killed_between_insert_and_match_loses_no_pair_and_repeats_none(world: DetectorWorld) -> None:
    world.customers(*(created(f"A{number}", **person(number)) for number in range(20)))
    killed = world.detector(failpoints="after_prepare=crash")
    killed.wait(60)
    assert world.sql("SELECT count(*) AS n FROM detector.records")[0].n > 0, "the insert was committed"
    assert world.sql("SELECT count(*) AS n FROM detector.pairs")[0].n == 0, "nothing was matched"

    world.customers(*(created(f"B{number}", **person(number)) for number in range(20)))
    world.detector()
    world.rest()

    pairs = sorted((event.pair.a, event.pair.b) for event in world.found())
    assert pairs == sorted((f"A{number}", f"B{number}") for number in range(20))


def test_a_detector_killed_before_commit_tells_of_each_pair_once(world: DetectorWorld) -> None:
    world.customers(*(created(f"{side}{number}", **person(number)) for number in range(20) for side in "AB"))
    world.detector(failpoints="before_commit=crash").wait(60)
    world.detector()
    world.rest()

    pairs = sorted((event.pair.a, event.pair.b) for event in world.found())
    assert pairs == sorted((f"A{number}", f"B{number}") for number in range(20))


def test_a_candidate_names_versions_evidence_and_whether_it_may_be_automated(world: DetectorWorld) -> None:
    world.detector()
    world.customers(created("A", version=3, **person(1)), created("B", version=5, **person(1)))
    world.rest()

    (found,) = world.found()
    assert [(member.customer_id, member.version) for member in found.members] == [("A", 3), ("B", 5)]
    assert found.grade is wire.Grade.CERTAIN
    assert found.score > 0.99
    assert found.safe_to_automate
    assert found.blocked_because == ()
    assert {evidence.field for evidence in found.evidence} >= {"given_name", "family_name", "email", "date_of_birth"}
    assert found.model_version


def test_the_same_record_again_and_an_older_version_change_nothing(world: DetectorWorld) -> None:
    world.detector()
    world.customers(created("A", version=2, **person(1)), created("B", version=2, **person(1)))
    world.rest()
    world.customers(
        created("A", version=2, **person(1)), created("A", version=1, **person(9)), updated("B", version=1, **person(8))
    )
    world.rest()

    assert len(world.told()) == 1


def test_an_erased_customer_stays_erased_and_its_candidates_are_withdrawn(world: DetectorWorld) -> None:
    world.detector()
    world.customers(created("A", **person(1)), created("B", **person(1)))
    world.rest()
    world.customers(erased("A", version=2))
    world.rest()
    world.customers(updated("A", version=7, **person(1)), updated("B", version=2, **person(1)))
    world.rest()

    assert [event.reason for event in world.withdrawn()] == [wire.WithdrawalReason.ERASED]
    assert len(world.found()) == 1
    (row,) = world.sql("SELECT comparable, erased FROM detector.records WHERE customer_id = 'A'")
    assert row.comparable is None
    assert row.erased
    number = world.sql("SELECT number FROM detector.records WHERE customer_id = 'A'")[0].number
    assert world.sql("SELECT count(*) AS n FROM detector.postings WHERE number = :number", number=number)[0].n == 0


def test_a_candidate_is_withdrawn_when_an_update_takes_its_evidence_away(world: DetectorWorld) -> None:
    world.detector()
    world.customers(created("A", **person(1)), created("B", **person(1)))
    world.rest()
    world.customers(updated("B", version=2, **person(2)))
    world.rest()

    (found,) = world.found()
    (withdrawn,) = world.withdrawn()
    assert withdrawn.reason is wire.WithdrawalReason.EVIDENCE_CHANGED
    assert withdrawn.candidate_id == found.candidate_id
    assert withdrawn.revision > found.revision


def test_a_pair_marked_not_duplicate_stays_quiet_until_its_evidence_changes(world: DetectorWorld) -> None:
    world.detector()
    alike = {key: value for key, value in person(1).items() if key != "phone"}
    world.customers(created("A", **alike), created("B", **alike))
    world.rest()
    world.produce("merge-command", _not_duplicate("A", "B"))
    world.rest()
    world.customers(updated("A", version=2, **alike), updated("B", version=2, **alike))
    world.rest()

    assert [event.reason for event in world.withdrawn()] == [wire.WithdrawalReason.NOT_DUPLICATE]
    assert len(world.found()) == 1, "the same evidence was told of again"

    world.customers(updated("A", version=3, **person(1)), updated("B", version=3, **person(1)))
    world.rest()
    first, again = sorted(world.found(), key=lambda event: event.revision)
    assert again.candidate_id == first.candidate_id
    assert again.revision > first.revision


def test_a_pair_marked_not_duplicate_before_it_was_found_is_never_told_of(world: DetectorWorld) -> None:
    world.detector()
    world.produce("merge-command", _not_duplicate("A", "B"))
    world.rest()
    world.customers(created("A", **person(1)), created("B", **person(1)))
    world.rest()

    assert world.told() == []


def test_after_a_merge_the_pair_is_withdrawn_and_the_next_candidate_names_all_members(world: DetectorWorld) -> None:
    world.detector()
    world.customers(created("A", **person(1)), created("B", **person(1)))
    world.rest()
    world.produce("customer-merged", _merged("A", "B"))
    world.rest()
    world.customers(created("C", **person(1)))
    world.rest()

    assert [event.reason for event in world.withdrawn()] == [wire.WithdrawalReason.ALREADY_MERGED]
    later = [event for event in world.found() if "C" in (event.pair.a, event.pair.b)]
    assert later
    assert all([member.customer_id for member in event.members] == ["A", "B", "C"] for event in later)


def test_customers_of_two_tenants_never_meet(world: DetectorWorld) -> None:
    world.detector()
    world.customers(created("A", tenant="one", **person(1)), created("B", tenant="two", **person(1)))
    world.rest()

    assert world.told() == []


def test_explain_tells_why_two_customers_look_like_one_person(world: DetectorWorld) -> None:
    world.detector()
    world.customers(created("A", **person(1)), created("B", **person(1)))
    world.rest()

    told = world.run("explain", "A", "B", "--tenant", TENANT)
    assert told.returncode == 0, told.tail()
    assert "One person with" in told.stdout
    assert "date of birth equal" in told.stdout
    unknown = world.run("explain", "A", "nobody", "--tenant", TENANT)
    assert unknown.returncode == 1
    assert "never seen, or erased" in unknown.stderr
    assert "Traceback" not in unknown.stderr


def _not_duplicate(*customer_ids: str) -> wire.MarkNotDuplicate:
    return wire.MarkNotDuplicate(
        tenant_id=TENANT,
        command_id="n1",
        customer_ids=customer_ids,
        withdrawn=False,
        requested_by=wire.Actor(id="sam", roles=("merge",)),
        reason="two people",
    )


def _merged(winner: str, loser: str) -> wire.CustomerMerged:
    return wire.CustomerMerged(
        tenant_id=TENANT,
        merge_id="m1",
        command_id="c1",
        winner=wire.VersionedId(id=winner, version=2),
        losers=(wire.MergedLoser(id=loser, version=2, disposition=wire.Disposition.LINK),),
        redirects=(wire.Redirect(from_=loser, direct_to=winner, canonical=winner, version=1),),
        rows=wire.RowsState.COMPLETE,
        actor="sam",
        reason="test",
        policy_version="1",
        merged_at=datetime.now(UTC),
    )
