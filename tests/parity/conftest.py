"""A running system for each profile, shared by the tests of a module."""

from collections.abc import Iterator

import pytest

from rig.profile_world import REFERENCE, ProfileWorld, end_world, make_world

# The scheduler and the reconciler look often, so that no test waits for them.
_OFTEN = {
    "LOOP__SCHEDULE_S": "0.2",
    "LOOP__RECONCILE_S": "0.5",
    "LOOP__ERASE_S": "0.5",
    "DEFERRAL__RETRY_S": "1",
}


@pytest.fixture(scope="module")
def storis(kafka: str, postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProfileWorld]:
    """The retailer's back office."""
    # The list is worked through at a time that seldom comes; a person may call it any time.
    yield from _running("storis", kafka, tmp_path_factory, SCHEDULE__MERGE_AT="0 0 29 2 *")


@pytest.fixture(scope="module")
def omneo(kafka: str, postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProfileWorld]:
    """The loyalty platform."""
    yield from _running("omneo", kafka, tmp_path_factory, RELINK__SYSTEMS='["mailer"]')


@pytest.fixture(scope="module")
def infoplus(kafka: str, postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProfileWorld]:
    """The order management system."""
    yield from _running("infoplus", kafka, tmp_path_factory)


@pytest.fixture(scope="module")
def agent_console(kafka: str, postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProfileWorld]:
    """The helpdesk."""
    yield from _running("agent_console", kafka, tmp_path_factory)


@pytest.fixture(scope="module")
def spektrix(kafka: str, postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProfileWorld]:
    """The ticket office."""
    yield from _running("spektrix", kafka, tmp_path_factory)


@pytest.fixture(scope="module")
def reference(kafka: str, postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProfileWorld]:
    """The reference store."""
    # Chunks so small that a large merge is seen on its way.
    settings = {"RELINK__SYSTEMS": '["crm"]', "LARGE__CHUNK_ROWS": "100"}
    yield from _running(REFERENCE, kafka, tmp_path_factory, **settings)


def _running(profile: str, kafka: str, directories: pytest.TempPathFactory, **settings: str) -> Iterator[ProfileWorld]:
    world = make_world(profile, kafka, directories.mktemp(profile), worker_settings={**_OFTEN, **settings})
    yield world
    end_world(world)
