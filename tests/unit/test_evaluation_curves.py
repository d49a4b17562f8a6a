"""`dedupe-detector evaluate`: figures by threshold, curves as a picture, and one clear line for what cannot be used."""

import json
import sys
from pathlib import Path

import pytest

from customer_identity.evaluation import FoundPair, Judged, by_threshold, figures, judge, precision_recall, reliability
from dedupe_detector.__main__ import main

PNG = b"\x89PNG\r\n\x1a\n"
HEADER = "customer_id_a,customer_id_b,score,grade\n"
PAIRS = HEADER + "1,2,0.995,certain\n3,4,0.7,probable\n1,3,0.7,probable\n5,6,0.1,possible\n"
TRUTH = "customer_id,entity_id\n1,a\n2,a\n3,b\n4,b\n5,c\n6,d\n7,b\n"


@pytest.fixture
def judged() -> Judged:
    entity = dict(line.split(",") for line in TRUTH.split()[1:])
    rows = (line.split(",") for line in PAIRS.split()[1:])
    return judge([FoundPair(a=a, b=b, score=float(score), grade=grade) for a, b, score, grade in rows], entity)


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    pairs, truth = tmp_path / "pairs.csv", tmp_path / "truth.csv"
    pairs.write_text(PAIRS)
    truth.write_text(TRUTH)
    return str(pairs), str(truth)


def test_each_threshold_counts_pairs_that_were_never_found_and_nothing_found_has_no_precision(judged: Judged) -> None:
    told = {at.threshold: (at.pairs, at.precision, at.recall, at.f1) for at in by_threshold(judged, (0.05, 0.7, 0.999))}
    assert told == {0.05: (4, 0.5, 0.5, 0.5), 0.7: (3, 0.6667, 0.5, 0.5714), 0.999: (0, None, 0.0, 0.0)}


def test_equal_scores_stand_or_fall_together_on_the_curve(judged: Judged) -> None:
    assert [(at.threshold, at.pairs) for at in precision_recall(judged)] == [(0.995, 1), (0.7, 3), (0.1, 4)]


def test_reliability_and_calibration_error_are_the_same_figures(judged: Judged) -> None:
    bins = reliability(judged)
    assert [(one.pairs, one.right_share) for one in bins] == [(1, 0.0), (2, 0.5), (1, 1.0)]
    off = sum(abs(one.mean_score - one.right_share) * one.pairs for one in bins) / 4
    assert figures(judged)["ece"] == pytest.approx(off, abs=1e-4)


def test_evaluate_prints_figures_by_threshold_and_draws_the_curves(
    files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plot = tmp_path / "out.png"
    assert main(["evaluate", files[0], "--truth", files[1], "--plot", str(plot)]) == 0
    said = capsys.readouterr()
    assert "best_f1              0.5714" in said.out
    assert "0.99\t1\t1\t0.25\t0.4" in said.out
    assert f"drawn in {plot}" in said.err
    assert plot.read_bytes().startswith(PNG)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["out.png", "pairs.csv", "truth.csv"]


def test_a_run_that_found_nothing_can_be_drawn(files: tuple[str, str], tmp_path: Path) -> None:
    Path(files[0]).write_text(HEADER)
    assert main(["evaluate", files[0], "--truth", files[1], "--plot", str(tmp_path / "out.png")]) == 0
    assert (tmp_path / "out.png").read_bytes().startswith(PNG)


def test_figures_by_threshold_are_in_the_json_too(files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", files[0], "--truth", files[1], "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"threshold": 0.7, "pairs": 3, "precision": 0.6667, "recall": 0.5, "f1": 0.5714} in found["by_threshold"]


def test_without_the_library_a_plot_is_refused_in_one_line_and_figures_are_still_to_be_had(
    files: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for loaded in [name for name in sys.modules if name.startswith("matplotlib") or name.endswith(".plots")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as if it were not installed
    assert main(["evaluate", files[0], "--truth", files[1], "--plot", str(tmp_path / "out.png")]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "dedupe-detector: --plot needs the library matplotlib, which is not installed: try `pip install matplotlib`.\n"
    )
    assert main(["evaluate", files[0], "--truth", files[1]]) == 0


@pytest.mark.parametrize(
    ("pairs", "truth", "plot", "status", "said"),
    [
        (PAIRS, "customer_id,person\n1,a\n", "out.png", 1, "has no column entity_id"),
        (PAIRS, TRUTH + "1,b\n", "out.png", 1, "line 9 names a customer_id again"),
        (PAIRS, TRUTH + "8,\n", "out.png", 1, "line 9 has no entity_id"),
        (PAIRS, TRUTH + ",a\n", "out.png", 1, "line 9 has no customer_id"),
        (PAIRS, "", "out.png", 1, "has no column customer_id"),
        (PAIRS + "2,1,0.9,certain\n", TRUTH, "out.png", 1, "a pair is there twice"),
        (PAIRS + "1,9,0.9,certain\n", TRUTH, "out.png", 1, "the truth does not know"),
        (PAIRS + "1,5,nan,certain\n", TRUTH, "out.png", 1, "between 0 and 1"),
        (PAIRS + "1,5,0.9,sure\n", TRUTH, "out.png", 1, "line 6: a grade is one of certain, probable, possible"),
        ("junk", TRUTH, "out.png", 1, "has no column customer_id_a"),
        (PAIRS, TRUTH, "nowhere/out.png", 1, "cannot be written"),
        (PAIRS, TRUTH, "out.svg", 2, "the name of a .png file"),
    ],
)
def test_what_cannot_be_used_gives_one_line_and_no_picture(
    files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    *, pairs: str, truth: str, plot: str, status: int, said: str,
) -> None:  # fmt: skip
    Path(files[0]).write_text(pairs)
    Path(files[1]).write_text(truth)
    assert main(["evaluate", files[0], "--truth", files[1], "--plot", str(tmp_path / plot)]) == status
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert len(list(tmp_path.iterdir())) == 2


def test_an_earlier_picture_stays_when_a_run_fails(files: tuple[str, str], tmp_path: Path) -> None:
    plot = tmp_path / "out.png"
    plot.write_bytes(b"earlier")
    Path(files[1]).write_text("junk")
    assert main(["evaluate", files[0], "--truth", files[1], "--plot", str(plot)]) == 1
    assert plot.read_bytes() == b"earlier"
