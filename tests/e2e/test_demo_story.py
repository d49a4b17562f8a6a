"""The whole story as a user runs it: `customer-merge demo` and `customer-merge up`, with real servers and services."""

import csv
import json
import os
import re
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import sqlalchemy
from confluent_kafka.admin import AdminClient

from customer_merge_demo.customer_file import write_customers
from customer_merge_demo.people.generator import generate
from event_runtime.database import create_engine
from rig.fixtures import Spawn
from rig.processes import eventually

STORY_S = 180
MARK = "DEMO_TEST_RUN"


@pytest.fixture
def world() -> Iterator["World"]:
    """A run's environment: everything it starts carries its mark, everything temporary lies in its directory."""
    directory = Path(tempfile.mkdtemp(prefix="demo-test-"))
    directory.chmod(0o755)  # the embedded PostgreSQL may run as another user
    world = World(directory)
    yield world
    for pid in world.processes():
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(directory, ignore_errors=True)


class World:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.out = directory / "out"
        self.temporary = directory / "tmp"
        self.temporary.mkdir(mode=0o755)
        self.mark = uuid.uuid4().hex
        self.environment = {MARK: self.mark, "TMPDIR": str(self.temporary)}

    def processes(self) -> list[int]:
        """Ids of everything this run has started and that still runs."""
        sought = f"{MARK}={self.mark}".encode()
        return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if sought in environment_of(entry)]

    def process(self, words: str) -> int:
        """The id of the one process of this run whose command line holds these words; its guard does not count."""
        found = [pid for pid in self.processes() if words in command_of(pid) and "guard.py" not in command_of(pid)]
        assert len(found) == 1, found
        return found[0]

    def assert_nothing_is_left(self) -> None:
        eventually(lambda: not self.processes(), 10)
        assert list(self.temporary.iterdir()) == []


def environment_of(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


class Page(HTMLParser):
    """What a browser would load from elsewhere, and the sections there are."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.outside: list[str | None] = []
        self.sections: list[str | None] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.outside += [
            value for name, value in attrs if name in {"src", "href"} and not (value or "").startswith("#")
        ]
        if tag == "section":
            self.sections.append(given["id"])


def identities(out: Path) -> dict[str, str]:
    with (out / "identity.csv").open(newline="") as file:
        return {row["customer_id"]: row["canonical_id"] for row in csv.DictReader(file)}


def test_the_story_runs_on_made_up_data_ends_checked_and_leaves_nothing_behind(spawn: Spawn, world: World) -> None:
    made = generate(records=250, seed=3)
    demo = spawn(
        ["customer-merge", "demo", "--records", "250", "--seed", "3", "--out", str(world.out), "--json"],
        world.environment,
    )
    assert demo.wait(STORY_S) == 0, demo.stderr

    told = json.loads(demo.stdout)
    assert [check for check in told["checks"] if not check["passed"]] == []
    assert len(told["checks"]) >= 12
    assert told["merges"] > 20
    assert told["precision"] >= 0.97
    assert max(told["peak_memory_mb"].values()) <= 400
    canonical = identities(world.out)
    assert list(canonical) == [customer.customer_id for customer in made.customers]
    assert set(canonical.values()) <= set(canonical)
    assert len(set(canonical.values())) == told["customers"] == 250 - sum(a != b for a, b in canonical.items())
    pairs = list(csv.DictReader((world.out / "pairs.csv").open()))
    assert all(
        0 <= float(pair["score"]) <= 1 and pair["grade"] in {"certain", "probable", "possible"} for pair in pairs
    )
    assert len({frozenset((pair["customer_id_a"], pair["customer_id_b"])) for pair in pairs}) == len(pairs)
    events = [json.loads(line) for line in (world.out / "events.jsonl").open()]
    assert {event["topic"] for event in events} == {"merge-candidate", "merge-outcome", "customer-merged"}
    assert sum(event["type"] == "CustomerMerged" for event in events) == told["merges"]
    page = Page((world.out / "report.html").read_text())
    assert page.outside == []
    assert page.sections == ["picture", "merged", "waiting", "systems", "checks", "timing"]
    assert re.search(r"\d+ s  records [\d,]+/250", demo.stderr)
    world.assert_nothing_is_left()


def test_the_story_runs_on_a_file_on_the_users_own_kafka_and_database_and_cleans_both(
    spawn: Spawn, world: World, kafka: str, database_url: str
) -> None:
    customers = generate(records=150, seed=5).customers
    write_customers(world.directory / "mine.csv", customers)
    topics = set(AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics)
    demo = spawn(
        [
            *(
                "customer-merge",
                "demo",
                "--input",
                str(world.directory / "mine.csv"),
                "--out",
                str(world.out),
                "--json",
            ),
            *("--kafka", kafka, "--database", database_url),
        ],
        world.environment,
    )
    assert demo.wait(STORY_S) == 0, demo.stderr

    told = json.loads(demo.stdout)
    assert told["merges"] > 5
    assert list(identities(world.out)) == [customer.customer_id for customer in customers]
    world.assert_nothing_is_left()
    left = set(AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics) - topics
    assert {topic for topic in left if topic.startswith("customer-merge-demo-")} == set()
    engine = create_engine(database_url)
    with engine.connect() as connection:
        schemas = connection.execute(sqlalchemy.text("SELECT nspname FROM pg_namespace")).scalars().all()
    engine.dispose()
    assert not {"store", "merge", "detector", "review", "crm", "loyalty", "helpdesk"} & set(schemas)


def test_a_service_that_dies_is_noticed_at_once_with_its_last_words(spawn: Spawn, world: World) -> None:
    demo = spawn(["customer-merge", "demo", "--records", "3000", "--out", str(world.out)], world.environment)
    demo.wait_for("feeding 3,000 records", 90)
    os.kill(world.process("merge-worker run"), signal.SIGKILL)
    demo.wait_for("merge-worker ended by itself with status", 10)
    assert demo.wait(60) == 1
    assert "Traceback" not in demo.stderr
    assert "service_started" in demo.stderr  # the last lines of its log
    world.assert_nothing_is_left()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_middle_cleans_everything_up(
    spawn: Spawn, world: World, number: signal.Signals, status: int
) -> None:
    demo = spawn(["customer-merge", "demo", "--records", "3000", "--out", str(world.out)], world.environment)
    demo.wait_for("feeding 3,000 records", 90)
    demo.signal(number)
    demo.signal(number)  # somebody impatient
    assert demo.wait(60) == status
    assert "Traceback" not in demo.stderr
    world.assert_nothing_is_left()


def test_being_killed_leaves_no_process_behind(spawn: Spawn, world: World) -> None:
    demo = spawn(["customer-merge", "demo", "--records", "3000", "--out", str(world.out)], world.environment)
    demo.wait_for("feeding 3,000 records", 90)
    demo.kill()
    eventually(lambda: not world.processes(), 40)


def test_keep_leaves_a_system_that_can_be_used_and_stopped_by_one_signal(spawn: Spawn, world: World) -> None:
    demo = spawn(["customer-merge", "demo", "--records", "100", "--keep", "--out", str(world.out)], world.environment)
    assert demo.wait(STORY_S) == 0, demo.stderr
    settings = dict(re.findall(r"^export (\w+)='?([^'\n]*)'?$", demo.stderr, re.MULTILINE))
    listed = spawn(["review-desk", "list", "--state", "all", "--json"], settings)
    assert listed.wait(30) == 0, listed.stderr
    assert json.loads(listed.stdout)
    status = spawn(["merge-worker", "status", next(iter(identities(world.out)))], settings)
    assert status.wait(30) == 0, status.stderr

    keeper = re.search(r"To stop and remove all of it: kill (\d+)", demo.stderr)
    assert keeper
    os.kill(int(keeper[1]), signal.SIGTERM)
    eventually(lambda: not world.processes(), 60)
    assert list(world.temporary.iterdir()) == []


def test_up_takes_customers_in_says_its_endpoints_stops_at_ctrl_c_and_knows_them_again(
    spawn: Spawn, world: World
) -> None:
    data = world.directory / "data"
    data.mkdir(mode=0o755)
    first = spawn(["customer-merge", "up", "--records", "120", "--data-dir", str(data)], world.environment)
    first.wait_for("Ctrl-C stops it all", 90)
    settings = dict(re.findall(r"^export (\w+)='?([^'\n]*)'?$", first.stdout, re.MULTILINE))
    merged = eventually(lambda: merged_ids(settings["MERGE_WORKER_DATABASE__URL"]), 60)
    first.signal(signal.SIGINT)
    assert first.wait(60) == 0, first.stderr
    world.assert_nothing_is_left()

    second = spawn(["customer-merge", "up", "--data-dir", str(data)], world.environment)
    second.wait_for("Ctrl-C stops it all", 90)
    settings = dict(re.findall(r"^export (\w+)='?([^'\n]*)'?$", second.stdout, re.MULTILINE))
    assert merged <= merged_ids(settings["MERGE_WORKER_DATABASE__URL"])
    assert count(settings["MERGE_WORKER_DATABASE__URL"], "store.customers") == 120
    second.signal(signal.SIGTERM)
    assert second.wait(60) == 0, second.stderr
    world.assert_nothing_is_left()


def merged_ids(url: str) -> set[str]:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            rows = connection.execute(sqlalchemy.text("SELECT customer_id FROM merge.canonical"))
            return set(rows.scalars())
    finally:
        engine.dispose()


def count(url: str, table: str) -> int:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return int(connection.execute(sqlalchemy.text(f"SELECT count(*) FROM {table}")).scalar_one())
    finally:
        engine.dispose()
