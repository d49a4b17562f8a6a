"""Bases beyond one machine: exported, scored by Splink on a real Spark, loaded back (make spark)."""

import csv
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from customer_merge_demo.customer_file import write_customers
from customer_merge_demo.people.generator import generate
from dedupe_detector.__main__ import main
from rig.bulk import Bulk
from rig.detector_world import PACKAGES
from rig.fixtures import Migrated

ROOT = Path(__file__).resolve().parents[2]
RECORDS = 3_000
pytestmark = [pytest.mark.spark, pytest.mark.timeout(1_200)]

Pairs = dict[frozenset[str], tuple[float, str]]


def test_spark_finds_what_match_finds_and_its_pairs_become_candidates(
    tmp_path: Path, migrated: Migrated, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    people = generate(records=RECORDS, seed=11)
    base, model, exported = tmp_path / "customers.csv", tmp_path / "model.json", tmp_path / "export"
    here, there = tmp_path / "match.csv", tmp_path / "spark.csv"
    write_customers(base, people.customers)
    assert main(["match", str(base), "--output", str(here)]) == 0
    assert main(["train", str(base), "--output", str(model)]) == 0
    assert main(["export-splink", str(base), "--output", str(exported), "--model", str(model)]) == 0
    program: list[str | Path] = [
        ROOT / ".bench/spark/bin/python",
        ROOT / "deploy/spark/predict.py",
        exported,
        there,
        "--local",
        "2",
    ]
    ran = subprocess.run(program, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-3_000:]

    ours, sparks = _read(here), _read(there)
    entity = people.truth or {}
    likely = {name: _right(_likely(found), entity) for name, found in (("match", ours), ("Spark", sparks))}
    certain = {name: _right(_certain(found), entity) for name, found in (("match", ours), ("Spark", sparks))}
    agreement = len(_likely(ours) & _likely(sparks)) / len(_likely(ours) | _likely(sparks))
    both = ours.keys() & sparks.keys()
    apart = sum(abs(ours[pair][0] - sparks[pair][0]) for pair in both) / len(both)
    with capsys.disabled():
        print(
            f"\n{RECORDS} records: match has {len(_likely(ours))} pairs of .5 and more, Spark {len(_likely(sparks))};"
            f" agreement {agreement:.3f}, scores {apart:.3f} apart; precision {likely['match']:.3f} and"
            f" {likely['Spark']:.3f}, of what is certain {certain['match']:.4f} and {certain['Spark']:.4f}"
        )
    assert agreement >= 0.93
    assert likely["Spark"] >= likely["match"] - 0.02
    assert certain["Spark"] >= certain["match"] - 0.01

    bulk = Bulk(migrated(*PACKAGES))
    for name, value in bulk.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DEDUPE_DETECTOR_MODEL", str(model))
    assert main(["backfill", str(base), "--index-only"]) == 0
    capsys.readouterr()
    assert main(["load-pairs", str(there), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["candidates_told"]
    found = {frozenset(pair) for pair in bulk.in_outbox()}
    (events,) = bulk.sql("SELECT count(*) AS n, count(DISTINCT body) AS different FROM detector.outbox")
    bulk.engine.dispose()
    assert (told, told) == (events.n, events.different)
    with capsys.disabled():
        print(
            f"{told} events of {len(found)} pairs told;"
            f" of match's {len(_likely(ours))} pairs {len(found & _likely(ours))} are among them"
        )
    assert len(found & _likely(ours)) >= 0.95 * len(_likely(ours))


def _read(path: Path) -> Pairs:
    with path.open(newline="") as lines:
        return {
            frozenset((row["customer_id_a"], row["customer_id_b"])): (float(row["score"]), row["grade"])
            for row in csv.DictReader(lines)
        }


def _likely(pairs: Pairs) -> set[frozenset[str]]:
    return {pair for pair, (score, _) in pairs.items() if score >= 0.5}


def _certain(pairs: Pairs) -> set[frozenset[str]]:
    return {pair for pair, (_, grade) in pairs.items() if grade == "certain"}


def _right(pairs: set[frozenset[str]], entity: Mapping[str, str]) -> float:
    return sum(len({entity[one] for one in pair}) == 1 for pair in pairs) / len(pairs)
