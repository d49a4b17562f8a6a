"""Processes that die at any point, records that kill them, and records that an operator replays."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from event_runtime.quarantine import Quarantine
from event_runtime.records import Record
from rig.fixtures import MakeTopics, Spawn
from rig.pipelines import COMMAND, commands_and_acks, done, eventually, outbox, seen, send
from rig.processes import Program
from rig.runtime import Converter, Runtime, command, running

PROGRAM = Path(__file__).parents[1] / "rig" / "pipeline_program.py"


@pytest.fixture
def runtime(database_url: str, make_topics: MakeTopics, topic_prefix: str) -> Iterator[Runtime]:
    yield from commands_and_acks(database_url, make_topics, topic_prefix)


def test_an_operator_replays_a_quarantined_record_and_discards_another(runtime: Runtime, kafka: str) -> None:
    cipher = Fernet(Fernet.generate_key())
    send(runtime, kafka, command(1, note="bad"), b"junk", partition=0)
    quarantine = Quarantine("rt")
    with running(runtime.pipeline(kafka, {COMMAND: Converter(runtime)}, cipher=cipher)):
        eventually(lambda: done(runtime) == 2)
        by_class = {row[1]: row[0] for row in runtime.query("SELECT id, class FROM {s}.quarantine")}
        runtime.query("ALTER TABLE {s}.seen DROP CONSTRAINT seen_note_check")
        with runtime.engine.begin() as connection:
            quarantine.ask_replay(connection, by_class["DATA_REFUSED"], by="ann")
            quarantine.discard(connection, by_class["NOT_AVRO"], by="bob")
        eventually(lambda: seen(runtime) == ["c00001"])
        eventually(lambda: states(runtime) == [("REPLAYED", "ann"), ("DISCARDED", "bob")])
    assert outbox(runtime, "MergeCompleted") == 1


def test_a_replay_that_fails_again_is_held_again(runtime: Runtime, kafka: str) -> None:
    cipher = Fernet(Fernet.generate_key())
    send(runtime, kafka, command(1, note="bad"))
    with running(runtime.pipeline(kafka, {COMMAND: Converter(runtime)}, cipher=cipher)):
        eventually(lambda: done(runtime) == 1)
        with runtime.engine.begin() as connection:
            Quarantine("rt").ask_replay(connection, 1, by="ann")
        eventually(lambda: runtime.query("SELECT attempts, state FROM {s}.quarantine") == [(2, "HELD")])
    assert seen(runtime) == []


def test_replaying_a_record_that_kills_the_process_costs_one_start_and_is_held_again(
    runtime: Runtime, kafka: str, spawn: Spawn
) -> None:
    key = Fernet.generate_key().decode()
    quarantine = Quarantine("rt", Fernet(key))
    poison = Record(
        topic=runtime.topics[COMMAND],
        partition=0,
        offset=0,
        key=None,
        value=runtime.codec.encode(command(1, note="kill the process")),
        headers={},
        timestamp_ms=-1,
    )
    with runtime.engine.begin() as connection:
        quarantine.put(connection, "cluster", poison, class_="KILLED_PROCESS", reason="it killed")
        quarantine.ask_replay(connection, 1, by="ann")
    assert start(runtime, kafka, spawn, QUARANTINE_KEY=key).wait() == -signal.SIGKILL
    send(runtime, kafka, command(3), partition=0)
    survivor = start(runtime, kafka, spawn, QUARANTINE_KEY=key)
    eventually(lambda: seen(runtime) == ["c00003"])
    assert survivor.returncode is None
    assert states(runtime) == [("HELD", "ann")]


def states(runtime: Runtime) -> list[tuple[str, str]]:
    return [(state, by) for state, by in runtime.query("SELECT state, resolved_by FROM {s}.quarantine ORDER BY id")]


@pytest.mark.parametrize("point", ["after_poll", "before_commit", "after_commit"])
def test_a_worker_killed_at_any_point_does_each_command_once(
    runtime: Runtime, kafka: str, spawn: Spawn, point: str
) -> None:
    send(runtime, kafka, *(command(number) for number in range(60)))
    crashing = start(runtime, kafka, spawn, FAILPOINTS=f"{point}=crash:2")
    eventually(lambda: seen(runtime))
    send(runtime, kafka, command(60))
    assert crashing.wait() == -signal.SIGKILL
    start(runtime, kafka, spawn)
    eventually(lambda: done(runtime) == 61)
    assert sorted(seen(runtime)) == [f"c{number:05d}" for number in range(61)]
    assert outbox(runtime, "MergeCompleted") == outbox(runtime, "IdentityErased") == 61


def test_a_record_that_kills_the_process_is_found_and_quarantined_without_being_decoded(
    runtime: Runtime, kafka: str, spawn: Spawn
) -> None:
    poisoned = [command(n, note="kill the process" if n == 7 else "fine") for n in range(20)]
    send(runtime, kafka, *poisoned, partition=0)
    deaths = 0
    while deaths < 8:
        program = start(runtime, kafka, spawn)
        eventually(lambda: program.returncode is not None or done(runtime) == 20)  # noqa: B023 - called at once
        if program.returncode is None:
            break
        assert program.returncode == -signal.SIGKILL
        deaths += 1
    assert deaths == 5  # two in a batch arouse the suspicion, three alone prove it
    assert runtime.query("SELECT record_offset, class FROM {s}.quarantine") == [(7, "KILLED_PROCESS")]
    assert sorted(seen(runtime)) == [f"c{n:05d}" for n in range(20) if n != 7]


def start(runtime: Runtime, kafka: str, spawn: Spawn, *more: str, **environment: str) -> Program:
    """A pipeline as a process of its own."""
    prefix = runtime.topics[COMMAND].removesuffix(COMMAND)
    argv = [sys.executable, str(PROGRAM), runtime.url, kafka, prefix, *more]
    return spawn(argv, {"PYTHONPATH": str(PROGRAM.parents[1]), "FAILPOINTS_ENABLED": "1", **environment})
