"""What people's decisions teach: corrections of weights, within limits."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from customer_identity.comparison.fields import EXACT, FIELDS, MISSING
from customer_identity.matching.corrections import Judged, corrected, judged
from customer_identity.matching.index import Entry, MemoryIndex
from customer_identity.matching.matcher import Matcher
from customer_identity.matching.model import Model, ModelError, format_model, parse_model
from customer_identity.matching.scoring import Scorer, probability
from customer_identity.normalise import normalise
from customer_identity.records import CustomerRecord
from dedupe_detector.adapters.files import shipped_model

BASE = 10_000


def _pairs(levels: dict[str, int], same: Sequence[bool]) -> Judged:
    """So many pairs that agree alike: at these levels, all other fields missing."""
    row = np.array([levels.get(field.name, MISSING) for field in FIELDS], np.int8)
    return Judged(
        levels=np.tile(row, (len(same), 1)),
        log_frequency=np.full((len(same), len(FIELDS)), np.nan),
        same=np.array(same),
    )


def _score(model: Model, known: Judged) -> float:
    records = np.full(len(known), float(BASE))
    scores = Scorer(model).score(known.levels, known.log_frequency, records, model.duplicates_per_record * records)
    return float(probability(scores.logit)[0])


def _taught(model: Model, known: Judged) -> Model:
    return corrected(model, known, records=BASE, duplicates=round(BASE * model.duplicates_per_record))


DOUBTFUL = {"given_name": 3, "family_name": 4, "phone": 2, "address": 1, "email": 0}
"""A nickname, the same family name and a phone much alike, another e-mail address and dwelling."""


def test_what_people_approve_scores_higher_and_what_they_reject_lower() -> None:
    model = shipped_model()
    before = _score(model, _pairs(DOUBTFUL, [True]))
    assert 0.05 < before < 0.99
    approved = _taught(model, _pairs(DOUBTFUL, [True] * 30))
    rejected = _taught(model, _pairs(DOUBTFUL, [False] * 30))
    assert _score(rejected, _pairs(DOUBTFUL, [True])) < before / 2
    assert _score(approved, _pairs(DOUBTFUL, [True])) > before
    other = _pairs({"given_name": 5, "family_name": 4, "city": 3}, [True])
    assert 0 < abs(_score(approved, other) - _score(model, other)) < 0.1, "what was not judged hardly changes"


def test_a_decision_or_two_change_little() -> None:
    model = shipped_model()
    before = _score(model, _pairs(DOUBTFUL, [True]))
    for same in (True, False):
        assert abs(_score(_taught(model, _pairs(DOUBTFUL, [same])), _pairs(DOUBTFUL, [True])) - before) < 0.1


def test_decisions_as_the_scores_expect_them_change_nothing() -> None:
    model = shipped_model()
    expected = _score(model, _pairs(DOUBTFUL, [True]))
    draw = np.random.default_rng(3)
    known = _pairs(DOUBTFUL, (draw.random(2000) < expected).tolist())
    assert abs(_score(_taught(model, known), known) - expected) < 0.03


SURE = {"given_name": 5, "family_name": 4, "email": 5, "phone": 4, "date_of_birth": 5}


def test_no_number_of_decisions_about_doubtful_pairs_moves_one_over_the_line_of_certain() -> None:
    model = shipped_model()
    approved = _taught(model, _pairs(DOUBTFUL, [True] * 500))
    assert 0.9 < _score(approved, _pairs(DOUBTFUL, [True])) < model.certain
    barely = {"given_name": 3, "family_name": 4, "phone": 4, "address": 1}
    assert model.certain < _score(model, _pairs(barely, [True])) < 0.999
    rejected = _taught(model, _pairs(DOUBTFUL, [False] * 500))
    assert _score(rejected, _pairs(barely, [True])) >= model.certain


def test_what_people_reject_of_certain_pairs_is_certain_no_longer() -> None:
    model = shipped_model()
    assert _score(model, _pairs(SURE, [True])) > model.certain
    rejected = parse_model(format_model(_taught(model, _pairs(SURE, [False] * 50))))
    assert rejected.certain_rejected
    assert _score(rejected, _pairs(SURE, [True])) < model.certain
    assert not _taught(model, _pairs(SURE, [True] * 300 + [False] * 2)).certain_rejected, "a slip or two of a hand"


def test_weights_hold_the_corrections_so_that_the_evidence_adds_up() -> None:
    model = shipped_model()
    known = _pairs(DOUBTFUL, [False] * 30)
    taught = _taught(model, known)
    records = np.full(len(known), float(BASE))
    scores = Scorer(taught).score(known.levels, known.log_frequency, records, records * taught.duplicates_per_record)
    plain = Scorer(model).score(known.levels, known.log_frequency, records, records * model.duplicates_per_record)
    assert np.allclose(scores.weights.sum(axis=1) + scores.rest, scores.logit)
    assert scores.logit[0] - plain.logit[0] == pytest.approx((scores.weights - plain.weights)[0].sum(), abs=1e-6)


def test_corrections_are_kept_by_the_file_and_by_later_fits() -> None:
    taught = _taught(shipped_model(), _pairs(DOUBTFUL, [False] * 30))
    read = parse_model(format_model(taught))
    assert read.corrections.keys() == taught.corrections.keys() == DOUBTFUL.keys()
    assert read.corrections["phone"] == pytest.approx(taught.corrections["phone"], abs=0.005)
    again = _taught(read, _pairs(DOUBTFUL, [False] * 30))
    assert _score(again, _pairs(DOUBTFUL, [True])) < _score(read, _pairs(DOUBTFUL, [True])), (
        "what it knows is its start"
    )
    assert "corrections" not in json.loads(format_model(shipped_model()))


@pytest.mark.parametrize(
    "corrections",
    [{"shoe_size": [0.1]}, {"phone": [0.1]}, {"suffix": [0, 99]}, {"suffix": [0, "NaN"]}, [1], {"suffix": None}],
)
def test_corrections_that_no_fit_writes_are_refused(corrections: object) -> None:
    data = json.loads(format_model(shipped_model())) | {"corrections": corrections}
    with pytest.raises(ModelError):
        parse_model(json.dumps(data))


def _entry(number: int, **values: str) -> Entry:
    record = CustomerRecord.of(values, tenant_id="t", customer_id=str(number))
    return Entry(number=number, tenant_id="t", customer_id=str(number), version=1, source="", record=normalise(record))


def test_pairs_that_a_limit_decides_or_that_nobody_would_be_shown_teach_nothing() -> None:
    index = MemoryIndex()
    family = {"family_name": "Okafor", "phone": "360-555-7781", "street": "12 Elm Street", "postal_code": "98004"}
    entries = [
        _entry(0, given_name="Anna", **family),
        _entry(1, given_name="Robert", **family),
        _entry(2, given_name="Dmitri", family_name="Lopez"),
        _entry(3, given_name="Wilhelmina", family_name="Stone"),
        _entry(4, given_name="Ana", email="ana.okafor@example.org", **family),
    ]
    index.add(entries)
    model = replace(shipped_model(), certain=0.999)
    matches = Matcher(model, index).compare_pairs(
        [entries[0], entries[2], entries[0]], [entries[1], entries[3], entries[4]]
    )
    known = judged(matches, [True, True, True], model)
    assert len(known) == 1
    assert known.levels[0, 0] < EXACT[0]
