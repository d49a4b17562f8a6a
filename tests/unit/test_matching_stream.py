"""A stream that learns: clusters as context, samples, refits, and what they are worth."""

import random
from typing import Any

import numpy as np
import pytest

from customer_identity.comparison.fields import EXACT, FIELDS, GIVEN, MISSING, PHONE
from customer_identity.matching.clusters import Clusters
from customer_identity.matching.context import InContext, in_context
from customer_identity.matching.grades import Grade
from customer_identity.matching.model import Model
from customer_identity.matching.stream import Stream
from customer_identity.matching.training import Observation, fit
from customer_identity.records import CustomerRecord
from dedupe_detector.adapters.files import shipped_model
from rig.detector_world import person


@pytest.fixture(scope="module")
def model() -> Model:
    return shipped_model()


def _clusters(*groups: tuple[int, ...]) -> Clusters:
    clusters = Clusters()
    clusters.add(10)
    for first, *others in groups:
        for other in others:
            clusters.join(first, other)
    return clusters


def _seen(number: int, scores: dict[int, float], clusters: Clusters) -> InContext:
    """One record's pairs with earlier ones, in context."""
    return in_context([number] * len(scores), list(scores), np.array(list(scores.values())), clusters)


def test_clusters_know_their_members() -> None:
    clusters = _clusters((0, 1), (2, 3), (1, 2))
    assert sorted(clusters.members(3)) == [0, 1, 2, 3]
    assert clusters.root(0) == clusters.root(3) != clusters.root(4)
    assert list(clusters.members(4)) == [4]


def test_a_pair_without_a_cluster_keeps_its_own_score() -> None:
    seen = _seen(5, {1: 0.7}, _clusters())
    assert seen.score[0] == pytest.approx(0.7)
    assert seen.beyond == []


def test_a_cluster_brings_up_members_that_blocking_lost() -> None:
    seen = _seen(5, {0: 0.99, 1: 0.98}, _clusters((0, 1, 2)))
    ((number, other, score),) = seen.beyond
    assert (number, other) == (5, 2)
    assert 0.9 < score <= 0.97


def test_a_record_that_fits_one_member_of_a_cluster_alone_is_less_likely_one_of_them() -> None:
    one = _seen(5, {0: 0.9, 1: 0.05, 2: 0.05}, _clusters((0, 1, 2)))
    every = _seen(5, {0: 0.9, 1: 0.9, 2: 0.9}, _clusters((0, 1, 2)))
    assert one.score[0] < 0.9 <= every.score[0] + 1e-9


def test_a_likelier_cluster_takes_from_a_less_likely_one() -> None:
    alone = _seen(5, {0: 0.6, 1: 0.6}, _clusters((0, 1)))
    beside = _seen(5, {0: 0.6, 1: 0.6, 2: 0.999, 3: 0.999}, _clusters((0, 1), (2, 3)))
    assert beside.score[0] < alone.score[0]


def test_context_makes_nothing_certain() -> None:
    seen = _seen(5, {0: 0.96, 1: 0.999999, 2: 0.999999}, _clusters((0, 1, 2)))
    assert seen.score[0] <= 0.97


def test_records_join_what_they_likely_are_and_bridge_only_what_they_surely_are() -> None:
    clusters = _clusters((0, 1), (2, 3))
    _seen(5, {0: 0.9, 1: 0.9, 2: 0.9, 3: 0.9}, clusters)
    assert len(clusters.members(5)) == 3, "likely of both: a member of one"
    _seen(6, {0: 0.9999, 1: 0.9999, 2: 0.9999, 3: 0.9999}, clusters)
    assert len(clusters.members(6)) == 6, "surely of both: they are one"
    _seen(7, {8: 0.7}, clusters)
    assert len(clusters.members(7)) == 1


def _customers(people: int, twice: int, seed: int = 7) -> list[CustomerRecord]:
    """So many people, some of them recorded twice, the second time with a slip in the e-mail address."""
    draw = random.Random(seed)  # noqa: S311 - test data, the same at each run
    rows = [person(number) for number in range(people)]
    rows += [row | {"email": f"x{row['email']}"} for row in rows[:twice]]
    draw.shuffle(rows)
    return [
        CustomerRecord.of(row, tenant_id="t", customer_id=f"C{number}") for number, row in enumerate(rows)
    ]  # fmt: skip


def _run(model: Model, customers: list[CustomerRecord], size: int = 50) -> tuple[Stream, list[Any]]:
    stream = Stream(model, tenant_id="t")
    found = [pair for first in range(0, len(customers), size) for pair in stream.match(customers[first : first + size])]
    return stream, found


def test_the_model_learns_how_many_are_recorded_twice(model: Model) -> None:
    many, _ = _run(model, _customers(200, 200))
    none, found = _run(model, _customers(400, 0))
    assert none.model.duplicates_per_record < model.duplicates_per_record < many.model.duplicates_per_record
    assert not [pair for pair in found if pair.grade >= Grade.PROBABLE]


def test_a_model_is_fitted_when_the_base_has_doubled_and_names_its_size(model: Model) -> None:
    customers = _customers(420, 0)
    assert _run(model, customers[:150])[0].model.version == model.version
    assert _run(model, customers[:200])[0].model.version == f"{model.version}+200"
    assert _run(model, customers[:350])[0].model.version == f"{model.version}+200"
    assert _run(model, customers)[0].model.version == f"{model.version}+400"


def test_the_same_stream_teaches_the_same(model: Model) -> None:
    customers = _customers(200, 60)
    (first, pairs), (second, again) = _run(model, customers), _run(model, customers)
    assert first.model == second.model
    assert pairs == again


def test_a_fit_finds_the_pairs_it_was_not_told_of(model: Model) -> None:
    """Half of the pairs agree in name and phone, half in the family name alone: two kinds, and how often each is."""
    levels = np.full((400, len(FIELDS)), MISSING, np.int8)
    levels[:, GIVEN] = np.repeat([EXACT[GIVEN], 0], 200)
    levels[:, PHONE] = np.repeat([EXACT[PHONE], 0], 200)
    seen = Observation(
        records=800,
        others=800.0,
        levels=levels,
        log_frequency=np.full(levels.shape, np.nan, np.float32),
        pairs_a_row=1.0,
        random_levels=np.zeros((1000, len(FIELDS)), np.int8),
    )
    fitted = fit(model, seen, "fitted")
    assert fitted.version == "fitted"
    assert 0.15 < fitted.duplicates_per_record < 0.3
    assert fitted.match["phone"][EXACT[PHONE]] > model.match["phone"][EXACT[PHONE]]
    assert fitted.match["email"] == pytest.approx(model.match["email"], abs=1e-4), "nothing seen, nothing learned"
    assert sum(fitted.match["given_name"]) == pytest.approx(1.0, abs=1e-4)


def test_a_sample_stands_for_all_it_was_drawn_from(model: Model) -> None:
    levels = np.full((100, len(FIELDS)), MISSING, np.int8)
    levels[:, [GIVEN, PHONE]] = EXACT[GIVEN], EXACT[PHONE]
    seen = {
        share: Observation(
            records=1000,
            others=1000.0,
            levels=levels,
            log_frequency=np.full(levels.shape, np.nan, np.float32),
            pairs_a_row=share,
            random_levels=np.zeros((0, len(FIELDS)), np.int8),
        )
        for share in (1.0, 3.0)
    }
    assert fit(model, seen[3.0], "m").duplicates_per_record > 2 * fit(model, seen[1.0], "m").duplicates_per_record * 0.9


def test_linking_leaves_out_pairs_within_a_source_that_only_the_context_brings_up(model: Model) -> None:
    row = person(3)
    sources = ["a", "b", "a"]
    customers = [
        CustomerRecord.of(row, tenant_id="t", customer_id=f"C{number}", source=source)
        for number, source in enumerate(sources)
    ]
    stream = Stream(model, tenant_id="t", link_sources=True)
    assert {frozenset((pair.a, pair.b)) for pair in stream.match(customers)} == {
        frozenset(("C0", "C1")),
        frozenset(("C1", "C2")),
    }
    assert len({cluster for _, cluster in stream.clusters()}) == 1
