"""Faults between the worker, its database and its group, with real servers."""

import threading
from collections.abc import Iterator, Sequence

import pytest
from sqlalchemy import Connection

from event_runtime.health import LoopState
from event_runtime.pipeline import BatchPolicy, Pipeline
from event_runtime.records import Received
from rig.commit_cutter import CommitCutter
from rig.fixtures import MakeTopics
from rig.pipelines import COMMAND, done, eventually, seen, send
from rig.runtime import SOON_MISSED, Converter, Runtime, command, make_runtime, running, through_proxy
from rig.topics import read_topic

MERGED, OUTCOME = "customer-merged", "merge-outcome"
PROTOCOLS = {
    "classic": {"partition.assignment.strategy": "range", **SOON_MISSED},
    "cooperative": {"partition.assignment.strategy": "cooperative-sticky", **SOON_MISSED},
    "kip848": {"group.protocol": "consumer"},
}


@pytest.fixture
def prefix(make_topics: MakeTopics, topic_prefix: str) -> str:
    make_topics({COMMAND: 4, MERGED: 4, OUTCOME: 4})
    return topic_prefix


@pytest.fixture
def runtime(database_url: str, prefix: str) -> Iterator[Runtime]:
    made = make_runtime(database_url, prefix)
    yield made
    made.engine.dispose()


def names(count: int) -> list[str]:
    return [f"c{number:05d}" for number in range(count)]


def test_a_commit_whose_answer_is_lost_is_not_done_again(kafka: str, database_url: str, prefix: str) -> None:
    direct = make_runtime(database_url, prefix)
    with CommitCutter(database_url) as cutter:
        cut = through_proxy(direct, cutter.url)
        armed: list[int] = []

        def arm(_connection: Connection, _received: Sequence[Received]) -> None:
            if len(armed) < 3:
                armed.append(1)
                cutter.cut_next()

        send(direct, kafka, *(command(n) for n in range(30)))
        pipeline = cut.pipeline(kafka, {COMMAND: Converter(cut, arm)}, batch=BatchPolicy(max_records=5))
        with running(pipeline):
            eventually(lambda: done(direct) == 30)
        assert cutter.cuts == 3
        counted = pipeline.workplace.metrics.records_total.labels(direct.topics[COMMAND], "duplicate")
        assert 3 <= counted._value.get() <= 15  # the batches whose commit was in doubt, found done
    assert sorted(seen(direct)) == names(30)
    assert direct.scalar("SELECT count(*) FROM {s}.outbox WHERE event_type = 'MergeCompleted'") == 30
    cut.engine.dispose()
    direct.engine.dispose()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_members_come_and_go_with_work_in_flight_and_every_command_is_done_once(
    runtime: Runtime, kafka: str, protocol: str
) -> None:
    total, feeding = 400, threading.Event()

    def feed() -> None:
        for start in range(0, total, 20):
            send(runtime, kafka, *(command(n) for n in range(start, start + 20)))
            feeding.wait(0.15)

    def worker() -> Pipeline:
        batch = BatchPolicy(max_records=7)
        return runtime.pipeline(kafka, {COMMAND: Converter(runtime)}, kafka=PROTOCOLS[protocol], batch=batch)

    feeder = threading.Thread(target=feed)
    feeder.start()
    with running(worker()):
        eventually(lambda: done(runtime) >= 40)
        with running(worker()):
            eventually(lambda: done(runtime) >= 150)
        with running(worker(), worker()):
            eventually(lambda: done(runtime) >= 300)
        feeder.join()
        eventually(lambda: done(runtime) == total)
    assert sorted(seen(runtime)) == names(total)
    assert runtime.scalar("SELECT count(*) FROM {s}.outbox WHERE event_type = 'IdentityErased'") == total


@pytest.mark.parametrize("protocol", ["classic", "kip848"])
def test_a_partition_revoked_while_its_batch_is_retried_ends_the_batch(
    runtime: Runtime, kafka: str, protocol: str
) -> None:
    held = threading.Event()

    def lock_out(connection: Connection, _received: Sequence[Received]) -> None:
        if held.is_set():
            connection.exec_driver_sql("SELECT * FROM rt.not_there")

    held.set()
    first = runtime.pipeline(kafka, {COMMAND: Converter(runtime, lock_out)}, kafka=PROTOCOLS[protocol])
    send(runtime, kafka, *(command(n) for n in range(40)))
    with running(first):
        eventually(lambda: first.progress.look().state is LoopState.WAITING and "42P01" in first.progress.look().reason)
        # the other one takes a share of the partitions and can work
        with running(runtime.pipeline(kafka, {COMMAND: Converter(runtime)}, kafka=PROTOCOLS[protocol])):
            eventually(lambda: seen(runtime))
            held.clear()
            eventually(lambda: done(runtime) == 40)
    assert sorted(seen(runtime)) == names(40)


def test_one_command_from_four_producers_fifty_times_on_two_workers_has_one_effect_and_one_answer(
    runtime: Runtime, kafka: str
) -> None:
    def send_often() -> None:
        for _ in range(13):
            send(runtime, kafka, command(1), partition=-1)

    producers = [threading.Thread(target=send_often) for _ in range(4)]
    # each partition gets some: the same command comes through different ones at the same time
    for partition in range(4):
        send(runtime, kafka, command(1), partition=partition)
    with running(*(runtime.pipeline(kafka, {COMMAND: Converter(runtime)}) for _ in range(2)), runtime.relay(kafka)):
        for producer in producers:
            producer.start()
        for producer in producers:
            producer.join()
        eventually(lambda: done(runtime) == 56)
        eventually(lambda: published(runtime))
    assert sorted(seen(runtime)) == names(2)[1:]
    assert len(read_topic(kafka, runtime.topics[MERGED])) == 1
    answers = [dict(message.headers() or ())["ce_id"] for message in read_topic(kafka, runtime.topics[OUTCOME])]
    assert set(answers) == {b"terminal-1"}
    assert len(answers) > 1


def published(runtime: Runtime) -> bool:
    return not runtime.query(
        "SELECT 1 FROM {s}.outbox_heads h JOIN {s}.outbox_published p USING (stream) WHERE h.position > p.position"
    )


def test_positions_come_to_the_end_of_a_topic_written_in_transactions(runtime: Runtime, kafka: str) -> None:
    upstream = runtime.publisher
    runtime.append(*(upstream.draft(command(n)) for n in range(5)))
    with running(runtime.relay(kafka), runtime.pipeline(kafka, {COMMAND: Converter(runtime)})):
        eventually(lambda: sorted(seen(runtime)) == names(5))
        # the marks that end transactions take offsets too
        eventually(lambda: done(runtime) > 5)


def test_a_database_that_is_away_is_waited_for_and_the_worker_says_so(
    kafka: str, database_url: str, prefix: str
) -> None:
    direct = make_runtime(database_url, prefix)
    with CommitCutter(database_url) as cutter:
        through = through_proxy(direct, cutter.url)
        pipeline = through.pipeline(kafka, {COMMAND: Converter(through)})
        with running(pipeline):
            send(direct, kafka, command(0))
            eventually(lambda: done(direct) == 1)
            cutter.close()
            send(direct, kafka, command(1))
            eventually(lambda: pipeline.progress.look().state is LoopState.WAITING)
            cutter.open()
            eventually(lambda: done(direct) == 2)
            eventually(lambda: pipeline.progress.look().state is LoopState.READY)
    assert sorted(seen(direct)) == names(2)
    through.engine.dispose()
    direct.engine.dispose()
