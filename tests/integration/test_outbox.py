import hashlib
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from customer_events import IdentityErased, MergeCompleted
from event_runtime.codec import payload_of
from event_runtime.drafts import NO_HASH, UnsealableDraft
from event_runtime.outbox import Outbox, OutboxFault, stream_of
from event_runtime.records import MessageKey
from rig.runtime import NOW, STREAMS, Runtime, completed, erased, make_runtime


@pytest.fixture
def runtime(database_url: str) -> Iterator[Runtime]:
    made = make_runtime(database_url)
    yield made
    made.engine.dispose()


def rows(runtime: Runtime, columns: str) -> list[tuple[Any, ...]]:
    return runtime.query(f"SELECT {columns} FROM {{s}}.outbox ORDER BY stream, position")


def test_positions_count_every_row_and_sequences_the_sequenced_ones(runtime: Runtime) -> None:
    publisher = runtime.publisher
    runtime.append(publisher.draft(erased(1)), publisher.draft(completed(1)))
    runtime.append(publisher.draft(erased(2)))
    assert rows(runtime, "position, sequence, event_type") == [
        (1, 1, "IdentityErased"),
        (2, None, "MergeCompleted"),
        (3, 2, "IdentityErased"),
    ]


def test_a_sealed_event_decodes_with_its_place_and_names_the_hash_of_the_one_before(runtime: Runtime) -> None:
    runtime.append(*(runtime.publisher.draft(erased(number)) for number in range(200)))
    stream = stream_of("t1", STREAMS)
    previous = NO_HASH
    for sequence, (body, partition, key, headers) in enumerate(rows(runtime, "body, partition, key, headers"), start=1):
        event = runtime.codec.decode(body)
        assert isinstance(event, IdentityErased)
        assert (event.stream, event.sequence, event.prev_hash) == (stream, sequence, previous)
        assert event.canonical_id == str(sequence - 1)
        assert (partition, key) == (stream, str(stream).encode())
        told = json.loads(headers)
        assert (told["ce_stream"], told["ce_sequence"], told["ce_partitionkey"]) == (
            str(stream),
            str(sequence),
            str(stream),
        )
        previous = hashlib.sha256(payload_of(body)).digest()


def test_an_outcome_names_the_place_of_the_event_before_it(runtime: Runtime) -> None:
    publisher = runtime.publisher
    runtime.append(publisher.draft(erased(1)))
    after = publisher.draft_after(completed(2), event_id="terminal")
    runtime.append(publisher.draft(erased(2)), after)
    outcome = runtime.codec.decode(rows(runtime, "body")[-1][0])
    assert isinstance(outcome, MergeCompleted)
    assert (outcome.stream, outcome.sequence) == (stream_of("t1", STREAMS), 2)


def test_an_outcome_that_follows_no_event_of_its_tenant_is_refused(runtime: Runtime) -> None:
    publisher = runtime.publisher
    after = publisher.draft_after(completed(2, tenant="t2"))
    with pytest.raises(UnsealableDraft):
        runtime.append(publisher.draft(erased(2)), after)
    assert rows(runtime, "*") == []


def test_a_sequenced_event_that_names_a_place_already_is_refused(runtime: Runtime) -> None:
    placed = IdentityErased(tenant_id="t1", stream=1, sequence=7, canonical_id="1", member_ids=("1",), at=NOW)
    with pytest.raises(UnsealableDraft):
        runtime.append(runtime.publisher.draft(placed))


def test_a_tombstone_is_a_row_without_a_body(runtime: Runtime) -> None:
    runtime.append(runtime.publisher.tombstone("CustomerAlias", "t1", key="t1:9", subject="9"))
    assert rows(runtime, "key, body") == [(b"t1:9", None)]


def test_nothing_of_a_transaction_that_rolls_back_is_left_and_no_number_is_lost(runtime: Runtime) -> None:
    with runtime.engine.begin() as connection:
        runtime.outbox.append(connection, [runtime.publisher.draft(erased(1))])
        connection.rollback()
    runtime.append(runtime.publisher.draft(erased(2)))
    assert rows(runtime, "position, sequence") == [(1, 1)]


def test_four_concurrent_appenders_leave_no_gap_and_no_later_row_is_seen_before_an_earlier_one(
    runtime: Runtime,
) -> None:
    tenants = [f"tenant{n}" for n in range(12)]
    failed: list[tuple[Any, ...]] = []
    done = threading.Event()

    def append(worker: int) -> None:
        outbox = Outbox("rt")
        for number in range(40):
            with runtime.engine.connect() as connection:
                transaction = connection.begin()
                some = tenants[(worker + number) % 5 :: 3]
                outbox.append(connection, [runtime.publisher.draft(erased(number, tenant=tenant)) for tenant in some])
                if number % 7 == worker:
                    transaction.rollback()
                else:
                    transaction.commit()

    def watch() -> None:
        while not done.is_set():
            seen = runtime.query(
                "SELECT stream, count(*), max(position), max(sequence) FROM {s}.outbox GROUP BY stream"
            )
            failed.extend(row for row in seen if not row[1] == row[2] == row[3])

    workers = [threading.Thread(target=append, args=(n,)) for n in range(4)]
    watcher = threading.Thread(target=watch)
    for thread in (watcher, *workers):
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    watcher.join()
    assert not failed
    heads = runtime.query("SELECT stream, position, sequence FROM {s}.outbox_heads ORDER BY stream")
    counted = runtime.query("SELECT stream, count(*), count(sequence) FROM {s}.outbox GROUP BY stream ORDER BY stream")
    assert [head for head in heads if head[1]] == counted
    assert sum(row[1] for row in counted) > 400


def test_the_outcome_of_a_message_is_stored_once_and_only_for_a_claimed_message(runtime: Runtime) -> None:
    publisher = runtime.publisher
    outcome = completed(1)
    answer = publisher.draft(outcome, answers=MessageKey("t1", "c00001"))
    with pytest.raises(OutboxFault):
        runtime.append(answer)
    with runtime.engine.begin() as connection:
        runtime.inbox.claim(connection, [("t1", "c00001", b"d")])
        runtime.outbox.append(connection, [answer])
    with pytest.raises(OutboxFault):
        runtime.append(answer)
    assert len(rows(runtime, "*")) == 1


def test_an_outbox_without_heads_says_that_it_was_not_migrated(runtime: Runtime) -> None:
    runtime.query("DELETE FROM {s}.outbox_heads")
    with pytest.raises(OutboxFault, match="migrate"):
        runtime.append(runtime.publisher.draft(erased(1)))
