"""What many share proves nothing: one phone or surname on very many customers, through the service's handler."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

import customer_events as wire
from customer_identity.blocking import MAX_CANDIDATES
from dedupe_detector.adapters.files import shipped_model
from dedupe_detector.application.detect_duplicates import DetectDuplicates
from dedupe_detector.application.find_candidates import FindCandidates
from event_runtime.metrics import RuntimeMetrics
from event_runtime.publisher import Publisher
from rig.bare_detector import Detector
from rig.detector_world import PACKAGES, created, person
from rig.fixtures import Migrated
from rig.invariants import CODEC

MANY = 1_000
BATCH = 200


@pytest.fixture
def metrics() -> RuntimeMetrics:
    return RuntimeMetrics("dedupe-detector")


@pytest.fixture
def detector(migrated: Migrated, metrics: RuntimeMetrics) -> Iterator[Detector]:
    find = FindCandidates(shipped_model(), Publisher(CODEC, wire.CATALOGUE, "/test"), metrics.capped_keys_total.inc)
    one = Detector(migrated(*PACKAGES), DetectDuplicates(find))
    yield one
    one.engine.dispose()


@pytest.mark.parametrize(
    "shared",
    [
        {"phone": "0800 496 0123"},
        {"email": "info@shop.example"},
        {"phone": "0800 496 0123", "email": "info@shop.example", "date_of_birth": "1980-01-01"},
    ],
    ids=["phone", "e-mail", "all placeholders"],
)
def test_what_a_thousand_customers_share_proposes_nothing(
    detector: Detector, metrics: RuntimeMetrics, shared: dict[str, str]
) -> None:
    _tell(detector, [created(f"H{number}", **person(number) | shared) for number in range(MANY)])
    assert detector.told == []
    capped = metrics.registry.get_sample_value("customer_merge_capped_keys_total")
    assert capped is not None
    assert capped > MANY / 2, "what was capped is counted"

    told = detector.receive(created("again", **person(7) | shared))
    assert [(event.pair.a, event.pair.b) for event in told] == [("H7", "again")], "by all else that the two share"
    assert not told[0].safe_to_automate
    assert "CONTESTED_IDENTIFIER" in told[0].blocked_because


def test_a_surname_on_a_fifth_of_all_customers_makes_nobody_certain_and_no_heap_of_pairs(detector: Detector) -> None:
    given = ("Anna", "Bruno", "Carla", "David", "Elena", "Frank", "Grace", "Hugo", "Irene", "James")
    crowd: list[Any] = []
    for number in range(MANY):
        values = person(number)
        if number % 5 == 0:
            values |= {"family_name": "Garcia", "given_name": given[number // 5 % 10], "city": "Springfield"}
        if number % 10 == 0:
            values = {name: values[name] for name in ("given_name", "family_name", "city")}
        crowd.append(created(f"G{number}", **values))
    _tell(detector, crowd)
    found = [event for event in detector.told if isinstance(event, wire.MergeCandidateFound)]
    assert [event for event in found if event.grade is wire.Grade.CERTAIN or event.safe_to_automate] == []
    partners = Counter(one for event in found for one in (event.pair.a, event.pair.b))
    assert len(found) < MANY
    assert max(partners.values(), default=0) <= 4 * MAX_CANDIDATES


def _tell(detector: Detector, events: list[Any]) -> None:
    for first in range(0, len(events), BATCH):
        detector.receive(*events[first : first + BATCH])
