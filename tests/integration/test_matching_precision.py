"""What `match` finds on labelled customers: grade certain must be right, whatever the data."""

import csv
import json
from pathlib import Path

import pytest

from dedupe_detector.__main__ import main
from rig.noisy_customers import noisy_customers

SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
# Set: recall of certain, best F1 and speed below which something broke (the shipped model reaches more: see docs).
FLOORS = {
    "fake_1000": (0.40, 0.90),
    "truthset_customers": (0.25, 0.80),
    "febrl3": (0.65, 0.98),
    "ecommerce_20k": (0.30, 0.84),
    "household_shop": (0.55, 0.93),
    "rare_duplicates": (0.40, 0.88),
    "historical_50k": (0.40, 0.83),
    "febrl4": (0.70, 0.98),
}


def _figures(
    records: Path, truth: Path, out: Path, capsys: pytest.CaptureFixture[str], *, link: bool
) -> dict[str, float]:
    sources, counted = (["--link-sources"], ["--link", str(records)]) if link else ([], [])
    assert main(["match", str(records), "--output", str(out), *sources]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(out), "--truth", str(truth), "--json", *counted]) == 0
    found: dict[str, float] = json.loads(capsys.readouterr().out)
    return found


def test_certain_is_right_on_a_seeded_base_of_households(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    customers = noisy_customers()
    records, truth = tmp_path / "records.csv", tmp_path / "truth.csv"
    columns = sorted({column for row in customers.rows for column in row})
    with records.open("w", newline="") as out:
        writer = csv.DictWriter(out, columns)
        writer.writeheader()
        writer.writerows(customers.rows)
    with truth.open("w", newline="") as out:
        csv.writer(out).writerows([("customer_id", "entity_id"), *customers.truth.items()])

    figures = _figures(records, truth, tmp_path / "pairs.csv", capsys, link=False)
    assert figures["certain_precision"] >= 0.99
    assert figures["certain_recall"] >= 0.5
    assert figures["best_f1"] >= 0.9


@pytest.mark.parametrize("name", FLOORS)
def test_certain_is_right_on_labelled_sets(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records, truth = SHARED_DATA / name / "records.csv", SHARED_DATA / name / "truth.csv"
    if not records.exists():
        pytest.skip(
            f"NOT RUN: the labelled set {name} is not beside this project (expected in {SHARED_DATA.name}/{name})"
        )
    figures = _figures(records, truth, tmp_path / "pairs.csv", capsys, link=name == "febrl4")
    print(name, figures)
    recall, f1 = FLOORS[name]
    assert figures["certain_precision"] >= 0.97
    assert figures["certain_recall"] >= recall
    assert figures["best_f1"] >= f1
