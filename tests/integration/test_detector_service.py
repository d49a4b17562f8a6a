"""The detector on real PostgreSQL and Kafka: every pair is found, told once, and only for as long as it holds."""

from pathlib import Path

import pytest

from rig.detector_world import PACKAGES, TENANT, DetectorWorld, created, erased, merged, not_duplicate, person
from rig.fixtures import Migrated, Spawn


@pytest.fixture
def world(migrated: Migrated, kafka: str, topic_prefix: str, spawn: Spawn) -> DetectorWorld:
    return DetectorWorld(database_url=migrated(*PACKAGES), bootstrap=kafka, prefix=topic_prefix, spawn=spawn)


def test_two_detectors_tell_of_each_pair_exactly_once_when_ten_thousand_duplicates_arrive_at_the_same_moment(
    world: DetectorWorld,
) -> None:
    people = 10_000
    # Range gives both a share of every topic; whoever came first has them all for a moment.
    sharing = {"KAFKA__GROUP_PROTOCOL": "classic", "KAFKA__PARTITION_ASSIGNMENT_STRATEGY": "range"}
    detectors = [world.detector(LEARN="false", **sharing) for _ in range(2)]
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


def test_what_other_topics_say_reaches_the_detector_too(world: DetectorWorld) -> None:
    detector = world.detector()
    world.customers(*(created(f"{side}{number}", **person(number)) for number in range(3) for side in "AB"))
    world.rest()
    world.produce("merge-command", not_duplicate("A0", "B0"))
    world.produce("customer-merged", merged("A1", "B1"))
    world.customers(erased("A2", version=2))
    world.rest()

    assert len(world.found()) == 3
    assert sorted(event.reason.value for event in world.withdrawn()) == ["ALREADY_MERGED", "ERASED", "NOT_DUPLICATE"]
    assert detector.stop() == 0


def test_bytes_that_are_no_event_are_quarantined_and_the_rest_goes_on(world: DetectorWorld) -> None:
    world.detector()
    for topic in ("customer-created", "customer-merged", "merge-command"):
        world.produce_bytes(topic, b"junk")
    world.customers(created("A", **person(1)), created("B", **person(1)))
    world.rest()

    assert [(event.pair.a, event.pair.b) for event in world.found()] == [("A", "B")]
    assert world.sql("SELECT count(*) AS n FROM detector.quarantine")[0].n == 3


def test_explain_tells_and_draws_why_two_customers_look_like_one_person(world: DetectorWorld, tmp_path: Path) -> None:
    world.detector()
    world.customers(created("A", **person(1)), created("B", **person(1)))
    world.rest()

    drawing = tmp_path / "why.svg"
    told = world.run("explain", "A", "B", "--tenant", TENANT, "--svg", str(drawing))
    assert told.returncode == 0, told.tail()
    assert "Almost certainly one person" in told.stdout
    assert "birth date\tequal\t+" in told.stdout
    assert "match probability" in drawing.read_text()
    unknown = world.run("explain", "A", "nobody", "--tenant", TENANT)
    assert unknown.returncode == 1
    assert "never seen, or erased" in unknown.stderr
    assert "Traceback" not in unknown.stderr
