"""Events on their way into the outbox: drafts, the place they are given, and the row that comes of both.

A draft is encoded before its place is known, so that no encoding happens while the heads of the streams are locked. The
stream events have `stream`, `sequence` and `prev_hash` as their first fields; a draft holds zeros there, and sealing
swaps this prefix only.
"""

import hashlib
from typing import NamedTuple

from event_runtime.avro_writer import long_bytes
from event_runtime.faults import Fault
from event_runtime.records import MessageKey

HASH_BYTES = 32
NO_HASH = bytes(HASH_BYTES)
# Avro: long 0 is one zero byte; a `fixed` is its bytes
_ZERO_PREFIX = bytes(2) + NO_HASH
_SECOND_BRANCH = long_bytes(1)


class UnsealableDraft(Fault):
    """A draft cannot be given a place in its stream."""


class Place(NamedTuple):
    """The place of a sequenced event: its stream, its number there (1..n, no gaps), the hash of the event before it."""

    stream: int
    sequence: int
    prev_hash: bytes


class Unplaced(NamedTuple):
    """The encoded value of an event that names the place of another one: what comes before the place and after it.

    `optional`: the two fields, stream and sequence, are unions of null and long.
    """

    before: bytes
    after: bytes
    optional: bool


class Draft(NamedTuple):
    """An event that is to be published.

    `body` is the encoded record value; None is a tombstone. It is Unplaced when it names the place of the sequenced
    event that precedes it among the drafts of the same append. `framing_bytes` is the length of the wire framing in
    front of the Avro payload. With `answers` the event is kept in the inbox as the terminal outcome of that message.
    `headers` are CloudEvents attributes as a JSON object of strings, without those that depend on the place.
    """

    event_id: str
    event_type: str
    tenant_id: str
    topic: str
    key: bytes | None
    headers: str
    body: bytes | Unplaced | None
    sequenced: bool = False
    framing_bytes: int = 0
    answers: MessageKey | None = None

    def __repr__(self) -> str:
        return f"Draft({self.event_type}, {self.event_id})"


def seal_body(draft: Draft, place: Place) -> bytes:
    """The body of a sequenced draft with its place in it.

    Raises:
        UnsealableDraft: the body does not begin with the zeros that the place replaces.
    """
    body, framing = draft.body, draft.framing_bytes
    if not isinstance(body, bytes) or body[framing : framing + len(_ZERO_PREFIX)] != _ZERO_PREFIX:
        raise UnsealableDraft(f"{draft.event_type} {draft.event_id} does not begin with an empty place")
    place_bytes = long_bytes(place.stream) + long_bytes(place.sequence) + place.prev_hash
    return body[:framing] + place_bytes + body[framing + len(_ZERO_PREFIX) :]


def placed_body(body: Unplaced, place: Place) -> bytes:
    """The body of an event that names this place."""
    branch = _SECOND_BRANCH if body.optional else b""
    return b"".join((body.before, branch, long_bytes(place.stream), branch, long_bytes(place.sequence), body.after))


def payload_hash(draft: Draft, sealed_body: bytes) -> bytes:
    """SHA-256 over the Avro payload without its framing: what the next event of the stream names as `prev_hash`."""
    return hashlib.sha256(sealed_body[draft.framing_bytes :]).digest()


def row_digest(previous: bytes, *, event_id: str, topic: str, key: bytes | None, body: bytes | None) -> bytes:
    """SHA-256 that chains a row of the outbox to all rows of its stream before it; each part is length-prefixed."""
    chained = [previous]
    for part in (event_id.encode(), topic.encode(), key, body):
        if part is None:
            chained.append(b"-")
        else:
            chained += (b"%d:" % len(part), part)
    return hashlib.sha256(b"".join(chained)).digest()
