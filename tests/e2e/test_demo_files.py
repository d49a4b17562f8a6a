"""`customer-merge demo --input`: on labelled files of several kinds, who is merged without a person is right."""

import csv
import json
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path

import pytest

from rig.fixtures import Spawn

SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
STORY_S = 180  # three minutes, whatever the file
MAX_MEMORY_MB = 400
LEAST_PRECISION = 0.97


def _entities(truth: Path) -> dict[str, str]:
    with truth.open(newline="") as file:
        return {row["customer_id"]: row["entity_id"] for row in csv.DictReader(file)}


def _merged(spawn: Spawn, records: Path, out: Path) -> dict[str, str]:
    """Run the demo on a file; returns whom it says everybody is now."""
    demo = spawn(["customer-merge", "demo", "--input", str(records), "--out", str(out), "--json"])
    assert demo.wait(STORY_S) == 0, demo.stderr
    told = json.loads(demo.stdout)
    assert [check for check in told["checks"] if not check["passed"]] == []
    assert max(told["peak_memory_mb"].values()) <= MAX_MEMORY_MB
    with (out / "identity.csv").open(newline="") as file:
        return {row["customer_id"]: row["canonical_id"] for row in csv.DictReader(file)}


def _precision(canonical: dict[str, str], entities: dict[str, str]) -> tuple[float, int]:
    members = defaultdict(list)
    for customer_id, root in canonical.items():
        members[root].append(customer_id)
    right = Counter(entities[a] == entities[b] for group in members.values() for a, b in combinations(group, 2))
    return right[True] / max(1, right.total()), right.total()


@pytest.mark.parametrize(("name", "least_pairs"), [("fake_1000", 200), ("truthset_customers", 5)])
def test_a_labelled_file_is_merged_rightly(spawn: Spawn, tmp_path: Path, name: str, least_pairs: int) -> None:
    if not (SHARED_DATA / name).is_dir():
        pytest.skip(f"NOT RUN: the labelled set {name} is not beside this checkout (shared/data)")
    entities = _entities(SHARED_DATA / name / "truth.csv")
    canonical = _merged(spawn, SHARED_DATA / name / "records.csv", tmp_path / "out")
    assert canonical.keys() == entities.keys()
    precision, pairs = _precision(canonical, entities)
    print(f"{name}: {pairs} pairs merged without a person, precision {precision:.4f}")
    assert precision >= LEAST_PRECISION
    assert pairs >= least_pairs


@pytest.mark.timeout(400)
def test_ten_thousand_records_are_merged_rightly_within_three_minutes(spawn: Spawn, tmp_path: Path) -> None:
    records, truth = tmp_path / "records.csv", tmp_path / "truth.csv"
    made = spawn(
        ["customer-merge", "generate", str(records), "--truth", str(truth), "--records", "10000", "--seed", "5"]
    )
    assert made.wait(60) == 0, made.stderr
    entities = _entities(truth)
    canonical = _merged(spawn, records, tmp_path / "out")
    assert canonical.keys() == entities.keys()
    precision, pairs = _precision(canonical, entities)
    print(f"10,000 made-up records: {pairs} pairs merged without a person, precision {precision:.4f}")
    assert precision >= LEAST_PRECISION
    assert pairs >= 1_000
