"""After an upgrade that reads values differently: what an older normaliser read is seen, and read again."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from customer_identity.normalise import normalise
from customer_identity.normalise.record import NORMALISER_VERSION, NormalisedRecord
from customer_identity.records import CustomerRecord
from dedupe_detector.__main__ import main
from dedupe_detector.adapters import bulk_work, outdated_records, record_tables
from dedupe_detector.application import backfill
from dedupe_detector.application.watch_outdated import WatchOutdated
from event_runtime import failpoints
from rig.bulk import Bulk, people, write_base
from rig.detector_world import PACKAGES, TENANT, person, updated
from rig.fixtures import Migrated

PEOPLE = 20
EVERYBODY = [(f"A{number:04d}", f"B{number:04d}") for number in range(PEOPLE)]


@pytest.fixture
def make(migrated: Migrated, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    made: list[Bulk] = []

    def one() -> Bulk:
        made.append(Bulk(migrated(*PACKAGES)))
        for name, value in made[-1].env.items():
            monkeypatch.setenv(name, value)
        return made[-1]

    yield one
    failpoints.arm({})
    for bulk in made:
        bulk.engine.dispose()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_base(tmp_path / "customers.csv", people(PEOPLE))


class Release:
    """A release before this one: its normaliser read less, or otherwise."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def run(self, base: Path, *options: str, reads: Any) -> int:
        with self._monkeypatch.context() as older:
            for module in (record_tables, bulk_work, outdated_records):
                older.setattr(module, "NORMALISER_VERSION", NORMALISER_VERSION - 1)
            older.setattr(backfill, "normalise", reads)
            return main(["backfill", str(base), *options])


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch) -> Release:
    return Release(monkeypatch)


def only_towns(record: CustomerRecord, *, national_id_key: bytes | None = None) -> NormalisedRecord:
    """Reads nothing that would make a pair."""
    return normalise(CustomerRecord(tenant_id="", customer_id="", city=record.city), national_id_key=national_id_key)


def backwards(record: CustomerRecord, *, national_id_key: bytes | None = None) -> NormalisedRecord:
    """Reads names and streets from the right: two of its records are alike, one of its and one of today's are not."""
    turned = {name: getattr(record, name)[::-1] for name in ("given_name", "family_name", "phone", "street", "city")}
    local, _, domain = record.email.partition("@")
    born = record.date_of_birth[:8] + "01"
    return normalise(
        replace(record, **turned, email=f"{local[::-1]}@{domain}", date_of_birth=born), national_id_key=national_id_key
    )


def test_a_base_that_an_older_normaliser_read_is_read_again_and_then_is_as_if_it_were_new(
    make: Any, base: Path, older: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    new: Bulk = make()
    assert main(["backfill", str(base)]) == 0
    old: Bulk = make()
    assert older.run(base, reads=only_towns) == 0
    assert old.in_outbox() == []
    capsys.readouterr()

    assert main(["status", "--json"]) == 0
    said = capsys.readouterr()
    (shown,) = map(json.loads, said.out.splitlines())
    assert (shown["tenant_id"], shown["records"], shown["outdated"]) == (TENANT, 2 * PEOPLE, 2 * PEOPLE)
    assert f"40 of 40 records of tenant {TENANT} were normalised by version {NORMALISER_VERSION - 1}" in said.err
    assert "run dedupe-detector backfill" in said.err

    assert main(["backfill", str(base), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["candidates_told"] == PEOPLE
    assert sorted(old.in_outbox()) == EVERYBODY
    assert old.whole_index() == new.whole_index()

    assert main(["status", "--json"]) == 0
    said = capsys.readouterr()
    assert (json.loads(said.out)["outdated"], said.err) == (0, "")


def test_a_running_service_counts_them_and_says_so_once(
    make: Any, base: Path, older: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    bulk: Bulk = make()
    assert older.run(base, reads=only_towns) == 0
    shown: list[float] = []
    watch = WatchOutdated(bulk.engine, shown.append)
    capsys.readouterr()
    watch.look()
    watch.look()
    assert shown == [2 * PEOPLE, 2 * PEOPLE]
    assert capsys.readouterr().err.count("records_outdated") == 1
    assert main(["backfill", str(base), "--index-only"]) == 0
    watch.look()
    assert shown[-1] == 0


def test_pairs_that_stand_are_neither_withdrawn_nor_told_again_while_half_of_a_base_is_renewed(
    make: Any, base: Path, older: Release
) -> None:
    bulk: Bulk = make()
    assert older.run(base, "--micro-batch", "10", reads=backwards) == 0
    told = bulk.sql("SELECT count(*) AS rows FROM detector.outbox")[0].rows
    assert sorted(bulk.in_outbox()) == EVERYBODY
    assert main(["backfill", str(base), "--micro-batch", "10"]) == 0
    assert bulk.sql("SELECT count(*) AS rows FROM detector.outbox")[0].rows == told
    assert {row.state for row in bulk.standing()} == {"OPEN"}


def test_what_an_older_normaliser_was_half_through_is_begun_anew_and_a_renewal_gone_on_with(
    make: Any, base: Path, older: Release, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bulk: Bulk = make()
    monkeypatch.setenv("FAILPOINTS_ENABLED", "1")
    monkeypatch.setenv("FAILPOINTS", "backfill_matched=raise:3")
    assert older.run(base, "--micro-batch", "10", reads=only_towns) == 1
    assert main(["backfill", str(base), "--micro-batch", "10"]) == 1
    outdated = bulk.sql("SELECT count(*) AS n FROM detector.records WHERE normaliser < :now", now=NORMALISER_VERSION)
    assert outdated[0].n < 3 * 10, "nothing was renewed"
    capsys.readouterr()
    monkeypatch.setenv("FAILPOINTS", "")
    assert main(["backfill", str(base), "--micro-batch", "10", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["records"] == 2 * PEOPLE
    assert sorted(bulk.in_outbox()) == EVERYBODY


def test_a_row_renews_only_its_own_version_and_an_event_of_it_does_as_well(
    make: Any, tmp_path: Path, older: Release
) -> None:
    bulk: Bulk = make()
    base = write_base(tmp_path / "customers.csv", people(2, version=5))
    assert older.run(base, reads=only_towns) == 0
    assert main(["backfill", str(write_base(tmp_path / "earlier.csv", people(2, version=4)))]) == 0
    assert bulk.in_outbox() == [], "an earlier version replaced a later one"
    bulk.receive(updated("A0000", version=5, **person(0)), updated("B0000", version=5, **person(0)))
    assert len(bulk.told) == 1
    now = bulk.sql(
        "SELECT customer_id FROM detector.records WHERE normaliser = :now ORDER BY 1", now=NORMALISER_VERSION
    )
    assert [row.customer_id for row in now] == ["A0000", "B0000"]

    before = bulk.index()
    assert older.run(base, reads=only_towns) == 0  # a worker that was not upgraded yet
    assert bulk.index() == before
