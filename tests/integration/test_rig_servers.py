"""The servers that every other test relies on."""

import os
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Producer

from event_runtime.faults import ServerUnavailable
from rig import broker, topics
from rig.fixtures import MakeTopics


def test_every_test_has_an_empty_database_of_its_own(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        connection.execute("CREATE TABLE mine (id int)")
    assert tables == (0,)


def test_a_read_committed_reader_sees_no_aborted_record(kafka: str, make_topics: MakeTopics, topic_prefix: str) -> None:
    topic = make_topics({"promise": 2})["promise"]
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": topic_prefix})
    producer.init_transactions()
    for value, end in ((b"aborted", producer.abort_transaction), (b"committed", producer.commit_transaction)):
        producer.begin_transaction()
        producer.produce(topic, value=value, partition=0)
        producer.flush()
        end()
    assert [record.value() for record in topics.read_topic(kafka, topic)] == [b"committed"]
    assert len(topics.read_topic(kafka, topic, "read_uncommitted")) == 2


def test_without_anything_to_start_a_broker_the_reason_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "_CACHE", tmp_path / "no-jars-yet")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine")
    with pytest.raises(ServerUnavailable, match=r"TEST_KAFKA_BOOTSTRAP.*Docker.*Maven") as missing:
        broker.start(tmp_path / "kafka-server", lives_with=os.getpid())
    assert "\n" not in str(missing.value)
