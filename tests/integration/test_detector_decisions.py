"""What people decide of candidates teaches the next fit: approvals, rejections, undone merges, and erasures."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import customer_events as wire
from dedupe_detector.__main__ import main
from dedupe_detector.adapters.files import shipped_model
from dedupe_detector.application.refit_models import RefitModels
from rig.bare_detector import Detector
from rig.detector_world import TENANT, created, erased, merged, not_duplicate, person

START = shipped_model()
PAIRS = range(30)


def _moved(number: int) -> dict[str, Any]:
    """The same name and birthday, another home, phone and mailbox: one person who moved, or a namesake."""
    one, other = person(number), person(number + 100_000)
    return other | {name: one[name] for name in ("given_name", "family_name")} | {"date_of_birth": None}


def _doubtful(detector: Detector, numbers: range) -> dict[int, wire.MergeCandidateFound]:
    """Pairs of one kind, neither certain nor hopeless."""
    found = _told(detector, numbers)
    assert sorted(found) == list(numbers), "each of these pairs is told of"
    return found


def _told(detector: Detector, numbers: range) -> dict[int, wire.MergeCandidateFound]:
    told = detector.receive(
        *(event for n in numbers for event in (created(f"A{n}", **person(n)), created(f"B{n}", **_moved(n))))
    )
    return {int(event.pair.a[1:]): event for event in told if isinstance(event, wire.MergeCandidateFound)}


def _score(detector: Detector, number: int) -> float:
    """Of a new pair of that kind, by the model that scores now; 0 when it is not worth telling of."""
    found = _told(detector, range(number, number + 1))
    return float(found[number].score) if found else 0.0


def _approve(found: dict[int, wire.MergeCandidateFound], *, actor: str = "sam") -> list[wire.CustomerMerged]:
    return [
        merged(f"A{n}", f"B{n}").model_copy(update={"actor": actor, "candidate_id": event.candidate_id})
        for n, event in found.items()
    ]


def _undone(number: int) -> wire.CustomerUnmerged:
    return wire.CustomerUnmerged(
        tenant_id=TENANT,
        unmerge_id=f"u{number}",
        merge_id="m1",
        command_id=f"c{number}",
        mode=wire.UnmergeMode.LINEAR,
        from_id=f"A{number}",
        restored=(wire.VersionedId(id=f"B{number}", version=3),),
        redirects=(wire.Redirect(from_=f"B{number}", direct_to=f"B{number}", canonical=f"B{number}", version=2),),
        at=datetime.now(UTC),
    )


def _labels(detector: Detector) -> list[bool]:
    return [row.same for row in detector.sql("SELECT same FROM detector.decisions ORDER BY a")]


def test_what_people_reject_scores_lower_from_the_next_fit_on(detector: Detector) -> None:
    refit = RefitModels(detector.engine, START)
    _doubtful(detector, PAIRS)
    before = _score(detector, 500)
    assert refit.run_due() == [], "neither grown nor decided"

    detector.receive(*(not_duplicate(f"A{n}", f"B{n}") for n in PAIRS))
    assert _labels(detector) == [False] * len(PAIRS)
    (version,) = refit.run_due()
    assert version.endswith(f"d{len(PAIRS)}")
    assert refit.run_due() == [], "nothing decided since"
    assert _score(detector, 501) < before / 2

    detector.receive(*(not_duplicate(f"A{n}", f"B{n}", withdrawn=True) for n in PAIRS))
    assert _labels(detector) == [], "what is taken back is no label"


def test_what_people_approve_scores_higher_from_the_next_fit_on(detector: Detector) -> None:
    found = _doubtful(detector, PAIRS)
    before = _score(detector, 500)
    detector.receive(*_approve(found))
    assert _labels(detector) == [True] * len(PAIRS)
    assert len(RefitModels(detector.engine, START).run_due()) == 1
    assert before < _score(detector, 501) < START.certain


def test_an_undone_merge_is_a_rejection(detector: Detector) -> None:
    found = _doubtful(detector, PAIRS)
    detector.receive(*_approve(found))
    assert len(RefitModels(detector.engine, START).run_due()) == 1
    approved = _score(detector, 500)
    detector.receive(*(_undone(n) for n in PAIRS))
    assert _labels(detector) == [False] * len(PAIRS)
    assert len(RefitModels(detector.engine, START).run_due()) == 1
    assert _score(detector, 501) < approved / 2


def test_what_a_policy_or_nobody_who_saw_a_candidate_decided_is_no_label(detector: Detector) -> None:
    found = _doubtful(detector, range(2))
    detector.receive(*_approve({0: found[0]}, actor="policy:default"))
    detector.receive(merged("A1", "B1"))
    detector.receive(not_duplicate("A0", "A1"), *(_undone(n) for n in range(2)))
    assert _labels(detector) == []


def test_an_erased_customer_takes_the_decisions_along(detector: Detector) -> None:
    detector.receive(*_approve(_doubtful(detector, range(3))))
    detector.receive(erased("B1", version=9))
    detector.receive(erased("A2", version=9))
    assert [(row.a, row.b) for row in detector.sql("SELECT a, b FROM detector.decisions")] == [("A0", "B0")]


def test_train_from_the_index_learns_from_decisions(
    detector: Detector,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DEDUPE_DETECTOR_DATABASE__URL", detector.url)
    output = tmp_path / "model.json"
    arguments = ["train", "--from-index", "--tenant", TENANT, "--output", str(output), "--json"]
    assert main(arguments) == 1
    assert "the index has no record of tenant shop" in capsys.readouterr().err
    assert not output.exists()

    _doubtful(detector, PAIRS)
    detector.receive(*(not_duplicate(f"A{n}", f"B{n}") for n in PAIRS))
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["labels"] == len(PAIRS)
    assert json.loads(output.read_text())["corrections"]["family_name"][-1] < 0
