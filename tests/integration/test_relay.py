import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Counter

from event_runtime.embedded import EmbeddedBus
from event_runtime.health import LoopState, Progress
from event_runtime.relay import Relay, RelayPolicy
from rig.fixtures import MakeTopics, Spawn
from rig.processes import eventually
from rig.runtime import STREAMS, Runtime, completed, erased, make_runtime, running
from rig.topics import read_topic

PROGRAM = Path(__file__).parents[1] / "rig" / "relay_program.py"
MERGED, OUTCOME = "customer-merged", "merge-outcome"


@pytest.fixture
def runtime(database_url: str, make_topics: MakeTopics, topic_prefix: str) -> Iterator[Runtime]:
    make_topics({MERGED: STREAMS, OUTCOME: 3})
    made = make_runtime(database_url, topic_prefix)
    yield made
    made.engine.dispose()


def append(runtime: Runtime, numbers: Iterable[int], *, tenants: Sequence[str] = ("t1",)) -> None:
    for number in numbers:
        drafts = [runtime.publisher.draft(erased(number, tenant=tenant)) for tenant in tenants]
        runtime.append(*drafts)


def sequences(runtime: Runtime, kafka: str, isolation: str = "read_committed") -> dict[int, list[int]]:
    """What a reader of the stream topic sees: the sequences in each partition, in order."""
    seen: dict[int, list[int]] = {}
    for message in read_topic(kafka, runtime.topics[MERGED], isolation):
        event: Any = runtime.codec.decode(message.value() or b"")
        assert event.stream == message.partition()
        seen.setdefault(event.stream, []).append(event.sequence)
    return seen


def appended(runtime: Runtime) -> dict[int, list[int]]:
    counted = runtime.query("SELECT stream, sequence FROM {s}.outbox_heads WHERE sequence > 0 ORDER BY stream")
    return {stream: list(range(1, count + 1)) for stream, count in counted}


def caught_up(runtime: Runtime) -> bool:
    return not runtime.query(
        "SELECT 1 FROM {s}.outbox_heads h JOIN {s}.outbox_published p USING (stream) WHERE h.position > p.position"
    )


def test_rows_come_out_in_order_once_with_key_headers_and_partition(runtime: Runtime, kafka: str) -> None:
    append(runtime, range(300), tenants=[f"tenant{n}" for n in range(8)])
    with running(runtime.relay(kafka)):
        eventually(lambda: caught_up(runtime))
        append(runtime, range(300, 310), tenants=["tenant1"])
        eventually(lambda: caught_up(runtime))
    assert sequences(runtime, kafka) == appended(runtime)
    message = read_topic(kafka, runtime.topics[MERGED])[0]
    headers = dict(message.headers() or ())
    assert message.key() == str(message.partition()).encode()
    assert headers["ce_stream"] == str(message.partition()).encode()
    assert headers["ce_sequence"] == b"1"
    assert headers["ce_type"] == b"IdentityErased"


def test_a_notification_wakes_it_long_before_the_slow_poll(runtime: Runtime, kafka: str) -> None:
    with running(runtime.relay(kafka, policy=RelayPolicy(lease_s=60, poll_s=20))):
        append(runtime, [1])
        eventually(lambda: caught_up(runtime))
        started = time.monotonic()
        append(runtime, [2])
        eventually(lambda: caught_up(runtime), every_s=0.005)
        took_s = time.monotonic() - started
    assert took_s < 5


@pytest.mark.parametrize("point", ["after_produce", "after_relay_commit", "after_mark"])
def test_a_relay_killed_at_any_point_leaves_each_number_once_for_a_committed_reader(
    runtime: Runtime, kafka: str, spawn: Spawn, point: str
) -> None:
    argv = [sys.executable, str(PROGRAM), runtime.url, kafka, runtime.topics[OUTCOME]]
    append(runtime, range(20))
    crashing = spawn(argv, {"FAILPOINTS_ENABLED": "1", "FAILPOINTS": f"{point}=crash"})
    assert crashing.wait() == -signal.SIGKILL
    append(runtime, range(20, 30))
    spawn(argv)
    eventually(lambda: caught_up(runtime))
    assert sequences(runtime, kafka) == appended(runtime)
    if point == "after_produce":  # the killed transaction's records are there, and no committed reader sees them
        (uncommitted,) = sequences(runtime, kafka, "read_uncommitted").values()
        assert len(uncommitted) > 30


def test_two_relays_on_one_slot_publish_each_row_once_and_do_not_fence_each_other_for_ever(
    runtime: Runtime, kafka: str
) -> None:
    first, second = runtime.relay(kafka), runtime.relay(kafka)
    done = threading.Event()

    def feed() -> None:
        append(runtime, range(150), tenants=["a", "b", "c"])
        done.set()

    feeder = threading.Thread(target=feed)
    with running(first, second):
        feeder.start()
        eventually(lambda: done.is_set() and caught_up(runtime))
        feeder.join()
    assert sequences(runtime, kafka) == appended(runtime)
    restarts = [metric_total(relay.metrics.relay_restarts_total) for relay in (first, second)]
    assert restarts == [0, 0]


def test_a_relay_that_was_stopped_past_its_lease_is_fenced_and_stands_by(
    runtime: Runtime, kafka: str, spawn: Spawn
) -> None:
    argv = [sys.executable, str(PROGRAM), runtime.url, kafka, runtime.topics[OUTCOME]]
    append(runtime, range(10))
    frozen = spawn(argv, {"FAILPOINTS_ENABLED": "1", "FAILPOINTS": "after_produce=pause"})
    frozen.wait_for("failpoint")
    with running(runtime.relay(kafka)):
        append(runtime, range(10, 20))
        eventually(lambda: caught_up(runtime))
        frozen.signal(signal.SIGCONT)
        frozen.wait_for('"why": "fenced"')
        append(runtime, range(20, 30))
        eventually(lambda: caught_up(runtime))
    assert sequences(runtime, kafka) == appended(runtime)
    eventually(lambda: frozen.wait_for("relay_elected"))
    append(runtime, range(30, 35))
    eventually(lambda: caught_up(runtime))
    assert sequences(runtime, kafka) == appended(runtime)


def test_a_mark_lost_behind_the_bus_is_caught_up_without_publishing_twice(runtime: Runtime, kafka: str) -> None:
    append(runtime, range(10))
    with running(runtime.relay(kafka)):
        eventually(lambda: caught_up(runtime))
    runtime.query("UPDATE {s}.outbox_published SET position = 0, digest = decode(repeat('00', 32), 'hex')")
    append(runtime, range(10, 12))
    with running(runtime.relay(kafka)):
        eventually(lambda: caught_up(runtime))
    assert sequences(runtime, kafka) == appended(runtime)


def halted(relay: Relay) -> str | None:
    look = relay.progress.look()
    return look.reason if look.state is LoopState.FAILED else None


def test_a_database_restored_from_before_what_was_published_halts_the_relay(runtime: Runtime, kafka: str) -> None:
    append(runtime, range(5))
    saved = runtime.query("SELECT stream, position, sequence, hash, digest FROM {s}.outbox_heads")
    marks = runtime.query("SELECT stream, position, digest FROM {s}.outbox_published")
    with running(runtime.relay(kafka)):
        eventually(lambda: caught_up(runtime))
    runtime.query("DELETE FROM {s}.outbox WHERE position > 2")
    runtime.query("UPDATE {s}.outbox_heads SET position = least(position, 2), sequence = least(sequence, 2)")
    for stream, position, digest in marks:
        runtime.query(
            "UPDATE {s}.outbox_published SET position = :p, digest = :d WHERE stream = :s",
            s=stream,
            p=position,
            d=digest,
        )
    assert saved
    relay = runtime.relay(kafka)
    with running(relay):
        assert "not in this database" in eventually(lambda: halted(relay))
        append(runtime, [77])
    assert [len(seen) for seen in sequences(runtime, kafka).values()] == [5]


def test_another_history_at_the_published_position_halts_the_relay(runtime: Runtime, kafka: str) -> None:
    append(runtime, range(5))
    with running(runtime.relay(kafka)):
        eventually(lambda: caught_up(runtime))
    runtime.query("UPDATE {s}.outbox_published SET digest = decode(repeat('ab', 32), 'hex') WHERE position > 0")
    relay = runtime.relay(kafka)
    with running(relay):
        assert "another row" in eventually(lambda: halted(relay))


def test_progress_that_the_bus_has_lost_halts_the_relay(runtime: Runtime, kafka: str) -> None:
    runtime.query("UPDATE {s}.outbox_published SET position = 3 WHERE stream = 0")
    relay = runtime.relay(kafka)
    with running(relay):
        assert "bus knows of position 0" in eventually(lambda: halted(relay))


def test_a_missing_position_halts_the_relay(runtime: Runtime, kafka: str) -> None:
    append(runtime, range(5))
    runtime.query("DELETE FROM {s}.outbox WHERE position = 3")
    relay = runtime.relay(kafka)
    with running(relay):
        assert "position 4 follows 2" in eventually(lambda: halted(relay))
    assert sequences(runtime, kafka) == {}


def test_a_bus_that_cannot_be_reached_is_waited_for_and_nothing_counts_as_nothing_yet(runtime: Runtime) -> None:
    append(runtime, range(5))
    relay = runtime.relay("127.0.0.1:1")
    with running(relay):
        assert eventually(lambda: relay.progress.look().state is LoopState.WAITING)
    assert not caught_up(runtime)


def test_published_rows_are_pruned_but_for_the_last_and_the_relay_goes_on(runtime: Runtime, kafka: str) -> None:
    append(runtime, range(30))
    policy = RelayPolicy(lease_s=2, poll_s=0.05, keep_published_s=0, prune_every_s=0.05, prune_rows=7)
    with running(runtime.relay(kafka, policy=policy)):
        eventually(lambda: runtime.scalar("SELECT count(*) FROM {s}.outbox") == 1)
    append(runtime, range(30, 33))
    with running(runtime.relay(kafka)):
        eventually(lambda: caught_up(runtime))
    assert sequences(runtime, kafka) == appended(runtime)


def test_slots_share_the_streams(runtime: Runtime, kafka: str) -> None:
    append(runtime, range(20), tenants=[f"tenant{n}" for n in range(8)])
    with running(*(runtime.relay(kafka, slot=slot, slots=2, progress=Progress(f"relay {slot}")) for slot in range(2))):
        eventually(lambda: caught_up(runtime))
    assert sequences(runtime, kafka) == appended(runtime)
    assert runtime.scalar("SELECT count(*) FROM {s}.relay_lease") == 2


def test_without_transactions_the_embedded_bus_gets_every_row_in_order(
    database_url: str, embedded_bus: EmbeddedBus
) -> None:
    for name, partitions in {MERGED: STREAMS, OUTCOME: 1}.items():
        embedded_bus.create_topic(name, partitions)
    runtime = make_runtime(database_url)
    append(runtime, range(50), tenants=["a", "b"])
    with running(runtime.relay(embedded_bus.bootstrap, transactional=False)):
        eventually(lambda: caught_up(runtime))
    assert sequences(runtime, embedded_bus.bootstrap) == appended(runtime)
    runtime.engine.dispose()


def test_an_outcome_goes_to_its_own_topic_by_key(runtime: Runtime, kafka: str) -> None:
    publisher = runtime.publisher
    for number in range(20):
        runtime.append(publisher.draft(erased(number)), publisher.draft_after(completed(number)))
    with running(runtime.relay(kafka)):
        eventually(lambda: caught_up(runtime))
    outcomes = read_topic(kafka, runtime.topics[OUTCOME])
    assert sorted(message.key() or b"" for message in outcomes) == sorted(
        f"t1:c{number:05d}".encode() for number in range(20)
    )
    assert len({message.partition() for message in outcomes}) > 1


def metric_total(counter: Counter) -> float:
    return sum(
        sample.value for metric in counter.collect() for sample in metric.samples if sample.name.endswith("_total")
    )
