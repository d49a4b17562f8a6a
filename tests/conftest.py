"""Real servers for tests: PostgreSQL, Apache Kafka, the embedded bus, and the programs themselves (tests/rig)."""

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine

from event_runtime.embedded import EmbeddedBus
from event_runtime.faults import ServerUnavailable
from rig import databases, merge_world, servers, topics
from rig.fixtures import Connected, MakeTopics, Migrated, Spawn
from rig.processes import Program

if TYPE_CHECKING:
    from rig.bare_detector import Detector
    from rig.desk_shop import Shop

_RUN = pytest.StashKey[Path]()

# What lands is judged by the same examples every time, and by no clock: unchanged code never turns red by chance. New
# examples, and twenty times as many, are looked for on demand (`make chaos`); what they find becomes an @example.
_UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
settings.register_profile("landing", _UNHURRIED, derandomize=True)
settings.register_profile("chaos", _UNHURRIED, derandomize=False, database=None, print_blob=True, max_examples=2_000)
settings.load_profile("landing")


def pytest_configure(config: pytest.Config) -> None:
    # Workers of xdist inherit the environment: the controller owns the servers.
    if not hasattr(config, "workerinput"):
        config.stash[_RUN] = servers.own_run()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """How `--dist loadgroup` groups (marks no longer do: xdist 3.8 names groups in a way that pytest 9 passes over)."""
    if config.getvalue("dist") != "loadgroup":
        return None
    from rig.scheduling import ModulesOfParityTogether

    return ModulesOfParityTogether(config, log)


def pytest_unconfigure(config: pytest.Config) -> None:
    if _RUN in config.stash:
        if "TEST_DATABASE_URL" in os.environ:
            databases.drop_templates()
        servers.end_run(config.stash[_RUN])


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """The URL of a superuser on the run's PostgreSQL server."""
    return _or_fail(servers.postgres_url)


@pytest.fixture(scope="session")
def kafka() -> str:
    """The bootstrap of the run's real Apache Kafka."""
    return _or_fail(servers.kafka_bootstrap)


@pytest.fixture
def database_url(postgres_server: str) -> Iterator[str]:
    """The URL of a fresh, empty database."""
    url = databases.create()
    yield url
    databases.drop(url)


@pytest.fixture
def migrated(postgres_server: str) -> Iterator[Migrated]:
    """Makes fresh migrated databases: `migrated("merge_worker", "customer_merge_demo.store")`."""
    urls: list[str] = []

    def make(*packages: str) -> str:
        urls.append(databases.create(like=databases.migrated_template(packages)))
        return urls[-1]

    yield make
    for url in urls:
        databases.drop(url)


@pytest.fixture
def connected(postgres_server: str) -> Iterator[Connected]:
    """Makes engines on fresh migrated databases: `connected("merge_worker")`."""
    with ExitStack() as opened:
        yield lambda *packages: opened.enter_context(databases.connected(*packages))


@pytest.fixture
def database(connected: Connected) -> Engine:
    """The reference store and the worker's schema. A module with other tables has a fixture of the same name."""
    return connected(*merge_world.PACKAGES)


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> Iterator[str]:
    """A prefix of topic names that no other test has; real topics with it are removed afterwards."""
    prefix = f"t{uuid.uuid4().hex[:10]}."
    yield prefix
    if "kafka" in request.fixturenames:
        topics.delete_all(request.getfixturevalue("kafka"), prefix)


@pytest.fixture
def make_topics(kafka: str, topic_prefix: str) -> MakeTopics:
    """Makes real topics: `make_topics({"merge-command": 4})` answers their full names by default name."""

    def make(partitions: Mapping[str, int]) -> dict[str, str]:
        topics.create(kafka, {topic_prefix + name: count for name, count in partitions.items()})
        return {name: topic_prefix + name for name in partitions}

    return make


@pytest.fixture
def embedded_bus() -> Iterator[EmbeddedBus]:
    """A librdkafka mock cluster of the test's own."""
    with EmbeddedBus() as bus:
        yield bus


@pytest.fixture
def spawn(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Spawn]:
    """Starts programs of this test (see Spawn); prints what they wrote, which pytest shows when the test fails."""
    programs: list[Program] = []

    def start(argv: Sequence[str], env: Mapping[str, str] | None = None) -> Program:
        programs.append(Program(argv, env or {}, tmp_path))
        return programs[-1]

    yield start
    for program in programs:
        program.kill()
        print(program.tail())


@pytest.fixture
def world(
    migrated: Migrated, kafka: str, topic_prefix: str, make_topics: MakeTopics, spawn: Spawn
) -> Iterator[merge_world.MergeWorld]:
    """A merge worker's database with the reference store, and its topics (see MergeWorld)."""
    make_topics(merge_world.PARTITIONS)
    made = merge_world.MergeWorld(
        database_url=migrated(*merge_world.PACKAGES), bootstrap=kafka, prefix=topic_prefix, spawn=spawn
    )
    yield made
    made.close()


@pytest.fixture
def shop(migrated: Migrated) -> Iterator["Shop"]:
    """A review desk on a database of its own, without a bus (see Shop)."""
    from rig import desk_shop

    made = desk_shop.Shop(migrated(*desk_shop.PACKAGES), policy="default")
    yield made
    made.engine.dispose()
    made.app.database.dispose()


@pytest.fixture
def detector(migrated: Migrated) -> Iterator["Detector"]:
    """A detector's handler on a database of its own, without a bus (see Detector)."""
    from rig import bare_detector, detector_world

    made = bare_detector.Detector(migrated(*detector_world.PACKAGES))
    yield made
    made.engine.dispose()


def _or_fail(address: Callable[[], str]) -> str:
    try:
        return address()
    except ServerUnavailable as missing:
        pytest.fail(str(missing), pytrace=False)
