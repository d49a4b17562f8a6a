"""The service weighs a record against the clusters that pairs told of before have made."""

import numpy as np
import pytest

import customer_events as wire
from customer_identity.matching.evidence import BIT
from customer_identity.matching.scoring import logit_of
from dedupe_detector.adapters.files import shipped_model
from dedupe_detector.application.explain_pair import ExplainPair
from rig.bare_detector import Detector
from rig.detector_world import TENANT, created, person

ANNA = person(1)
NEARLY = {name: ANNA[name] for name in ("given_name", "family_name", "city")}
"""Fits Anna, and could be another of her name in her town."""


@pytest.fixture
def detector(detector: Detector) -> Detector:
    detector.receive(*(created(f"crowd{number}", **person(number)) for number in range(100, 300)))
    return detector


def _found(detector: Detector, *customers: wire.CustomerCreated) -> dict[str, wire.MergeCandidateFound]:
    """What is told of X, by the other customer."""
    told = [event for event in detector.receive(*customers) if isinstance(event, wire.MergeCandidateFound)]
    return {event.pair.a: event for event in told if event.pair.b == "X"}


def _context(event: wire.MergeCandidateFound) -> float:
    """Bits that the other records added."""
    return sum(one.weight for one in event.evidence if one.field == "other_records")


def test_a_record_that_fits_one_of_two_records_of_a_person_is_judged_by_both(detector: Detector) -> None:
    stranger = {"city": "Elsewhere", "date_of_birth": "1931-02-03"}
    detector.receive(created("A1", **ANNA))
    alone = _found(detector, created("X", **NEARLY))["A1"]
    assert _context(alone) == 0

    detector.receive(created("A2", **ANNA | stranger))
    beside = detector.receive(created("X2", **NEARLY))
    (told,) = [event for event in beside if isinstance(event, wire.MergeCandidateFound) and event.pair.a == "A1"]
    assert _context(told) < 0, "the other record of this person lives elsewhere"
    assert told.score < alone.score


def test_the_weight_of_the_other_records_is_part_of_the_evidence_and_explained_alike(detector: Detector) -> None:
    detector.receive(created("A1", **ANNA), created("A2", **ANNA | {"city": "Elsewhere"}))
    event = _found(detector, created("X", **NEARLY))["A1"]
    with detector.engine.connect() as connection:
        explained = ExplainPair(shipped_model()).explain(connection, TENANT, "A1", "X")
    assert _context(event) != 0
    assert {e.field: e.weight for e in event.evidence} == pytest.approx(
        {one.field: one.weight for one in explained.evidence}, abs=0.1
    ), "nearly: meanwhile the pair itself counts in the share of duplicates"
    bits = sum(one.weight for one in explained.evidence)
    assert bits == pytest.approx(float(logit_of(np.array(explained.score))) / BIT, abs=0.1)


def test_records_of_one_batch_are_weighed_in_the_order_they_came(detector: Detector) -> None:
    detector.receive(created("A1", **ANNA), created("A2", **ANNA | {"phone": None}))
    told = detector.receive(created("X", **ANNA | {"email": None}), created("Y", **ANNA | {"street": None}))
    pairs = {(event.pair.a, event.pair.b) for event in told if isinstance(event, wire.MergeCandidateFound)}
    assert pairs == {("A1", "X"), ("A2", "X"), ("A1", "Y"), ("A2", "Y"), ("X", "Y")}
