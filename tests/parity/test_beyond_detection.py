"""How duplicates are found: grades, weights, explanations, at once."""

import csv
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import customer_events as wire
from customer_identity import matching
from dedupe_detector.__main__ import main
from rig.desk_shop import Shop
from rig.detector_world import PACKAGES, DetectorWorld, created, person
from rig.fixtures import Migrated, Spawn
from rig.invariants import CODEC
from rig.processes import eventually
from rig.topics import read_topic

# Whoever comes to the counter is known as a duplicate while they still stand there.
AT_ONCE_MS = 5_000
LIMIT_S = 60.0
HOW_NAMED: dict[str, Callable[[Any], str]] = {
    "customer-created": lambda event: event.customer_id,
    "merge-candidate": lambda event: max(event.pair.a, event.pair.b),
}
SHIPPED = Path(matching.__file__).parent / "model.json"
EVERYBODY = ("customer_id", *person(0))


def _match(directory: Path, people: Sequence[dict[str, str]], *model: str) -> list[dict[str, str]]:
    customers, pairs = directory / "customers.csv", directory / "pairs.csv"
    with customers.open("w", newline="") as file:
        writer = csv.DictWriter(file, EVERYBODY)
        writer.writeheader()
        writer.writerows(people)
    assert main(["match", str(customers), "--output", str(pairs), *model]) == 0
    with pairs.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def detector(
    migrated: Migrated, kafka: str, topic_prefix: str, spawn: Spawn, make_topics: Callable[..., Any]
) -> DetectorWorld:
    """A running detector."""
    world = DetectorWorld(database_url=migrated(*PACKAGES), bootstrap=kafka, prefix=topic_prefix, spawn=spawn)
    world.detector().wait_for("service_started")
    return world


@pytest.mark.parity(system="Peers beyond them", row="fhir-grades")
def test_every_match_has_a_grade_and_the_better_scores_have_the_better_grades(tmp_path: Path) -> None:
    one = person(1)
    elsewhere = {"phone": "", "street": "1 Elsewhere Road", "city": "Elsewhere", "postal_code": "99999"}
    housemate = {**person(2), **{name: one[name] for name in ("street", "city", "postal_code", "family_name")}}
    people = [
        {"customer_id": "a", **one},
        {"customer_id": "b", **one},
        {"customer_id": "moved", **one, "email": "new@example.org", "date_of_birth": "", **elsewhere},
        {"customer_id": "housemate", **housemate},
    ]
    crowd = [{"customer_id": f"n{number}", **person(number)} for number in range(10, 60)]
    found = _match(tmp_path, [*crowd, *people])
    grades = {frozenset((pair["customer_id_a"], pair["customer_id_b"])): pair["grade"] for pair in found}
    assert grades[frozenset(("a", "b"))] == "certain"
    assert {grade for pair, grade in grades.items() if pair & {"moved", "housemate"}} & {"probable", "possible"}
    ranks = [
        ("certain", "probable", "possible").index(pair["grade"])
        for pair in sorted(found, key=lambda pair: -float(pair["score"]))
    ]
    assert ranks == sorted(ranks)


@pytest.mark.parity(system="Peers beyond them", row="fhir-grades")
@pytest.mark.parametrize("grade", list(wire.Grade))
def test_only_the_surest_match_goes_on_without_a_person(shop: Shop, grade: wire.Grade) -> None:
    for customer_id in "ab":
        shop.customer(customer_id)  # with the same verified e-mail: nothing but the grade stands in the way
    shop.find(("a", "b"), grade=grade)
    shop.work()
    if grade is wire.Grade.CERTAIN:
        assert (shop.states(), len(shop.canonical("a", "b"))) == (["DONE"], 1)
    else:
        assert (shop.states(), len(shop.canonical("a", "b"))) == (["OPEN"], 2)


@pytest.mark.parity(system="Peers beyond them", row="splink-explained")
def test_the_weights_that_the_fields_gave_add_up_to_the_score(detector: DetectorWorld) -> None:
    one = person(1)
    detector.customers(created("a", **one), *(created(f"n{number}", **person(number)) for number in range(10, 40)))
    detector.customers(created("b", **{**one, "phone": "+1-999-555-0100"}))
    detector.rest()
    (found,) = detector.found()
    weights = {item.field: item.weight for item in found.evidence}
    assert weights["email"] > 0 > weights["phone"]
    assert found.score == pytest.approx(1 / (1 + 2.0 ** -sum(weights.values())), abs=0.02)
    assert math.isfinite(found.score)
    explained = json.loads(detector.run("explain", "a", "b", "--json", "--tenant", found.tenant_id).stdout)
    assert "email" in json.dumps(explained)


@pytest.mark.parity(system="Peers beyond them", row="senzing-real-time")
def test_a_duplicate_is_told_of_at_once_whenever_one_arrives(detector: DetectorWorld) -> None:
    detector.customers(*(created(f"a{number}", **person(number)) for number in range(30)))
    detector.rest()
    assert detector.found() == []
    for number in range(3):  # nothing else is started or asked for: the arrival itself brings the news
        detector.customers(created(f"b{number}", **person(number)))
        eventually(lambda: len(detector.found()) == number + 1, LIMIT_S, every_s=0.1)  # noqa: B023 - called at once
    arrived, told = (moments(detector, topic, name) for topic, name in HOW_NAMED.items())
    late = {name: told[name] - arrived[name] for name in told}
    assert late.keys() == {"b0", "b1", "b2"}
    assert max(late.values()) < AT_ONCE_MS, late


@pytest.mark.parity(system="Peers beyond them", row="civicrm-weights")
def test_the_weight_of_each_field_can_be_set_and_decides_who_is_a_duplicate(tmp_path: Path) -> None:
    one = person(1)
    moved = {"phone": "+1-999-555-0100", "street": "1 Elsewhere Road", "postal_code": "99999", "city": "Elsewhere"}
    crowd = [{"customer_id": f"n{number}", **person(number)} for number in range(10, 60)]
    people = [*crowd, {"customer_id": "a", **one}, {"customer_id": "b", **one, **moved}]
    scores = [
        _score(tmp_path, people, without_weight) for without_weight in ((), ("email",), ("email", "date_of_birth"))
    ]
    assert scores[0] > 0.99
    assert scores[0] > scores[1] > scores[2]
    assert scores[2] < 0.05


def _score(directory: Path, people: Sequence[dict[str, str]], without_weight: Sequence[str]) -> float:
    """What a and b score in a model in which those fields say nothing; 0 when they are no candidates."""
    model = json.loads(SHIPPED.read_text())
    for field in without_weight:
        model["match"][field] = model["chance"][field]  # as frequent with one person as with strangers
    (directory / "model.json").write_text(json.dumps(model))
    found = _match(directory, people, "--model", str(directory / "model.json"))
    return sum(float(pair["score"]) for pair in found if {pair["customer_id_a"], pair["customer_id_b"]} == {"a", "b"})


def moments(world: DetectorWorld, topic: str, name: Callable[[Any], str]) -> dict[str, int]:
    """When each record of a topic was published, in milliseconds, by the customer who arrived."""
    return {
        name(CODEC.decode(message.value() or b"")): message.timestamp()[1]
        for message in read_topic(world.bootstrap, world.prefix + topic)
    }
