"""A whole customer base taken in at once: told of as a service would, once, whatever ends it or works beside it."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

import customer_events as wire
from dedupe_detector.__main__ import main
from dedupe_detector.adapters import record_tables, storing_process
from dedupe_detector.adapters.bulk_work import bulk_work
from event_runtime import failpoints
from rig.bulk import Bulk, people, write_base
from rig.detector_world import PACKAGES, created, erased, person, updated
from rig.fixtures import Migrated
from rig.meeting import wait_until_blocked

PEOPLE = 60
UPDATE_POSITION = text("UPDATE detector.bulk_work SET position = '500', records = 500")
EVERYBODY = [(f"A{number:04d}", f"B{number:04d}") for number in range(PEOPLE)]


@pytest.fixture
def make(migrated: Migrated, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    made: list[Bulk] = []

    def one(*packages: str) -> Bulk:
        bulk = Bulk(migrated(*(packages or PACKAGES)))
        made.append(bulk)
        for name, value in bulk.env.items():
            monkeypatch.setenv(name, value)
        return bulk

    yield one
    failpoints.arm({})
    for bulk in made:
        bulk.engine.dispose()


@pytest.fixture
def bulk(make: Any) -> Bulk:
    found: Bulk = make()
    return found


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_base(tmp_path / "customers.csv", people(PEOPLE))


def test_a_base_is_taken_in_and_its_pairs_are_told_once_however_often_it_is_read(
    bulk: Bulk, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backfill", str(base), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["records"], report["candidates_told"]) == (2 * PEOPLE, PEOPLE)
    assert report["certain"] + report["probable"] + report["possible"] == PEOPLE
    assert report["records_per_second"] > 0
    assert sorted(bulk.in_outbox()) == EVERYBODY

    standing, index = bulk.standing(), bulk.index()
    assert main(["backfill", str(base), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["candidates_told"] == 0
    assert (bulk.standing(), bulk.index(), len(bulk.in_outbox())) == (standing, index, PEOPLE)


def test_a_run_ended_between_any_two_transactions_and_gone_on_with_equals_one_run(
    make: Any, base: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole: Bulk = make()
    assert main(["backfill", str(base), "--micro-batch", "25"]) == 0
    ended: Bulk = make()
    monkeypatch.setenv("FAILPOINTS_ENABLED", "1")
    for point in ("backfill_stored=raise:1", "backfill_matched=raise:2", "backfill_stored=raise:2"):
        monkeypatch.setenv("FAILPOINTS", point)
        assert main(["backfill", str(base), "--micro-batch", "25"]) == 1
        assert "Traceback" not in capsys.readouterr().err
    monkeypatch.setenv("FAILPOINTS", "")
    assert main(["backfill", str(base), "--micro-batch", "25", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["records"] < 2 * PEOPLE, "it began anew"
    assert (ended.grades(), ended.whole_index()) == (whole.grades(), whole.whole_index())
    assert sorted(ended.in_outbox()) == EVERYBODY


def test_an_event_that_is_newer_than_the_row_wins_before_and_after_it(bulk: Bulk, tmp_path: Path) -> None:
    bulk.receive(created("A0000", version=7, **person(900)), erased("A0001", version=2))
    base = write_base(tmp_path / "customers.csv", people(3, version=3))
    assert main(["backfill", str(base)]) == 0
    bulk.receive(updated("B0002", version=4, **person(901)), updated("A0002", version=2, **person(902)))

    held = {row.customer_id: (row.version, row.erased) for row in bulk.index()}
    assert held["A0000"] == (7, False)
    assert held["A0001"][1], "an erased customer came back"
    assert (held["A0002"], held["B0002"]) == ((3, False), (4, False))
    assert sorted(bulk.in_outbox()) == [("A0002", "B0002")]


def test_beside_a_service_that_meets_the_same_people_each_pair_is_told_by_one_of_them(
    bulk: Bulk, tmp_path: Path
) -> None:
    rows = people(PEOPLE)
    base = write_base(tmp_path / "customers.csv", [row for row in rows if row["customer_id"].startswith("A")])
    events = [created(f"B{number:04d}", **person(number)) for number in range(PEOPLE)]

    def serve() -> None:
        for first in range(0, PEOPLE, 10):
            bulk.receive(*events[first : first + 10])

    with ThreadPoolExecutor(1) as pool:
        served = pool.submit(serve)
        assert main(["backfill", str(base), "--micro-batch", "10"]) == 0
        served.result(60)
    found = [(event.pair.a, event.pair.b) for event in bulk.told if isinstance(event, wire.MergeCandidateFound)]
    assert sorted([*found, *bulk.in_outbox()]) == EVERYBODY


def test_customers_come_from_a_table_or_a_query_with_their_tenants_and_versions(
    bulk: Bulk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with bulk.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE clients (id bigint PRIMARY KEY, shop text, revision int, first text, last text, mail text,"
            " born date)"
        )
        for number in range(30):
            for side, shop in enumerate(("one", "one", "two")):
                who = person(number)
                connection.exec_driver_sql(
                    "INSERT INTO clients VALUES (%s, %s, %s, %s, %s, %s, %s)",
                    (number * 3 + side, shop, 5, who["given_name"], who["family_name"], who["email"],
                     who["date_of_birth"]),
                )  # fmt: skip
    query = tmp_path / "clients.sql"
    query.write_text(
        "SELECT id AS customer_id, shop AS tenant_id, revision AS version, first AS given_name, last AS family_name,"
        " mail AS email, born AS date_of_birth, 1 AS other FROM clients;\n"
    )
    assert main(["backfill", "--query", str(query), "--micro-batch", "7"]) == 0
    assert "unknown columns ignored: other" in capsys.readouterr().err
    assert {(row.tenant_id, row.version) for row in bulk.sql("SELECT tenant_id, version FROM detector.records")} == {
        ("one", 5),
        ("two", 5),
    }
    assert len(bulk.in_outbox()) == 30

    with bulk.engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE VIEW customers AS {query.read_text().rstrip().rstrip(';')}")
    assert main(["backfill", "--table", "public.customers", "--tenant", "two", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["records"] == 30
    assert len(bulk.in_outbox()) == 30


def test_the_query_of_the_page_reads_the_reference_store(make: Any, tmp_path: Path) -> None:
    bulk: Bulk = make(*PACKAGES, "customer_merge_demo.store")
    with bulk.engine.begin() as connection:
        for statement in (
            (
                "customers (tenant_id, customer_id, version, given_name, family_name)"
                " VALUES ('shop', 'A', 3, 'Ann', 'Ash'), ('shop', 'B', 4, 'Bo', 'Oak')"
            ),
            (
                "emails (tenant_id, customer_id, email, email_key, is_primary)"
                " VALUES ('shop', 'A', 'x@y.org', 'x@y.org', false), ('shop', 'A', 'ann@y.org', 'ann@y.org', true)"
            ),
            "addresses (tenant_id, customer_id, street, city) VALUES ('shop', 'A', '1 Elm St', 'Boise')",
        ):
            connection.exec_driver_sql(f"INSERT INTO store.{statement}")
    page = (Path(__file__).resolve().parents[2] / "docs/backfill.md").read_text()
    query = tmp_path / "store.sql"
    query.write_text(page.split("```sql\n")[1].split("```")[0])
    assert main(["backfill", "--query", str(query)]) == 0
    ann, bo = bulk.index()
    assert (ann.customer_id, ann.version, bo.version) == ("A", 3, 4)
    assert all(part in ann.comparable for part in ("ash", "ann", "elm", "boise"))
    assert '"x"' not in ann.comparable, "the primary address is the one"


def test_a_table_ended_half_way_is_gone_on_with_after_the_last_key(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with bulk.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE customers (customer_id int, version int, email text, full_name text)")
        connection.exec_driver_sql(
            "INSERT INTO customers SELECT n, 1, 'p' || n / 2 || '@example.org', 'Ann Other' || n / 2"
            " FROM generate_series(0, 99) AS n"
        )
    monkeypatch.setenv("FAILPOINTS_ENABLED", "1")
    monkeypatch.setenv("FAILPOINTS", "backfill_matched=raise:3")
    assert main(["backfill", "--table", "customers", "--micro-batch", "20"]) == 1
    monkeypatch.setenv("FAILPOINTS", "")
    capsys.readouterr()
    assert main(["backfill", "--table", "customers", "--micro-batch", "20", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["records"] == 40
    assert len(bulk.index()) == 100


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"full_name\nAnna\n", "no column customer_id"),
        (b"customer_id\n1\n1\n", "line 3 repeats the customer_id of line 2"),
        (b"customer_id,full_name\n1,Ann\n2,\xff\n", "line 3 is not UTF-8"),
        (b'customer_id,full_name\n1,Ann\n2,"Bob\n', "no valid CSV"),
        (b"customer_id,version\n1,2\n2,-1\n", "line 3: a version is a whole number"),
    ],
)
def test_of_a_file_that_cannot_be_used_to_its_end_nothing_is_taken_in(
    bulk: Bulk, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    base = tmp_path / "customers.csv"
    base.write_bytes(content)
    assert main(["backfill", str(base), "--micro-batch", "1"]) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert said in line
    assert bulk.index() == []


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        ([], 2, "required"),
        (["customers.csv", "--table", "customers"], 2, "not allowed with"),
        (["--table", "nowhere"], 1, 'the customers cannot be read: relation "nowhere" does not exist'),
        (["--table", "pg_catalog.pg_class"], 1, "there is no column customer_id"),
        (["--query", "nowhere.sql"], 1, "no such file"),
        (["nowhere.csv"], 1, "no such file"),
    ],
)
def test_a_base_that_is_not_there_gives_one_clear_line(
    bulk: Bulk, capsys: pytest.CaptureFixture[str], options: list[str], status: int, said: str
) -> None:
    assert main(["backfill", *options]) == status
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


def test_a_query_that_repeats_a_customer_or_writes_is_refused(
    bulk: Bulk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query = tmp_path / "customers.sql"
    query.write_text("SELECT 'A' AS customer_id FROM generate_series(1, 2)")
    assert main(["backfill", "--query", str(query)]) == 1
    assert "customer A is there twice" in capsys.readouterr().err
    query.write_text("SELECT 'A' AS customer_id, nextval('detector.records_number_seq') AS version")
    assert main(["backfill", "--query", str(query)]) == 1
    assert "read-only" in capsys.readouterr().err


def test_one_base_is_read_by_one_process_at_a_time(bulk: Bulk, capsys: pytest.CaptureFixture[str]) -> None:
    with bulk_work(bulk.engine, "table customers *"):
        with bulk.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE customers (customer_id text)")
        assert main(["backfill", "--table", "customers"]) == 1
    assert "by another process" in capsys.readouterr().err


def test_who_goes_on_waits_for_the_last_commit_of_whoever_was_killed(bulk: Bulk) -> None:
    with bulk_work(bulk.engine, "table customers *"):
        pass
    with ThreadPoolExecutor(1) as pool, bulk.engine.connect() as killed:
        killed.execute(UPDATE_POSITION)

        def go_on() -> tuple[str, int]:
            with bulk_work(bulk.engine, "table customers *") as work:
                return work.position, work.records

        going_on = pool.submit(go_on)
        wait_until_blocked(bulk.engine)
        killed.commit()
        assert going_on.result(30) == ("500", 500)


def test_the_process_that_takes_records_in_is_missed_when_it_ends(
    bulk: Bulk, base: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(storing_process, "has_cores_for_two", lambda: True)
    monkeypatch.setattr(record_tables, "store", lambda *_, **__: os._exit(3))
    assert main(["backfill", str(base)]) == 1
    assert "takes records in ended by itself" in capsys.readouterr().err
    monkeypatch.undo()


def test_with_one_core_a_single_process_tells_the_same(bulk: Bulk, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing_process, "has_cores_for_two", lambda: False)
    assert main(["backfill", str(base), "--micro-batch", "25"]) == 0
    assert sorted(bulk.in_outbox()) == EVERYBODY


def test_a_database_that_was_not_migrated_is_one_clear_line(
    postgres_server: str, database_url: str, base: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("DEDUPE_DETECTOR_DATABASE__URL", database_url)
    assert main(["backfill", str(base)]) == 1
    assert "migrate" in capsys.readouterr().err
