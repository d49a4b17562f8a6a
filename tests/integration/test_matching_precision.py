"""What `match` finds on labelled customers: grade certain must be right, whatever the data."""

import csv
import json
from pathlib import Path

import pytest

from customer_identity.matching.grades import Grade
from customer_identity.matching.stream import Stream
from customer_identity.records import CustomerRecord
from dedupe_detector.__main__ import main
from dedupe_detector.adapters.files import shipped_model
from rig.noisy_customers import noisy_customers

SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
# Set: recall of certain, best F1 and speed below which something broke (the shipped model reaches more: see docs).
FLOORS = {
    "fake_1000": (0.50, 0.95),
    "truthset_customers": (0.10, 0.83),  # 120 records: all of them within the gate of a young base
    "febrl3": (0.75, 0.997),
    "ecommerce_20k": (0.70, 0.92),
    "household_shop": (0.69, 0.95),
    "rare_duplicates": (0.50, 0.90),
    "historical_50k": (0.52, 0.93),
    "febrl4": (0.80, 0.999),
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


def test_nothing_is_certain_in_a_base_of_different_people() -> None:
    customers = noisy_customers(1500)
    first = {entity: row for row, entity in zip(customers.rows[::-1], reversed(customers.truth.values()), strict=True)}
    stream = Stream(shipped_model(), tenant_id="t")
    found = stream.match(
        [
            CustomerRecord.of(
                {name: value for name, value in row.items() if name != "customer_id"},
                tenant_id="t",
                customer_id=row["customer_id"],
            )
            for row in first.values()
        ]
    )
    assert [pair for pair in found if pair.grade == Grade.CERTAIN] == []
    assert len([pair for pair in found if pair.grade == Grade.PROBABLE]) <= len(first) / 500


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
    assert figures["certain_precision"] >= 0.985
    assert figures["certain_recall"] >= recall
    assert figures["best_f1"] >= f1
