from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet

from customer_events import quarantined_record
from event_runtime.quarantine import Announcer, NotInQuarantine, Quarantine
from event_runtime.records import Record
from rig.processes import eventually
from rig.runtime import Converter, Runtime, command, make_runtime, running

KEY = Fernet.generate_key()


@pytest.fixture
def runtime(database_url: str) -> Iterator[Runtime]:
    made = make_runtime(database_url)
    yield made
    made.engine.dispose()


def record(offset: int, value: bytes | None = b"planted", topic: str = "merge-command") -> Record:
    headers = {"h": b"\xff planted"}
    return Record(topic=topic, partition=0, offset=offset, key=b"planted", value=value, headers=headers, timestamp_ms=5)


def put(runtime: Runtime, quarantine: Quarantine, *records: Record, class_: str = "NOT_AVRO") -> list[str]:
    with runtime.engine.begin() as connection:
        drafts = [
            draft
            for each in records
            for draft in quarantine.put(connection, "cluster", each, class_=class_, reason="because")
        ]
    return [draft.event_id for draft in drafts]


def announcing(runtime: Runtime, *, key: bytes | None = KEY) -> Quarantine:
    announce = Announcer(publisher=runtime.publisher, event=quarantined_record)
    return Quarantine("rt", None if key is None else Fernet(key), announce)


def test_a_record_is_held_once_and_told_of_once(runtime: Runtime) -> None:
    quarantine = announcing(runtime)
    assert len(set(put(runtime, quarantine, record(1), record(2)))) == 2
    assert put(runtime, quarantine, record(1)) == []
    assert runtime.scalar("SELECT count(*) FROM {s}.quarantine") == 2


@pytest.mark.parametrize("key", [KEY, None], ids=["sealed", "not kept"])
def test_what_it_holds_is_sealed_or_not_there(runtime: Runtime, key: bytes | None) -> None:
    quarantine = announcing(runtime, key=key)
    put(runtime, quarantine, record(1))
    (row,) = runtime.query("SELECT CAST(q AS text), sealed FROM {s}.quarantine AS q")
    assert "planted" not in str(row[0])
    assert (row[1] is None) == (key is None)


def test_what_is_asked_for_comes_back_as_it_was(runtime: Runtime) -> None:
    quarantine = announcing(runtime)
    put(runtime, quarantine, record(7), record(8, topic="other"))
    with runtime.engine.begin() as connection:
        for held in quarantine.list(connection, state="HELD"):
            quarantine.ask_replay(connection, held.id, by="ann")
        found = quarantine.pick(connection, ["merge-command"])
    assert found is not None
    assert found[1] == record(7)


def test_without_its_content_a_record_cannot_be_replayed_and_says_why(runtime: Runtime) -> None:
    put(runtime, announcing(runtime, key=None), record(1))
    with runtime.engine.begin() as connection, pytest.raises(NotInQuarantine, match="no quarantine key"):
        Quarantine("rt").ask_replay(connection, 1, by="ann")


def test_with_another_key_a_picked_record_has_no_content_and_is_held_on(runtime: Runtime) -> None:
    put(runtime, announcing(runtime), record(1))
    with runtime.engine.begin() as connection:
        Quarantine("rt").ask_replay(connection, 1, by="ann")
        assert announcing(runtime, key=Fernet.generate_key()).pick(connection, ["merge-command"]) == (1, None)
        held = Quarantine("rt").show(connection, 1)
    assert (held.state, held.attempts) == ("HELD", 2)


@pytest.mark.parametrize("again", ["discard", "ask_replay"])
def test_a_record_that_was_discarded_or_never_was_cannot_be_resolved(runtime: Runtime, again: str) -> None:
    put(runtime, announcing(runtime), record(1))
    quarantine = Quarantine("rt")
    with runtime.engine.begin() as connection:
        quarantine.discard(connection, 1, by="ann")
        for held_id in (1, 99):
            with pytest.raises(NotInQuarantine):
                getattr(quarantine, again)(connection, held_id, by="bob")
        assert quarantine.show(connection, 1).resolved_by == "ann"
        assert quarantine.held(connection) == 0


def test_a_record_is_replayed_by_itself_once_its_schema_is_known(runtime: Runtime, kafka: str) -> None:
    cipher = Fernet(KEY)
    known = Record(
        topic="merge-command",
        partition=0,
        offset=3,
        key=None,
        value=runtime.codec.encode(command(5)),
        headers={},
        timestamp_ms=0,
    )
    put(runtime, announcing(runtime), known, record(4), class_="UNKNOWN_SCHEMA")
    with running(runtime.pipeline(kafka, {"merge-command": Converter(runtime)}, cipher=cipher)):
        eventually(lambda: runtime.query("SELECT command_id FROM {s}.seen") == [("c00005",)], 60)
    states = runtime.query("SELECT state FROM {s}.quarantine ORDER BY id")
    assert states == [("REPLAYED",), ("HELD",)]
