"""Pairs found elsewhere, loaded as candidates: exactly once, scored as everything else is."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dedupe_detector.__main__ import main
from event_runtime import failpoints
from rig.bulk import Bulk, people, write_base
from rig.detector_world import PACKAGES
from rig.fixtures import Migrated

PEOPLE = 30
EVERYBODY = [(f"A{number:04d}", f"B{number:04d}") for number in range(PEOPLE)]


@pytest.fixture
def bulk(migrated: Migrated, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bulk]:
    """A detector that has indexed everybody and looked nothing up."""
    made = Bulk(migrated(*PACKAGES))
    for name, value in made.env.items():
        monkeypatch.setenv(name, value)
    base = write_base(tmp_path / "customers.csv", people(PEOPLE))
    assert main(["backfill", str(base), "--index-only"]) == 0
    yield made
    failpoints.arm({})
    made.engine.dispose()


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return _written(tmp_path, [(a, b, "0.9", "probable") for a, b in EVERYBODY])


def test_what_is_only_indexed_is_not_told_of_until_its_pairs_are_loaded_and_then_once(
    bulk: Bulk, pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bulk.in_outbox() == []
    capsys.readouterr()
    assert main(["load-pairs", str(pairs), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["pairs"], report["unknown"], report["candidates_told"]) == (PEOPLE, 0, PEOPLE)
    assert sorted(bulk.in_outbox()) == EVERYBODY
    assert main(["load-pairs", str(pairs), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["candidates_told"] == 0
    assert len(bulk.in_outbox()) == PEOPLE


def test_the_grade_is_the_detectors_own_whatever_the_file_says(bulk: Bulk, tmp_path: Path) -> None:
    wrong = [("A0001", "B0002", "0.999", "certain"), ("A0003", "B0003", "0.06", "possible")]
    assert main(["load-pairs", str(_written(tmp_path, wrong))]) == 0
    told = {(row.a, row.b): row.grade for row in bulk.standing()}
    assert ("A0001", "B0002") not in told, "two people were told of because a file said so"
    assert told["A0003", "B0003"] == 3


def test_a_load_ended_half_way_is_gone_on_with(
    bulk: Bulk, pairs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAILPOINTS_ENABLED", "1")
    monkeypatch.setenv("FAILPOINTS", "pairs_committed=raise:2")
    assert main(["load-pairs", str(pairs), "--micro-batch", "7"]) == 1
    assert len(bulk.in_outbox()) == 14
    monkeypatch.setenv("FAILPOINTS", "")
    capsys.readouterr()
    assert main(["load-pairs", str(pairs), "--micro-batch", "7", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pairs"] == PEOPLE - 14
    assert sorted(bulk.in_outbox()) == EVERYBODY


def test_pairs_of_unknown_customers_are_counted_and_the_rest_is_loaded(
    bulk: Bulk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [("A0000", "B0000", "0.9", "probable"), ("A0000", "Z", "0.9", "probable")]
    assert main(["load-pairs", str(_written(tmp_path, rows))]) == 1
    assert "1 pairs name customers that the index does not have" in capsys.readouterr().err
    assert bulk.in_outbox() == [("A0000", "B0000")]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("A0000", "B0000", "high", "certain")], "score is no number"),
        ([("A0000", "B0000", "0.9", "certain"), ("A0000", "A0000", "0.9", "certain")], "does not name two customers"),
        ([("A0000", "B0000", "0.9", "certain"), ("A0001", "", "0.9", "certain")], "does not name two customers"),
    ],
)
def test_of_a_file_that_is_wrong_anywhere_nothing_is_loaded(
    bulk: Bulk, tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: list[tuple[str, ...]], said: str
) -> None:
    assert main(["load-pairs", str(_written(tmp_path, rows)), "--micro-batch", "1"]) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert said in line
    assert bulk.in_outbox() == []


def test_the_index_is_exported_as_a_file_is(bulk: Bulk, tmp_path: Path) -> None:
    from_index, from_file = tmp_path / "index", tmp_path / "file"
    assert main(["export-splink", "--output", str(from_index)]) == 0
    assert main(["export-splink", str(tmp_path / "customers.csv"), "--output", str(from_file)]) == 0
    names, *rows = (from_index / "records.csv").read_text().splitlines()
    assert len(rows) == 2 * PEOPLE
    keys = names.split(",").index("keys")

    def without_keys(directory: Path) -> list[list[str]]:
        # the tenant is part of every key
        return sorted(line.split(",")[1:keys] for line in (directory / "records.csv").read_text().splitlines())

    assert without_keys(from_index) == without_keys(from_file)


def _written(directory: Path, rows: Sequence[tuple[str, ...]]) -> Path:
    path = directory / "pairs.csv"
    path.write_text("customer_id_a,customer_id_b,score,grade\n" + "".join(",".join(row) + "\n" for row in rows))
    return path
