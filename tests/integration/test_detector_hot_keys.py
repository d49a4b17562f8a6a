"""Values that many records share: the index keeps no more of them than anybody reads, and pairs are found without."""

import pytest

import customer_events as wire
from customer_identity.blocking import FAMILIES, key_code
from rig.bare_detector import Detector
from rig.detector_world import TENANT, created, erased, person

_SHARED = {"family_name": "Grandville", "city": "Springfield", "postal_code": "98107"}
_BATCH = 50
_BATCHES = 6
_CAPS = {family.name: (family.number, family.cap) for family in FAMILIES}


@pytest.fixture
def detector(detector: Detector) -> Detector:
    for first in range(0, _BATCHES * _BATCH, _BATCH):
        detector.receive(*(created(f"C{n:04d}", **person(n) | _SHARED) for n in range(first, first + _BATCH)))
    return detector


def _holders(detector: Detector, family: str, value: str) -> int:
    code = key_code(TENANT, _CAPS[family][0], value)
    return int(detector.sql("SELECT count(*) AS n FROM detector.postings WHERE code = :code", code=code)[0].n)


@pytest.mark.parametrize(("family", "value"), [("one name", "grandville"), ("postcode", "98107")])
def test_a_key_that_is_too_common_is_written_no_more(detector: Detector, family: str, value: str) -> None:
    cap = _CAPS[family][1]
    assert cap < _holders(detector, family, value) <= cap + _BATCH < _BATCHES * _BATCH


def test_who_shares_only_what_everybody_shares_is_no_candidate_and_who_shares_more_is_found(detector: Detector) -> None:
    assert detector.receive(created("X", **person(9_001) | _SHARED)) == []
    (found,) = detector.receive(created("Y", **person(7) | _SHARED))
    assert isinstance(found, wire.MergeCandidateFound)
    assert found.pair.a == "C0007"


def test_a_key_whose_holders_are_erased_finds_again_once_it_is_held_again(detector: Detector) -> None:
    detector.receive(*(erased(f"C{n:04d}", version=2) for n in range(_BATCHES * _BATCH)))
    assert _holders(detector, "one name", "grandville") == 0
    later = Detector(detector.engine.url.render_as_string(hide_password=False))
    later.receive(created("X", **person(5) | _SHARED))
    (found,) = later.receive(created("Y", **person(5) | _SHARED))
    assert isinstance(found, wire.MergeCandidateFound)
    later.engine.dispose()
