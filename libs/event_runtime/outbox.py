"""The transactional outbox: events are written with the change they tell of, and published afterwards by the relay.

A fixed number of streams; a tenant belongs to one of them for good. The head of a stream holds two counters without
gaps, taken under its row lock at the very end of the transaction: `position` for every row, `sequence` for the
sequenced events only. So nobody can read a later row before an earlier one is committed, and loss is detectable.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from event_runtime.drafts import Draft, Place, Sealed, UnsealableDraft, payload_hash, row_digest, seal_body
from event_runtime.faults import Fault
from event_runtime.identifiers import channel, quoted

__all__ = ["Draft", "Outbox", "OutboxFault", "Place", "Sealed", "stream_of"]


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
        self._lock_heads = text(
            f"SELECT stream, position, sequence, hash, digest FROM {name}.outbox_heads"
            " WHERE stream = ANY(CAST(:streams AS integer[])) ORDER BY stream FOR UPDATE"
        )
        self._count_heads = text(f"SELECT count(*), min(stream), max(stream) FROM {name}.outbox_heads")
        self._append = text(_APPEND.format(schema=name))
        self._remember = text(_REMEMBER.format(schema=name))
        self._streams: int | None = None

    def append(self, connection: Connection, drafts: Sequence[Draft]) -> list[Sealed]:
        """Give every draft its place, in this order, and write them; the relay is notified at commit.

        To be called last in a transaction: it locks the heads of the streams, and other transactions wait for them. A
        body that is a function gets the place of the sequenced draft before it.

        Returns the rows as written, in the order of `drafts`.

        Raises:
            UnsealableDraft: a body cannot take its place.
            OutboxFault: the heads of the streams are missing, or a message answered here had its outcome already.
        """
        if not drafts:
            return []
        streams = self.streams(connection)
        of_draft = [stream_of(draft.tenant_id, streams) for draft in drafts]
        heads = self._locked(connection, sorted(set(of_draft)))
        sealed = _seal_all(zip(drafts, of_draft, strict=True), heads)
        connection.execute(self._append, _append_parameters(sealed, heads.values(), self._channel))
        self._remember_outcomes(connection, sealed)
        return sealed

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
        rows = connection.execute(self._lock_heads, {"streams": streams})
        heads = {row.stream: _Head(row.stream, row.position, row.sequence, row.hash, row.digest) for row in rows}
        if len(heads) != len(streams):
            raise OutboxFault(f"no heads for the streams {sorted(set(streams) - set(heads))}")
        return heads

    def _remember_outcomes(self, connection: Connection, sealed: Sequence[Sealed]) -> None:
        answers = [(row.draft.answers, row) for row in sealed if row.draft.answers is not None]
        if not answers:
            return
        stored = connection.execute(
            self._remember,
            {
                "tenants": [answered.tenant_id for answered, _ in answers],
                "messages": [answered.message_id for answered, _ in answers],
                "ids": [row.draft.event_id for _, row in answers],
                "types": [row.draft.event_type for _, row in answers],
                "topics": [row.draft.topic for _, row in answers],
                "keys": [row.key for _, row in answers],
                "headers": [json.dumps(dict(row.headers)) for _, row in answers],
                "bodies": [row.body for _, row in answers],
            },
        )
        if stored.rowcount != len(answers):
            raise OutboxFault("a message was answered that is not claimed, or that has its terminal outcome already")


@dataclass(slots=True)
class _Head:
    stream: int
    position: int
    sequence: int
    hash: bytes
    digest: bytes


def _seal_all(drafts: Iterable[tuple[Draft, int]], heads: Mapping[int, _Head]) -> list[Sealed]:
    sealed: list[Sealed] = []
    before: tuple[str, Place] | None = None
    for draft, stream in drafts:
        row = _seal(draft, heads[stream], before)
        if row.place is not None:
            before = (draft.tenant_id, row.place)
        sealed.append(row)
    return sealed


def _seal(draft: Draft, head: _Head, before: tuple[str, Place] | None) -> Sealed:
    place, key, body, headers = None, draft.key, draft.body, draft.headers
    if draft.sequenced:
        place = Place(stream=head.stream, sequence=head.sequence + 1, prev_hash=head.hash)
        # the stream is the partition; the key says the same, for readers that see only the record
        key = str(head.stream).encode()
        body = seal_body(draft, place)
        headers = {
            **draft.headers,
            "ce_stream": str(place.stream),
            "ce_sequence": str(place.sequence),
            "ce_partitionkey": str(place.stream),
        }
        head.sequence, head.hash = place.sequence, payload_hash(draft, body)
    elif callable(body):
        if before is None or before[0] != draft.tenant_id:
            raise UnsealableDraft(f"{draft.event_type} {draft.event_id} follows no sequenced event of its tenant")
        body = body(before[1])
    head.position += 1
    head.digest = row_digest(head.digest, event_id=draft.event_id, topic=draft.topic, key=key, body=body)
    return Sealed(
        draft=draft,
        stream=head.stream,
        position=head.position,
        place=place,
        key=key,
        headers=headers,
        body=body,
        digest=head.digest,
    )


def _append_parameters(sealed: Sequence[Sealed], heads: Iterable[_Head], notify: str) -> dict[str, object]:
    moved = list(heads)
    return {
        "head_streams": [head.stream for head in moved],
        "head_positions": [head.position for head in moved],
        "head_sequences": [head.sequence for head in moved],
        "head_hashes": [head.hash for head in moved],
        "head_digests": [head.digest for head in moved],
        "streams": [row.stream for row in sealed],
        "positions": [row.position for row in sealed],
        "sequences": [row.place.sequence if row.place else None for row in sealed],
        "ids": [row.draft.event_id for row in sealed],
        "types": [row.draft.event_type for row in sealed],
        "topics": [row.draft.topic for row in sealed],
        "partitions": [row.place.stream if row.place else None for row in sealed],
        "keys": [row.key for row in sealed],
        "headers": [json.dumps(dict(row.headers)) for row in sealed],
        "bodies": [row.body for row in sealed],
        "digests": [row.digest for row in sealed],
        "channel": notify,
    }


# One statement and one round trip while the heads are locked.
_APPEND = """
WITH moved AS (
  UPDATE {schema}.outbox_heads AS head
  SET position = new.position, sequence = new.sequence, hash = new.hash, digest = new.digest
  FROM unnest(
    CAST(:head_streams AS integer[]), CAST(:head_positions AS bigint[]), CAST(:head_sequences AS bigint[]),
    CAST(:head_hashes AS bytea[]), CAST(:head_digests AS bytea[])
  ) AS new (stream, position, sequence, hash, digest)
  WHERE head.stream = new.stream
), appended AS (
  INSERT INTO {schema}.outbox
    (stream, position, sequence, event_id, event_type, topic, partition, key, headers, body, digest)
  SELECT * FROM unnest(
    CAST(:streams AS integer[]), CAST(:positions AS bigint[]), CAST(:sequences AS bigint[]), CAST(:ids AS text[]),
    CAST(:types AS text[]), CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:keys AS bytea[]),
    CAST(:headers AS text[]), CAST(:bodies AS bytea[]), CAST(:digests AS bytea[])
  )
)
SELECT pg_notify(:channel, '')
"""

# `outcome_id IS NULL`: a message has one terminal outcome, whatever the program believes.
_REMEMBER = """
UPDATE {schema}.inbox AS message
SET outcome_id = new.id, outcome_type = new.type, outcome_topic = new.topic, outcome_key = new.key,
    outcome_headers = new.headers, outcome_body = new.body
FROM unnest(
  CAST(:tenants AS text[]), CAST(:messages AS text[]), CAST(:ids AS text[]), CAST(:types AS text[]),
  CAST(:topics AS text[]), CAST(:keys AS bytea[]), CAST(:headers AS text[]), CAST(:bodies AS bytea[])
) AS new (tenant_id, message_id, id, type, topic, key, headers, body)
WHERE message.tenant_id = new.tenant_id AND message.message_id = new.message_id AND message.outcome_id IS NULL
"""
