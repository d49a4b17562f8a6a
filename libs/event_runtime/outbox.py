"""The transactional outbox: events are written with the change they tell of, and published afterwards by the relay.

A fixed number of streams; a tenant belongs to one of them for good. The head of a stream holds two counters without
gaps, taken under its row lock at the very end of the transaction: `position` for every row, `sequence` for the
sequenced events only. So nobody can read a later row before an earlier one is committed, and loss is detectable.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from event_runtime.columns import byteas, longs, texts
from event_runtime.database import execute
from event_runtime.drafts import (
    Draft,
    Place,
    Unplaced,
    UnsealableDraft,
    payload_hash,
    placed_body,
    row_digest,
    seal_body,
)
from event_runtime.faults import Fault
from event_runtime.identifiers import channel, quoted

__all__ = ["Draft", "Outbox", "OutboxFault", "Place", "stream_of"]


class OutboxFault(Fault):
    """The outbox is not in the state that the program relies on."""


def stream_of(tenant_id: str, streams: int) -> int:
    """The stream of a tenant, 0..streams-1: first 8 bytes of the SHA-256 of its id, big-endian, modulo `streams`."""
    return int.from_bytes(hashlib.sha256(tenant_id.encode()).digest()[:8]) % streams


class Outbox:
    """The outbox of one database schema."""

    def __init__(self, schema: str) -> None:
        self._channel = channel(schema)
        name = quoted(schema)
        self._lock_heads = (
            f"SELECT stream, position, sequence, hash, digest FROM {name}.outbox_heads"
            " WHERE stream = ANY(%(streams)s::bigint[]) ORDER BY stream FOR UPDATE"
        )
        self._count_heads = text(f"SELECT count(*), min(stream), max(stream) FROM {name}.outbox_heads")
        self._append = _APPEND.format(schema=name)
        self._streams: int | None = None

    def append(self, connection: Connection, drafts: Sequence[Draft]) -> None:
        """Give every draft its place, in this order, and write them; the relay is notified at commit.

        To be called last in a transaction: it locks the heads of the streams, and other transactions wait for them. An
        unplaced body gets the place of the sequenced draft before it. A draft that answers a message becomes the
        terminal outcome of that message in the inbox.

        Raises:
            UnsealableDraft: a body cannot take its place.
            OutboxFault: the heads of the streams are missing, or a message answered here had its outcome already.
        """
        if not drafts:
            return
        streams = self.streams(connection)
        of_tenant = {tenant_id: stream_of(tenant_id, streams) for tenant_id in {draft.tenant_id for draft in drafts}}
        heads = self._locked(connection, sorted(set(of_tenant.values())))
        rows = _sealed(drafts, {tenant_id: heads[stream] for tenant_id, stream in of_tenant.items()})
        parameters = {**_rows(rows), **_moved(list(heads.values())), "channel": self._channel}
        ((remembered,),) = execute(connection, self._append, parameters)
        if remembered != sum(draft.answers is not None for draft in drafts):
            raise OutboxFault("a message was answered that is not claimed, or that has its terminal outcome already")

    def streams(self, connection: Connection) -> int:
        """How many streams this outbox has; chosen once, when its tables are made."""
        if self._streams is None:
            count, first, last = connection.execute(self._count_heads).one()
            if count == 0 or first != 0 or last != count - 1:
                raise OutboxFault(
                    "the heads of the outbox streams are missing or not numbered 0..n-1; was `migrate` run?"
                )
            self._streams = count
        return int(self._streams)

    def _locked(self, connection: Connection, streams: list[int]) -> dict[int, "_Head"]:
        heads = {row[0]: _Head(*row) for row in execute(connection, self._lock_heads, {"streams": longs(streams)})}
        if len(heads) != len(streams):
            raise OutboxFault(f"no heads for the streams {sorted(set(streams) - set(heads))}")
        return heads


@dataclass(slots=True)
class _Head:
    stream: int
    position: int
    sequence: int
    hash: bytes
    digest: bytes


class _Row(NamedTuple):
    """A draft with its place: one row of the outbox. `sequence` and `partition` are those of sequenced events."""

    stream: int
    position: int
    sequence: int | None
    event_id: str
    event_type: str
    topic: str
    partition: int | None
    key: bytes | None
    headers: str
    body: bytes | None
    digest: bytes
    answered_tenant_id: str | None
    answered_message_id: str | None


def _sealed(drafts: Sequence[Draft], heads: Mapping[str, _Head]) -> list[_Row]:
    """The rows of drafts; `heads`, by tenant, are moved on."""
    rows = []
    before: tuple[str, Place] | None = None
    for draft in drafts:
        head, key, headers, body = heads[draft.tenant_id], draft.key, draft.headers, draft.body
        sequence = partition = None
        if draft.sequenced:
            place = Place(head.stream, head.sequence + 1, head.hash)
            body = seal_body(draft, place)
            head.sequence, head.hash = place.sequence, payload_hash(draft, body)
            sequence, partition = place.sequence, place.stream
            # the stream is the partition; the key says the same, for readers that see only the record
            key = b"%d" % place.stream
            headers = _with_place(headers, place)
            before = (draft.tenant_id, place)
        elif isinstance(body, Unplaced):
            if before is None or before[0] != draft.tenant_id:
                raise UnsealableDraft(f"{draft.event_type} {draft.event_id} follows no sequenced event of its tenant")
            body = placed_body(body, before[1])
        head.position += 1
        head.digest = row_digest(head.digest, event_id=draft.event_id, topic=draft.topic, key=key, body=body)
        rows.append(
            _Row(
                head.stream,
                head.position,
                sequence,
                draft.event_id,
                draft.event_type,
                draft.topic,
                partition,
                key,
                headers,
                body,
                head.digest,
                *(draft.answers or (None, None)),
            )
        )
    return rows


def _with_place(headers: str, place: Place) -> str:
    more = f'"ce_stream": "{place.stream}", "ce_sequence": "{place.sequence}", "ce_partitionkey": "{place.stream}"}}'
    return f"{headers[:-1]}, {more}"


def _rows(rows: Sequence[_Row]) -> dict[str, object]:
    return {name: encode(values) for (name, encode), values in zip(_COLUMNS, zip(*rows, strict=True), strict=True)}


# The parameters of the statement, one for each attribute of a row, in their order.
_COLUMNS: tuple[tuple[str, Callable[[Sequence[Any]], object]], ...] = (
    ("streams", longs),
    ("positions", longs),
    ("sequences", longs),
    ("ids", texts),
    ("types", texts),
    ("topics", texts),
    ("partitions", longs),
    ("keys", byteas),
    ("headers", texts),
    ("bodies", byteas),
    ("digests", byteas),
    ("answered_tenants", texts),
    ("answered_messages", texts),
)


def _moved(heads: Sequence[_Head]) -> dict[str, object]:
    return {
        "head_streams": longs([head.stream for head in heads]),
        "head_positions": longs([head.position for head in heads]),
        "head_sequences": longs([head.sequence for head in heads]),
        "head_hashes": byteas([head.hash for head in heads]),
        "head_digests": byteas([head.digest for head in heads]),
    }


# One statement and one round trip while the heads are locked. `outcome_id IS NULL`: a message has one terminal outcome,
# whatever the program believes.
_APPEND = """
WITH moved AS (
  UPDATE {schema}.outbox_heads AS head
  SET position = new.position, sequence = new.sequence, hash = new.hash, digest = new.digest
  FROM unnest(
    %(head_streams)s::bigint[], %(head_positions)s::bigint[], %(head_sequences)s::bigint[],
    %(head_hashes)s::bytea[], %(head_digests)s::bytea[]
  ) AS new (stream, position, sequence, hash, digest)
  WHERE head.stream = new.stream
), new AS (
  SELECT * FROM unnest(
    %(streams)s::bigint[], %(positions)s::bigint[], %(sequences)s::bigint[], %(ids)s::text[],
    %(types)s::text[], %(topics)s::text[], %(partitions)s::bigint[], %(keys)s::bytea[],
    %(headers)s::text[], %(bodies)s::bytea[], %(digests)s::bytea[],
    %(answered_tenants)s::text[], %(answered_messages)s::text[]
  ) AS new (stream, position, sequence, id, type, topic, partition, key, headers, body, digest, tenant_id, message_id)
), appended AS (
  INSERT INTO {schema}.outbox
    (stream, position, sequence, event_id, event_type, topic, partition, key, headers, body, digest)
  SELECT stream, position, sequence, id, type, topic, partition, key, headers, body, digest FROM new
), remembered AS (
  UPDATE {schema}.inbox AS message
  SET outcome_id = new.id, outcome_type = new.type, outcome_topic = new.topic, outcome_key = new.key,
      outcome_headers = new.headers, outcome_body = new.body
  FROM new
  WHERE message.tenant_id = new.tenant_id AND message.message_id = new.message_id AND message.outcome_id IS NULL
  RETURNING 1
)
SELECT (SELECT count(*) FROM remembered) FROM pg_notify(%(channel)s, '')
"""
