"""The servers that a program brings along: they start anywhere and end with the program, whatever ends it."""

import os
import signal
import sys
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from event_runtime import embedded
from event_runtime.embedded import EmbeddedBus, EmbeddedPostgres
from event_runtime.faults import ServerUnavailable
from rig.fixtures import Spawn
from rig.processes import eventually


@pytest.fixture
def reachable_path(tmp_path: Path) -> Path:
    """As root PostgreSQL runs as another user, who must come through; pytest's own directories are closed to all."""
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_uid == os.geteuid() and not directory.stat().st_mode & 0o001:
            directory.chmod(0o711)
    return tmp_path


def ask(url: str, question: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(question).fetchone()
    return row and row[0]


def test_postgres_keeps_its_data_in_a_directory_and_only_there(reachable_path: Path) -> None:
    directory = reachable_path / "data"
    with EmbeddedPostgres(directory) as first, psycopg.connect(first.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    with EmbeddedPostgres(directory) as second:
        assert ask(second.url, "SELECT answer FROM kept") == 42
    with EmbeddedPostgres() as temporary:
        place = Path(str(ask(temporary.url, "SHOW data_directory")))
        assert ask(temporary.url, "SELECT to_regclass('kept')") is None
    assert not place.parent.exists()


def test_postgres_recovers_from_an_immediate_stop_on_the_same_port(reachable_path: Path) -> None:
    with EmbeddedPostgres(reachable_path / "data") as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        url = server.url
        server.stop(immediate=True)
        server.start()
        assert server.url == url
        assert ask(url, "SELECT answer FROM kept") == 42


def test_postgres_wants_its_password_and_listens_on_loopback_only() -> None:
    with EmbeddedPostgres() as server:
        assert ask(server.url, "SHOW listen_addresses") == "127.0.0.1"
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.url.replace("postgres:", "postgres:x", 1))


def test_postgres_says_why_it_does_not_start(reachable_path: Path) -> None:
    with pytest.raises(ServerUnavailable, match="shared_buffers"):
        EmbeddedPostgres(reachable_path / "data", settings={"shared_buffers": "much"}).start()


def test_postgres_runs_from_a_copy_where_its_wheel_cannot_be_read(
    reachable_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a virtual environment below /root is to the user that root hands over to; anybody else needs no copy.
    monkeypatch.setattr(embedded, "_open_to_all", lambda path: "site-packages" not in str(path))
    with EmbeddedPostgres(reachable_path / "data") as server:
        assert ask(server.url, "SELECT 42") == 42
    assert (reachable_path / "data" / "programs").exists() == (os.geteuid() == 0)


def test_both_servers_end_with_a_program_that_is_killed(spawn: Spawn, tmp_path: Path) -> None:
    code = (
        "from event_runtime.embedded import *; import time\n"
        "with EmbeddedPostgres() as postgres, EmbeddedBus() as bus:\n"
        "    print('bus', bus.bootstrap, flush=True); print('url', postgres.url, flush=True); time.sleep(600)\n"
    )
    program = spawn([sys.executable, "-c", code])
    url = program.wait_for(r"url (\S+)")[1]
    bootstrap = program.wait_for(r"bus (\S+)")[1]
    place = Path(str(ask(url, "SHOW data_directory")))
    program.signal(signal.SIGKILL)

    def nothing_is_left() -> bool:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return not place.exists() and not answers(bootstrap)
        return False

    eventually(nothing_is_left)


def answers(bootstrap: str) -> bool:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        return bool(admin.list_topics(timeout=1).brokers)
    except KafkaException:
        return False


def test_the_bus_carries_records_between_processes(embedded_bus: EmbeddedBus) -> None:
    embedded_bus.create_topic("customer-merged", 16)
    producer = Producer({"bootstrap.servers": embedded_bus.bootstrap})
    producer.produce("customer-merged", value=b"one", partition=15)
    producer.flush()
    consumer = Consumer({"bootstrap.servers": embedded_bus.bootstrap, "group.id": "g", "auto.offset.reset": "earliest"})
    try:
        consumer.subscribe(["customer-merged"])
        record = consumer.poll(30)
        assert record is not None
        assert (record.value(), record.partition()) == (b"one", 15)
    finally:
        consumer.close()


def test_the_bus_refuses_a_topic_twice(embedded_bus: EmbeddedBus) -> None:
    embedded_bus.create_topic("once", 4)
    with pytest.raises(ServerUnavailable, match="exist"):
        embedded_bus.create_topic("once", 16)
