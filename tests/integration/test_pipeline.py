import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import BaseModel
from sqlalchemy import Connection, text

from customer_events import CATALOGUE
from event_runtime.batch import TransactionLimits
from event_runtime.breaker import BreakerPolicy
from event_runtime.handler import Refusal, RefusedFault
from event_runtime.health import LoopState
from event_runtime.pipeline import BatchPolicy, Pipeline
from event_runtime.quarantine import Quarantine
from event_runtime.records import Received, Record
from event_runtime.retry import FaultClass, RetryPolicy, StartOver
from rig.fixtures import MakeTopics, Spawn
from rig.processes import eventually as within
from rig.runtime import Converter, Runtime, command, make_runtime, produce, running

COMMAND, ACK = "merge-command", "relink-ack"
PROGRAM = Path(__file__).parents[1] / "rig" / "pipeline_program.py"


def eventually(predicate: Callable[[], object]):
    """With a deadline for a busy machine; a killed member of a group alone keeps its partitions for 10 s."""
    return within(predicate, 90)


@pytest.fixture
def runtime(database_url: str, make_topics: MakeTopics, topic_prefix: str):
    make_topics({COMMAND: 3, ACK: 1})
    made = make_runtime(database_url, topic_prefix)
    yield made
    made.engine.dispose()


def send(runtime: Runtime, kafka: str, *commands: BaseModel | bytes | None, topic: str = COMMAND, partition: int = -1):
    values = [each if isinstance(each, bytes | None) else runtime.codec.encode(each) for each in commands]
    produce(kafka, runtime.topics[topic], values, partition=partition)


def seen(runtime: Runtime):
    return [row[0] for row in runtime.query("SELECT command_id FROM {s}.seen ORDER BY n")]


def done(runtime: Runtime):
    return sum(row[0] for row in runtime.query("SELECT next_offset FROM {s}.positions"))


def outbox(runtime: Runtime, event_type: str):
    return runtime.scalar("SELECT count(*) FROM {s}.outbox WHERE event_type = :type", type=event_type)


def test_a_command_delivered_many_times_is_done_once_and_answered_with_one_event_id(runtime: Runtime, kafka: str):
    send(runtime, kafka, *(command(number) for number in range(40)), *(command(number) for number in range(40)))
    with running(runtime.pipeline(kafka, {COMMAND: Converter(runtime)})):
        eventually(lambda: done(runtime) == 80)
        send(runtime, kafka, command(7), command(7))
        eventually(lambda: done(runtime) == 82)
    assert sorted(seen(runtime)) == [f"c{number:05d}" for number in range(40)]
    assert outbox(runtime, "IdentityErased") == 40
    answers = runtime.query("SELECT DISTINCT event_id FROM {s}.outbox WHERE event_type = 'MergeCompleted'")
    assert sorted(answers) == sorted((f"terminal-{number}",) for number in range(40))


def test_effects_positions_and_events_come_together_or_not_at_all(runtime: Runtime, kafka: str):
    fails = iter([StartOver, StartOver])

    def before(_connection: Connection, _received: Sequence[Received]) -> None:
        for fault in fails:
            raise fault

    send(runtime, kafka, *(command(number) for number in range(10)), partition=0)
    with running(runtime.pipeline(kafka, {COMMAND: Converter(runtime, before)})):
        eventually(lambda: done(runtime) == 10)
    assert seen(runtime) == [f"c{number:05d}" for number in range(10)]
    assert outbox(runtime, "MergeCompleted") == 10


def test_records_of_several_topics_go_to_their_handlers_in_one_transaction(runtime: Runtime, kafka: str):
    commands, acks = Converter(runtime), Acks()
    pipeline = runtime.pipeline(kafka, {COMMAND: commands, ACK: acks}, batch=BatchPolicy(linger_ms=1_000))
    send(runtime, kafka, command(1))
    send(runtime, kafka, ack(1), ack(2), topic=ACK)
    with running(pipeline):
        eventually(lambda: done(runtime) == 3)
    assert seen(runtime) == ["c00001"]
    assert [each.event.merge_id for each in acks.received] == ["m1", "m2"]


def test_undecodable_records_are_quarantined_once_with_an_event_and_the_next_ones_flow(runtime: Runtime, kafka: str):
    send(runtime, kafka, command(1), b"\xff\x00junk", None, command(2), b"", partition=0)
    with running(runtime.pipeline(kafka, {COMMAND: Converter(runtime)})):
        eventually(lambda: done(runtime) == 5)
    assert seen(runtime) == ["c00001", "c00002"]
    held = runtime.query("SELECT record_offset, class, sealed, event_id FROM {s}.quarantine ORDER BY record_offset")
    assert [(row[0], row[1]) for row in held] == [(1, "NOT_AVRO"), (2, "EMPTY"), (4, "EMPTY")]
    assert all(row[2] is None for row in held)  # no key, no content
    told = runtime.query("SELECT event_id FROM {s}.outbox WHERE event_type = 'QuarantinedRecord'")
    assert sorted(row[0] for row in told) == sorted(row[3] for row in held)


def test_after_a_restart_nothing_is_done_twice_though_kafka_knows_no_offset(runtime: Runtime, kafka: str):
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


def test_a_database_restored_behind_kafkas_offset_is_read_again_at_the_next_start(runtime: Runtime, kafka: str):
    send(runtime, kafka, *(command(number) for number in range(20)), partition=0)
    with running(runtime.pipeline(kafka, {COMMAND: Converter(runtime)})):
        eventually(lambda: done(runtime) == 20)
    restore_to(runtime, 5)
    with running(runtime.pipeline(kafka, {COMMAND: Converter(runtime)})):
        eventually(lambda: done(runtime) == 20)
    assert seen(runtime) == [f"c{number:05d}" for number in range(20)]


def test_a_database_restored_while_the_consumer_runs_is_noticed_by_the_next_batch(runtime: Runtime, kafka: str):
    send(runtime, kafka, *(command(number) for number in range(20)), partition=0)
    with running(runtime.pipeline(kafka, {COMMAND: Converter(runtime)})):
        eventually(lambda: done(runtime) == 20)
        restore_to(runtime, 5)
        send(runtime, kafka, command(20), partition=0)
        eventually(lambda: done(runtime) == 21)
    assert seen(runtime) == [f"c{number:05d}" for number in range(21)]


def restore_to(runtime: Runtime, position: int):
    """What a backup restored from before `position` would look like, for this little schema."""
    runtime.query("UPDATE {s}.positions SET next_offset = :p WHERE partition = 0", p=position)
    runtime.query("DELETE FROM {s}.seen WHERE command_id >= :c", c=f"c{position:05d}")
    runtime.query("DELETE FROM {s}.inbox WHERE message_id >= :c", c=f"c{position:05d}")


def test_a_position_behind_the_end_of_the_log_is_not_read_and_said(runtime: Runtime, kafka: str):
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


def waiting(pipeline: Pipeline):
    look = pipeline.progress.look()
    return look.state is LoopState.WAITING and look.reason


def test_a_record_the_database_refuses_stands_alone_in_quarantine_and_the_rest_is_done(runtime: Runtime, kafka: str):
    notes = {13: "bad", 14: "bad", 60: "bad"}
    send(runtime, kafka, *(command(n, note=notes.get(n, "fine")) for n in range(100)), partition=0)
    cipher = Fernet(Fernet.generate_key())
    with running(runtime.pipeline(kafka, {COMMAND: Converter(runtime)}, cipher=cipher)):
        eventually(lambda: done(runtime) == 100)
    assert sorted(seen(runtime)) == [f"c{n:05d}" for n in range(100) if n not in notes]
    held = runtime.query("SELECT record_offset, class, reason FROM {s}.quarantine ORDER BY 1")
    assert [(row[0], row[1]) for row in held] == [(13, "DATA_REFUSED"), (14, "DATA_REFUSED"), (60, "DATA_REFUSED")]
    assert all("bad" not in row[2] for row in held)


def test_a_handlers_own_answer_takes_the_place_of_quarantine(runtime: Runtime, kafka: str):
    converter = Refusing(runtime)
    send(runtime, kafka, *(command(n, note="bad" if n == 3 else "fine") for n in range(8)), partition=0)
    with running(runtime.pipeline(kafka, {COMMAND: converter})):
        eventually(lambda: done(runtime) == 8)
    assert converter.faults == [(FaultClass.DATA, "23514")]
    assert runtime.query("SELECT 1 FROM {s}.quarantine") == []
    assert runtime.query("SELECT 1 FROM {s}.outbox WHERE event_id = 'refused-c00003'")


def test_a_refusal_may_quarantine_the_record_as_well(runtime: Runtime, kafka: str):
    send(runtime, kafka, command(3, note="bad"))
    with running(runtime.pipeline(kafka, {COMMAND: Refusing(runtime, quarantine=True)})):
        eventually(lambda: done(runtime) == 1)
    assert runtime.scalar("SELECT count(*) FROM {s}.quarantine") == 1
    assert runtime.query("SELECT 1 FROM {s}.outbox WHERE event_id = 'refused-c00003'")


def test_a_lock_that_others_hold_too_long_is_answered_by_the_handler_and_the_rest_is_done(runtime: Runtime, kafka: str):
    def lock(connection: Connection, received: Sequence[Received]) -> None:
        ids = [int(each.event.customer_id) for each in received]
        connection.execute(text("SELECT pg_advisory_xact_lock(n) FROM unnest(CAST(:ids AS int[])) AS n"), {"ids": ids})

    converter = Refusing(runtime, before=lock)
    send(runtime, kafka, *(command(number) for number in range(8)), partition=0)
    limits, retry = TransactionLimits(lock_ms=100), RetryPolicy(contention_attempts=2)
    with runtime.engine.begin() as holder:
        holder.execute(text("SELECT pg_advisory_xact_lock(5)"))
        with running(runtime.pipeline(kafka, {COMMAND: converter}, limits=limits, retry=retry)):
            eventually(lambda: done(runtime) == 8)
    assert sorted(seen(runtime)) == [f"c{n:05d}" for n in range(8) if n != 5]
    assert converter.faults == [(FaultClass.CONTENTION, "55P03")]


def test_without_an_answer_a_lock_is_waited_for_as_long_as_it_takes(runtime: Runtime, kafka: str):
    def lock(connection: Connection, _received: Sequence[Received]) -> None:
        connection.execute(text("SELECT pg_advisory_xact_lock(5)"))

    converter = Converter(runtime, lock)
    send(runtime, kafka, command(1))
    limits, retry = TransactionLimits(lock_ms=50), RetryPolicy(contention_attempts=2, pause_wait_s=0.1)
    with runtime.engine.begin() as holder:
        holder.execute(text("SELECT pg_advisory_xact_lock(5)"))
        with running(runtime.pipeline(kafka, {COMMAND: converter}, limits=limits, retry=retry)):
            eventually(lambda: len(converter.batches) > 6)
            holder.rollback()
            eventually(lambda: done(runtime) == 1)
    assert seen(runtime) == ["c00001"]


def test_twenty_one_bad_records_in_a_row_open_the_breaker_and_nothing_is_drained(runtime: Runtime, kafka: str):
    send(runtime, kafka, *[b"junk"] * 30, command(1), partition=0)
    pipeline = runtime.pipeline(kafka, {COMMAND: Converter(runtime)}, batch=BatchPolicy(max_records=8))
    with running(pipeline):
        eventually(lambda: pipeline.progress.look().state is LoopState.FAILED)
    assert runtime.scalar("SELECT count(*) FROM {s}.quarantine") <= 20
    assert seen(runtime) == []


def test_more_than_the_allowed_share_of_bad_records_opens_the_breaker(runtime: Runtime, kafka: str):
    mixed = [b"junk" if number % 5 == 0 else command(number) for number in range(100)]
    send(runtime, kafka, *mixed, partition=0)
    breaker = BreakerPolicy(share=0.05, window=100)
    pipeline = runtime.pipeline(kafka, {COMMAND: Converter(runtime)}, batch=BatchPolicy(max_records=5), breaker=breaker)
    with running(pipeline):
        eventually(lambda: pipeline.progress.look().state is LoopState.FAILED)
    assert runtime.scalar("SELECT count(*) FROM {s}.quarantine") == 5


def test_a_missing_table_pauses_the_consumer_until_it_is_there(runtime: Runtime, kafka: str):
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


def test_a_backend_killed_in_the_middle_costs_a_retry_and_nothing_else(runtime: Runtime, kafka: str):
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


def test_what_is_prepared_is_committed_before_it_is_handled(runtime: Runtime, kafka: str):
    preparing = Preparing(runtime)
    send(runtime, kafka, command(1), b"junk", command(2), partition=0)
    with running(runtime.pipeline(kafka, {COMMAND: preparing})):
        eventually(lambda: done(runtime) == 3)
    assert preparing.visible == [True] * len(preparing.batches)


def test_an_operator_replays_a_quarantined_record_and_discards_another(runtime: Runtime, kafka: str):
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


def test_a_replay_that_fails_again_is_held_again(runtime: Runtime, kafka: str):
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
):
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


def states(runtime: Runtime):
    return runtime.query("SELECT state, resolved_by FROM {s}.quarantine ORDER BY id")


@pytest.mark.parametrize("point", ["after_poll", "before_commit", "after_commit"])
def test_a_worker_killed_at_any_point_does_each_command_once(runtime: Runtime, kafka: str, spawn: Spawn, point: str):
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
):
    poisoned = [command(n, note="kill the process" if n == 7 else "fine") for n in range(20)]
    send(runtime, kafka, *poisoned, partition=0)
    deaths = 0
    while deaths < 8:
        program = start(runtime, kafka, spawn)
        eventually(lambda program=program: program.returncode is not None or done(runtime) == 20)
        if program.returncode is None:
            break
        assert program.returncode == -signal.SIGKILL
        deaths += 1
    assert deaths == 5  # two in a batch arouse the suspicion, three alone prove it
    assert runtime.query("SELECT record_offset, class FROM {s}.quarantine") == [(7, "KILLED_PROCESS")]
    assert sorted(seen(runtime)) == [f"c{n:05d}" for n in range(20) if n != 7]


def start(runtime: Runtime, kafka: str, spawn: Spawn, *more: str, **environment: str):
    """A pipeline as a process of its own."""
    prefix = runtime.topics[COMMAND].removesuffix(COMMAND)
    argv = [sys.executable, str(PROGRAM), runtime.url, kafka, prefix, *more]
    return spawn(argv, {"PYTHONPATH": str(PROGRAM.parents[1]), "FAILPOINTS_ENABLED": "1", **environment})


class Acks:
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.received = []

    def handle(self, _connection: Connection, received: Sequence[Received]):
        self.received += received
        return []


def ack(number: int):
    return CATALOGUE["RelinkAcknowledged"].model(
        tenant_id="t1", system="crm", merge_id=f"m{number}", status="RELINKED", stream=0, sequence=number,
        at="2026-01-01T00:00:00Z",
    )  # fmt: skip


class Refusing(Converter):
    """Answers a record that cannot be processed."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        quarantine: bool = False,
        before: Callable[[Connection, Sequence[Received]], None] | None = None,
    ) -> None:
        super().__init__(runtime, before or (lambda _connection, _received: None))
        self.quarantine = quarantine
        self.faults = []

    def refuse(self, _connection: Connection, received: Received, fault: RefusedFault):
        self.faults.append((fault.fault_class, fault.sqlstate))
        event = CATALOGUE["MergeRemoved"].model(
            tenant_id="t1", command_id=received.event.command_id, request_id="r", at="2026-01-01T00:00:00Z"
        )
        draft = self.runtime.publisher.draft(event, event_id=f"refused-{received.event.command_id}")
        return Refusal(drafts=[draft], quarantine=self.quarantine)


class Preparing(Converter):
    """Notes in `prepared` before it handles, and looks from another connection whether it is there."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime, self.look)
        self.visible = []
        runtime.query("CREATE TABLE {s}.prepared (command_id text PRIMARY KEY)")

    def prepare(self, connection: Connection, received: Sequence[Received]):
        ids = [each.event.command_id for each in received]
        statement = "INSERT INTO rt.prepared SELECT unnest(CAST(:ids AS text[])) ON CONFLICT DO NOTHING"
        connection.execute(text(statement), {"ids": ids})

    def look(self, _connection: Connection, received: Sequence[Received]):
        there = {row[0] for row in self.runtime.query("SELECT command_id FROM {s}.prepared")}
        self.visible.append({each.event.command_id for each in received} <= there)
