import hashlib
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from customer_events import CATALOGUE, schemas_directory
from event_runtime.breaker import Breaker, BreakerOpen, BreakerPolicy
from event_runtime.codec import Codec, SchemaStore
from event_runtime.drafts import NO_HASH, Draft, Place, Unplaced, UnsealableDraft, payload_hash, row_digest, seal_body
from event_runtime.identifiers import channel, quoted
from event_runtime.items import by_handler, next_offsets, understood
from event_runtime.outbox import stream_of
from event_runtime.positions import Start
from event_runtime.records import Partition, Received, Record
from event_runtime.suspects import Suspects
from rig.runtime import command, erased

CODEC = Codec(SchemaStore(schemas_directory()), CATALOGUE)


def record(
    offset: int = 0,
    value: bytes | None = b"",
    *,
    topic: str = "t",
    partition: int = 0,
    headers: dict[str, bytes] | None = None,
) -> Record:
    return Record(
        topic=topic, partition=partition, offset=offset, key=None, value=value, headers=headers or {}, timestamp_ms=0
    )


def draft(body: bytes | Unplaced | None, *, framing: int = 10) -> Draft:
    return Draft(
        event_id="e", event_type="E", tenant_id="t", topic="x", key=None, headers="{}", body=body, framing_bytes=framing
    )


@given(stream=st.integers(0, 2**31), sequence=st.integers(1, 2**62), before=st.binary(min_size=32, max_size=32))
def test_sealing_gives_the_same_bytes_as_encoding_with_the_place(stream: int, sequence: int, before: bytes) -> None:
    sealed = seal_body(draft(CODEC.encode(erased(7))), Place(stream=stream, sequence=sequence, prev_hash=before))
    placed = erased(7).model_copy(update={"stream": stream, "sequence": sequence, "prev_hash": before})
    assert sealed == CODEC.encode(placed)
    assert payload_hash(draft(b""), sealed) == hashlib.sha256(sealed[10:]).digest()


@pytest.mark.parametrize("body", [None, b"", b"0123456789", Unplaced(b"", b"", optional=False)])
def test_what_does_not_begin_with_an_empty_place_cannot_be_sealed(body: bytes | Unplaced | None) -> None:
    with pytest.raises(UnsealableDraft):
        seal_body(draft(body), Place(stream=0, sequence=1, prev_hash=NO_HASH))


def test_the_digest_of_a_row_depends_on_every_part_and_on_all_rows_before() -> None:
    parts: dict[str, Any] = {"event_id": "a", "topic": "b", "key": b"c", "body": b"d"}
    digests = {
        row_digest(NO_HASH, **parts),
        row_digest(b"\1" * 32, **parts),
        *(row_digest(NO_HASH, **{**parts, name: None}) for name in ("key", "body")),
        *(row_digest(NO_HASH, **{**parts, name: ""}) for name in ("event_id", "topic")),
        row_digest(NO_HASH, **{**parts, "key": b""}),
        row_digest(NO_HASH, **{**parts, "key": b"cd", "body": b""}),
    }
    assert len(digests) == 8


def test_a_tenant_has_one_stream_for_good_and_tenants_spread_over_them() -> None:
    assert stream_of("t1", 16) == int.from_bytes(hashlib.sha256(b"t1").digest()[:8]) % 16
    assert {stream_of(f"tenant{n}", 16) for n in range(500)} == set(range(16))


def test_the_breaker_opens_at_the_twenty_first_in_a_row_and_counts_only_what_was_committed() -> None:
    breaker = Breaker(policy=BreakerPolicy())
    breaker.check([True] * 20)
    breaker.check([True] * 20)  # the same batch once more, after a retry
    breaker.add([True] * 20)
    with pytest.raises(BreakerOpen):
        breaker.check([True])
    breaker.check([False, True])


def test_the_breaker_opens_above_its_share_of_the_recent_records_and_forgets_older_ones() -> None:
    breaker = Breaker(policy=BreakerPolicy(share=0.05, window=100))
    breaker.add(number % 20 == 0 for number in range(100))
    breaker.check([False])
    with pytest.raises(BreakerOpen):
        breaker.check([True])
    breaker.add([False] * 100)
    breaker.check([True])


def start(starts: int, trying: int | None = None) -> Start:
    return Start(next_offset=10, starts=starts, trying=trying)


def test_a_partition_taken_up_three_times_at_one_position_is_watched_until_its_window_is_behind() -> None:
    suspects, partition = Suspects(window=2), Partition("t", 0)
    suspects.note(partition, start(2))
    assert not suspects.watched
    suspects.note(partition, start(3))
    assert partition in suspects.watched
    suspects.passed(record(10))
    assert partition in suspects.watched
    suspects.passed(record(11))
    assert not suspects.watched


def test_only_the_record_that_was_tried_alone_is_condemned() -> None:
    suspects = Suspects(window=5)
    suspects.note(Partition("t", 0), start(4, trying=12))
    assert [suspects.condemns(record(offset)) for offset in (11, 12, 13)] == [None, 4, None]
    assert suspects.condemns(record(12, partition=1)) is None
    suspects.passed(record(12))
    assert suspects.condemns(record(12)) is None


def test_one_death_while_a_record_was_tried_alone_condemns_nothing() -> None:
    suspects, partition = Suspects(window=5), Partition("t", 0)
    suspects.note(partition, start(2, trying=12))
    assert suspects.condemns(record(12)) is None
    assert partition in suspects.watched


def test_an_understood_record_has_its_event_and_a_digest_of_its_content() -> None:
    first, second = (understood(record(n, CODEC.encode(command(1))), CODEC) for n in range(2))
    assert first.received is not None
    assert second.received is not None
    assert first.received.event == command(1)
    assert first.received.digest == second.received.digest
    assert first.received.event_id == "t/0/0"


@pytest.mark.parametrize(
    ("value", "headers", "class_"),
    [
        (None, {}, "EMPTY"),
        (b"", {}, "EMPTY"),
        (b"\xff", {}, "NOT_AVRO"),
        (CODEC.encode(command(1)), {"ce_specversion": b"9"}, "BAD_HEADERS"),
    ],
)
def test_a_record_that_is_not_understood_says_why_and_nothing_of_its_content(
    value: bytes | None, headers: dict[str, bytes] | None, class_: str
) -> None:
    item = understood(record(0, value, headers=headers), CODEC)
    assert item.received is None
    assert item.refused is not None
    assert item.refused.class_ == class_


def test_neither_a_record_nor_what_was_received_shows_its_content() -> None:
    item = understood(record(3, CODEC.encode(command(1, note="planted"))), CODEC)
    assert "planted" not in repr(item)


class Unmoved:
    """A handler that does nothing."""

    def handle(self, _connection: Connection, _received: Sequence[Received]) -> Sequence[Draft]:
        return ()


def test_each_handler_gets_its_own_records_in_order_whatever_topic_they_came_by() -> None:
    first, second = Unmoved(), Unmoved()
    value = CODEC.encode(command(1))
    items = [understood(record(n, value, topic=topic), CODEC) for n, topic in enumerate("abcab")]
    given_out = by_handler(items, {"a": first, "b": second, "c": first})
    assert [(handler is first, [r.record.offset for r in received]) for handler, received in given_out] == [
        (True, [0, 2, 3]),
        (False, [1, 4]),
    ]
    assert next_offsets(items) == {Partition("a", 0): 4, Partition("b", 0): 5, Partition("c", 0): 3}


@pytest.mark.parametrize("name", ["", "1a", "A", 'a"b', "a b", "a;b", "ä", "a" * 64])
def test_a_name_that_is_no_plain_identifier_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="identifier"):
        quoted(name)
    with pytest.raises(ValueError, match="identifier"):
        channel(name)
