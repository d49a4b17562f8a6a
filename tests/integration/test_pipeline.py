"""What a pipeline promises: each command once, all of it or nothing, wherever the positions say it is."""

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, text

from customer_events import AckStatus, RelinkAcknowledged
from event_runtime.drafts import Draft
from event_runtime.health import LoopState
from event_runtime.pipeline import BatchPolicy
from event_runtime.records import Received
from event_runtime.retry import StartOver
from rig.fixtures import MakeTopics
from rig.pipelines import ACK, COMMAND, commands_and_acks, done, eventually, outbox, seen, send, waiting
from rig.runtime import Converter, Runtime, command, running


@pytest.fixture
def runtime(database_url: str, make_topics: MakeTopics, topic_prefix: str) -> Iterator[Runtime]:
    yield from commands_and_acks(database_url, make_topics, topic_prefix)


def test_a_command_delivered_many_times_is_done_once_and_answered_with_one_event_id(
    runtime: Runtime, kafka: str
) -> None:
    send(runtime, kafka, *(command(number) for number in range(40)), *(command(number) for number in range(40)))
    with running(runtime.pipeline(kafka, {COMMAND: Converter(runtime)})):
        eventually(lambda: done(runtime) == 80)
        send(runtime, kafka, command(7), command(7))
        eventually(lambda: done(runtime) == 82)
    assert sorted(seen(runtime)) == [f"c{number:05d}" for number in range(40)]
    assert outbox(runtime, "IdentityErased") == 40
    answers = runtime.query("SELECT DISTINCT event_id FROM {s}.outbox WHERE event_type = 'MergeCompleted'")
    assert sorted(answers) == sorted((f"terminal-{number}",) for number in range(40))


def test_effects_positions_and_events_come_together_or_not_at_all(runtime: Runtime, kafka: str) -> None:
    fails = iter([StartOver, StartOver])

    def before(_connection: Connection, _received: Sequence[Received]) -> None:
        for fault in fails:
            raise fault

    send(runtime, kafka, *(command(number) for number in range(10)), partition=0)
    with running(runtime.pipeline(kafka, {COMMAND: Converter(runtime, before)})):
        eventually(lambda: done(runtime) == 10)
    assert seen(runtime) == [f"c{number:05d}" for number in range(10)]
    assert outbox(runtime, "MergeCompleted") == 10


def test_records_of_several_topics_go_to_their_handlers_in_one_transaction(runtime: Runtime, kafka: str) -> None:
    commands, acks = Converter(runtime), Acks()
    pipeline = runtime.pipeline(kafka, {COMMAND: commands, ACK: acks}, batch=BatchPolicy(linger_ms=1_000))
    send(runtime, kafka, command(1))
    send(runtime, kafka, ack(1), ack(2), topic=ACK)
    with running(pipeline):
        eventually(lambda: done(runtime) == 3)
    assert seen(runtime) == ["c00001"]
    assert [each.event.merge_id for each in acks.received] == ["m1", "m2"]


def test_after_a_restart_nothing_is_done_twice_though_kafka_knows_no_offset(runtime: Runtime, kafka: str) -> None:
    send(runtime, kafka, *(command(number) for number in range(20)))
    with running(runtime.pipeline(kafka, {COMMAND: Converter(runtime)}, group="g")):
        eventually(lambda: done(runtime) == 20)
    again = Converter(runtime)
    # another Kafka group, the same positions
    pipeline = runtime.pipeline(kafka, {COMMAND: again}, group="g", kafka={"client.id": "other"})
    send(runtime, kafka, command(99))
    with running(pipeline):
        eventually(lambda: done(runtime) == 21)
    assert sum(again.batches) == 1


def test_a_database_restored_behind_kafkas_offset_is_read_again_at_the_next_start(runtime: Runtime, kafka: str) -> None:
    send(runtime, kafka, *(command(number) for number in range(20)), partition=0)
    with running(runtime.pipeline(kafka, {COMMAND: Converter(runtime)})):
        eventually(lambda: done(runtime) == 20)
    restore_to(runtime, 5)
    with running(runtime.pipeline(kafka, {COMMAND: Converter(runtime)})):
        eventually(lambda: done(runtime) == 20)
    assert seen(runtime) == [f"c{number:05d}" for number in range(20)]


def test_a_database_restored_while_the_consumer_runs_is_noticed_by_the_next_batch(runtime: Runtime, kafka: str) -> None:
    send(runtime, kafka, *(command(number) for number in range(20)), partition=0)
    with running(runtime.pipeline(kafka, {COMMAND: Converter(runtime)})):
        eventually(lambda: done(runtime) == 20)
        restore_to(runtime, 5)
        send(runtime, kafka, command(20), partition=0)
        eventually(lambda: done(runtime) == 21)
    assert seen(runtime) == [f"c{number:05d}" for number in range(21)]


def restore_to(runtime: Runtime, position: int) -> None:
    """What a backup restored from before `position` would look like, for this little schema."""
    runtime.query("UPDATE {s}.positions SET next_offset = :p WHERE partition = 0", p=position)
    runtime.query("DELETE FROM {s}.seen WHERE command_id >= :c", c=f"c{position:05d}")
    runtime.query("DELETE FROM {s}.inbox WHERE message_id >= :c", c=f"c{position:05d}")


def test_a_position_behind_the_end_of_the_log_is_not_read_and_said(runtime: Runtime, kafka: str) -> None:
    send(runtime, kafka, command(1), partition=0)
    with running(runtime.pipeline(kafka, {COMMAND: Converter(runtime)})):
        eventually(lambda: done(runtime) == 1)
    runtime.query("UPDATE {s}.positions SET next_offset = 50 WHERE partition = 0")
    pipeline = runtime.pipeline(kafka, {COMMAND: Converter(runtime)})
    with running(pipeline):
        send(runtime, kafka, command(2), partition=0)
        send(runtime, kafka, command(3), partition=1)
        eventually(lambda: "c00003" in seen(runtime))  # the others go on
        assert "truncated or made anew" in eventually(lambda: waiting(pipeline))
    assert "c00002" not in seen(runtime)


def test_a_missing_table_pauses_the_consumer_until_it_is_there(runtime: Runtime, kafka: str) -> None:
    runtime.query("ALTER TABLE {s}.seen RENAME TO away")
    converter = Converter(runtime)
    pipeline = runtime.pipeline(kafka, {COMMAND: converter})
    send(runtime, kafka, command(1))
    with running(pipeline):
        assert "42P01" in eventually(lambda: waiting(pipeline))
        runtime.query("ALTER TABLE {s}.away RENAME TO seen")
        eventually(lambda: done(runtime) == 1)
        eventually(lambda: pipeline.progress.look().state is LoopState.READY)
    assert runtime.query("SELECT 1 FROM {s}.quarantine") == []


def test_a_backend_killed_in_the_middle_costs_a_retry_and_nothing_else(runtime: Runtime, kafka: str) -> None:
    killed = threading.Event()

    def kill(connection: Connection, _received: Sequence[Received]) -> None:
        if not killed.is_set():
            killed.set()
            own = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            runtime.query("SELECT pg_terminate_backend(:pid)", pid=own)

    send(runtime, kafka, *(command(number) for number in range(10)), partition=0)
    with running(runtime.pipeline(kafka, {COMMAND: Converter(runtime, kill)})):
        eventually(lambda: done(runtime) == 10)
    assert seen(runtime) == [f"c{number:05d}" for number in range(10)]


def test_what_is_prepared_is_committed_before_it_is_handled(runtime: Runtime, kafka: str) -> None:
    preparing = Preparing(runtime)
    send(runtime, kafka, command(1), b"junk", command(2), partition=0)
    with running(runtime.pipeline(kafka, {COMMAND: preparing})):
        eventually(lambda: done(runtime) == 3)
    assert preparing.visible == [True] * len(preparing.batches)


class Acks:
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.received: list[Any] = []

    def handle(self, _connection: Connection, received: Sequence[Received]) -> list[Draft]:
        self.received += received
        return []


def ack(number: int) -> RelinkAcknowledged:
    return RelinkAcknowledged(
        tenant_id="t1", system="crm", merge_id=f"m{number}", status=AckStatus.RELINKED, stream=0, sequence=number,
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def _command_ids(received: Sequence[Received]) -> list[str]:
    events: list[Any] = [each.event for each in received]
    return [event.command_id for event in events]


class Preparing(Converter):
    """Notes in `prepared` before it handles, and looks from another connection whether it is there."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime, self.look)
        self.visible: list[bool] = []
        runtime.query("CREATE TABLE {s}.prepared (command_id text PRIMARY KEY)")

    def prepare(self, connection: Connection, received: Sequence[Received]) -> None:
        ids = _command_ids(received)
        statement = "INSERT INTO rt.prepared SELECT unnest(CAST(:ids AS text[])) ON CONFLICT DO NOTHING"
        connection.execute(text(statement), {"ids": ids})

    def look(self, _connection: Connection, received: Sequence[Received]) -> None:
        there = {row[0] for row in self.runtime.query("SELECT command_id FROM {s}.prepared")}
        self.visible.append(set(_command_ids(received)) <= there)
