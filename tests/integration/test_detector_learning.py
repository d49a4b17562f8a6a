"""The service learns each tenant's base: fits, the version that scores, pins."""

from collections.abc import Callable
from typing import Any

import pytest

import customer_events as wire
from customer_identity.matching.model import parse_model
from dedupe_detector.__main__ import main
from dedupe_detector.adapters import model_tables
from dedupe_detector.adapters.files import shipped_model
from dedupe_detector.application.fit_to_index import fit_to_index
from dedupe_detector.application.refit_models import RefitModels
from rig.bare_detector import Detector
from rig.detector_world import TENANT, created, person, updated

START = shipped_model()


def _fill(detector: Detector, people: int, *, twice: bool, tenant: str = TENANT, first: int = 0) -> None:
    batch: list[Any] = []
    for number in range(first, first + people):
        batch.append(created(f"A{number}", tenant=tenant, **person(number)))
        if twice:
            slip = person(number) | {"phone": None}
            batch.append(created(f"B{number}", tenant=tenant, **slip))
    detector.receive(*batch)


def _newcomer(detector: Detector, number: int, *, tenant: str = TENANT) -> str:
    """The model that scored the second record of a new person."""
    told = detector.receive(
        created(f"X{number}", tenant=tenant, **person(number)), created(f"Y{number}", tenant=tenant, **person(number))
    )
    (found,) = [event for event in told if isinstance(event, wire.MergeCandidateFound)]
    return str(found.model_version)


def test_a_grown_base_is_fitted_and_its_model_is_named_in_candidates(detector: Detector) -> None:
    refit = RefitModels(detector.engine, START)
    _fill(detector, 60, twice=True)
    assert refit.run_due() == [], "too few to learn from"
    assert _newcomer(detector, 9000) == START.version

    _fill(detector, 60, twice=True, first=100)
    (version,) = refit.run_due()
    assert refit.run_due() == [], "nothing new since"
    assert version != START.version
    assert _newcomer(detector, 9001) == version
    with detector.engine.connect() as connection:
        fitted = parse_model(model_tables.model_text(connection, TENANT, version))
    assert fitted.duplicates_per_record > START.duplicates_per_record, "half of these records are duplicates"


def test_a_newer_model_does_not_ask_again_what_a_person_has_decided(detector: Detector) -> None:
    _fill(detector, 60, twice=True)
    asserted = wire.MarkNotDuplicate(
        tenant_id=TENANT,
        command_id="n1",
        customer_ids=("A3", "B3"),
        requested_by=wire.Actor(id="eve", roles=("merge",)),
        reason="twins",
    )
    assert [event.reason for event in detector.receive(asserted)] == [wire.WithdrawalReason.NOT_DUPLICATE]
    _fill(detector, 60, twice=True, first=100)
    assert RefitModels(detector.engine, START).run_due()
    assert detector.receive(updated("A3", version=2, **person(3)), updated("A4", version=2, **person(4))) == []
    told = detector.receive(updated("A3", version=3, **person(3) | {"phone": "+1-206-555-0100"}))
    assert told == [], "the other record has no phone: the two agree as before"


def test_tenants_learn_apart(detector: Detector) -> None:
    _fill(detector, 110, twice=True)
    _fill(detector, 20, twice=False, tenant="another")
    (version,) = RefitModels(detector.engine, START).run_due()
    assert _newcomer(detector, 9000) == version
    assert _newcomer(detector, 9000, tenant="another") == START.version


def test_a_sample_of_a_base_says_as_much_as_the_base(detector: Detector) -> None:
    _fill(detector, 1_000, twice=False)
    with detector.engine.begin() as connection:
        whole, sample = (fit_to_index(connection, START, TENANT, sampled_records=some) for some in (1_000, 100))
    assert (whole.sampled, sample.sampled, whole.records, sample.records) == (1_000, 100, 1_000, 1_000)
    assert START.duplicates_per_record > 2 * whole.model.duplicates_per_record, "nobody is in this base twice"
    assert sample.model.duplicates_per_record == pytest.approx(whole.model.duplicates_per_record, rel=0.1)


def test_only_one_worker_fits_at_a_time(detector: Detector) -> None:
    _fill(detector, 110, twice=True)
    with detector.engine.begin() as other:
        assert model_tables.alone(other)
        assert RefitModels(detector.engine, START).run_due() == []
    assert len(RefitModels(detector.engine, START).run_due()) == 1


def test_a_pinned_version_scores_until_it_is_unpinned_and_then_the_newest(
    detector: Detector, detector_command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    refit = RefitModels(detector.engine, START)
    _fill(detector, 110, twice=True)
    (first,) = refit.run_due()
    _fill(detector, 250, twice=False, first=500)
    (second,) = refit.run_due()
    assert _newcomer(detector, 9000) == second

    assert detector_command("models", "pin", first, "--tenant", TENANT) == 0
    assert _newcomer(detector, 9001) == first
    capsys.readouterr()
    assert detector_command("models", "list", "--tenant", TENANT) == 0
    assert [line.split("\t")[1] for line in capsys.readouterr().out.splitlines()[1:]] == [second, first]

    assert detector_command("models", "unpin", "--tenant", TENANT) == 0
    assert _newcomer(detector, 9002) == second


def test_a_version_that_is_not_there_cannot_be_pinned(
    detector_command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert detector_command("models", "pin", "no-such", "--tenant", TENANT) == 1
    assert "has no model no-such: see models list" in capsys.readouterr().err


@pytest.fixture
def detector_command(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setenv("DEDUPE_DETECTOR_DATABASE__URL", detector.url)
    return lambda *arguments: main(arguments)
