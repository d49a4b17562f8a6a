"""Records that cannot be processed: held, answered, waited for, or too many of them."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Connection, text

from customer_events import ConvertCustomer, MergeRemoved
from event_runtime.batch import TransactionLimits
from event_runtime.breaker import BreakerPolicy
from event_runtime.handler import Refusal, RefusedFault
from event_runtime.health import LoopState
from event_runtime.pipeline import BatchPolicy
from event_runtime.records import Received
from event_runtime.retry import FaultClass, RetryPolicy
from rig.fixtures import MakeTopics
from rig.pipelines import COMMAND, commands_and_acks, done, eventually, seen, send
from rig.runtime import Converter, Runtime, command, running


@pytest.fixture
def runtime(database_url: str, make_topics: MakeTopics, topic_prefix: str) -> Iterator[Runtime]:
    yield from commands_and_acks(database_url, make_topics, topic_prefix)


def test_undecodable_records_are_quarantined_once_with_an_event_and_the_next_ones_flow(
    runtime: Runtime, kafka: str
) -> None:
    send(runtime, kafka, command(1), b"\xff\x00junk", None, command(2), b"", partition=0)
    with running(runtime.pipeline(kafka, {COMMAND: Converter(runtime)})):
        eventually(lambda: done(runtime) == 5)
    assert seen(runtime) == ["c00001", "c00002"]
    held = runtime.query("SELECT record_offset, class, sealed, event_id FROM {s}.quarantine ORDER BY record_offset")
    assert [(row[0], row[1]) for row in held] == [(1, "NOT_AVRO"), (2, "EMPTY"), (4, "EMPTY")]
    assert all(row[2] is None for row in held)  # no key, no content
    told = runtime.query("SELECT event_id FROM {s}.outbox WHERE event_type = 'QuarantinedRecord'")
    assert sorted(row[0] for row in told) == sorted(row[3] for row in held)


def test_a_record_the_database_refuses_stands_alone_in_quarantine_and_the_rest_is_done(
    runtime: Runtime, kafka: str
) -> None:
    notes = {13: "bad", 14: "bad", 60: "bad"}
    send(runtime, kafka, *(command(n, note=notes.get(n, "fine")) for n in range(100)), partition=0)
    cipher = Fernet(Fernet.generate_key())
    with running(runtime.pipeline(kafka, {COMMAND: Converter(runtime)}, cipher=cipher)):
        eventually(lambda: done(runtime) == 100)
    assert sorted(seen(runtime)) == [f"c{n:05d}" for n in range(100) if n not in notes]
    held = runtime.query("SELECT record_offset, class, reason FROM {s}.quarantine ORDER BY 1")
    assert [(row[0], row[1]) for row in held] == [(13, "DATA_REFUSED"), (14, "DATA_REFUSED"), (60, "DATA_REFUSED")]
    assert all("bad" not in row[2] for row in held)


def test_a_handlers_own_answer_takes_the_place_of_quarantine(runtime: Runtime, kafka: str) -> None:
    converter = Refusing(runtime)
    send(runtime, kafka, *(command(n, note="bad" if n == 3 else "fine") for n in range(8)), partition=0)
    with running(runtime.pipeline(kafka, {COMMAND: converter})):
        eventually(lambda: done(runtime) == 8)
    assert converter.faults == [(FaultClass.DATA, "23514")]
    assert runtime.query("SELECT 1 FROM {s}.quarantine") == []
    assert runtime.query("SELECT 1 FROM {s}.outbox WHERE event_id = 'refused-c00003'")


def test_a_refusal_may_quarantine_the_record_as_well(runtime: Runtime, kafka: str) -> None:
    send(runtime, kafka, command(3, note="bad"))
    with running(runtime.pipeline(kafka, {COMMAND: Refusing(runtime, quarantine=True)})):
        eventually(lambda: done(runtime) == 1)
    assert runtime.scalar("SELECT count(*) FROM {s}.quarantine") == 1
    assert runtime.query("SELECT 1 FROM {s}.outbox WHERE event_id = 'refused-c00003'")


def test_a_lock_that_others_hold_too_long_is_answered_by_the_handler_and_the_rest_is_done(
    runtime: Runtime, kafka: str
) -> None:
    def lock(connection: Connection, received: Sequence[Received]) -> None:
        events: list[Any] = [each.event for each in received]
        ids = [int(event.customer_id) for event in events]
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


def test_without_an_answer_a_lock_is_waited_for_as_long_as_it_takes(runtime: Runtime, kafka: str) -> None:
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


def test_twenty_one_bad_records_in_a_row_open_the_breaker_and_nothing_is_drained(runtime: Runtime, kafka: str) -> None:
    send(runtime, kafka, *[b"junk"] * 30, command(1), partition=0)
    pipeline = runtime.pipeline(kafka, {COMMAND: Converter(runtime)}, batch=BatchPolicy(max_records=8))
    with running(pipeline):
        eventually(lambda: pipeline.progress.look().state is LoopState.FAILED)
    assert runtime.scalar("SELECT count(*) FROM {s}.quarantine") <= 20
    assert seen(runtime) == []


def test_more_than_the_allowed_share_of_bad_records_opens_the_breaker(runtime: Runtime, kafka: str) -> None:
    mixed = [b"junk" if number % 5 == 0 else command(number) for number in range(100)]
    send(runtime, kafka, *mixed, partition=0)
    breaker = BreakerPolicy(share=0.05, window=100)
    pipeline = runtime.pipeline(kafka, {COMMAND: Converter(runtime)}, batch=BatchPolicy(max_records=5), breaker=breaker)
    with running(pipeline):
        eventually(lambda: pipeline.progress.look().state is LoopState.FAILED)
    assert runtime.scalar("SELECT count(*) FROM {s}.quarantine") == 5


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
        self.faults: list[tuple[FaultClass, str | None]] = []

    def refuse(self, _connection: Connection, received: Received, fault: RefusedFault) -> Refusal:
        self.faults.append((fault.fault_class, fault.sqlstate))
        assert isinstance(received.event, ConvertCustomer)
        command_id = received.event.command_id
        removed = MergeRemoved(
            tenant_id="t1", command_id=command_id, request_id="r", at=datetime(2026, 1, 1, tzinfo=UTC)
        )
        draft = self.runtime.publisher.draft(removed, event_id=f"refused-{command_id}")
        return Refusal(drafts=(draft,), quarantine=self.quarantine)
