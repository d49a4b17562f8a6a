"""Events on their way into the outbox: drafts, the place they are given, and the row that comes of both.

A draft is encoded before its place is known, so that no encoding happens while the heads of the streams are locked. The
stream events have `stream`, `sequence` and `prev_hash` as their first fields; a draft holds zeros there, and sealing
swaps this prefix only.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from event_runtime.faults import Fault
from event_runtime.records import MessageKey

HASH_BYTES = 32
NO_HASH = bytes(HASH_BYTES)
# Avro: long 0 is one zero byte; a `fixed` is its bytes
_ZERO_PREFIX = bytes(2) + NO_HASH


class UnsealableDraft(Fault):
    """A draft cannot be given a place in its stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The place of a sequenced event: its stream, its number there (1..n, no gaps), the hash of the event before it."""

    stream: int
    sequence: int
    prev_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event that is to be published.

    `body` is the encoded record value; None is a tombstone. It is a function when it must name the place of the
    sequenced event that precedes it among the drafts of the same append; it is then called with that place, under the
    lock of the stream: keep it short. `framing_bytes` is the length of the wire framing in front of the Avro payload.
    With `answers` the event is kept in the inbox as the terminal outcome of that message. `headers` are CloudEvents
    attributes, without those that depend on the place.
    """

    event_id: str
    event_type: str
    tenant_id: str
    topic: str
    key: bytes | None
    headers: Mapping[str, str]
    body: bytes | Callable[[Place], bytes] | None
    sequenced: bool = False
    framing_bytes: int = 0
    answers: MessageKey | None = None

    def __repr__(self) -> str:
        return f"Draft({self.event_type}, {self.event_id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A draft with its place: one row of the outbox.

    `place` is set for sequenced events. `digest` chains every row of the stream.
    """

    draft: Draft
    stream: int
    position: int
    place: Place | None
    key: bytes | None
    headers: Mapping[str, str]
    body: bytes | None
    digest: bytes

    def __repr__(self) -> str:
        return f"Sealed({self.draft!r}, stream {self.stream}, position {self.position})"


def seal_body(draft: Draft, place: Place) -> bytes:
    """The body of a sequenced draft with its place in it.

    Raises:
        UnsealableDraft: the body does not begin with the zeros that the place replaces.
    """
    body, framing = draft.body, draft.framing_bytes
    if not isinstance(body, bytes) or body[framing : framing + len(_ZERO_PREFIX)] != _ZERO_PREFIX:
        raise UnsealableDraft(f"{draft.event_type} {draft.event_id} does not begin with an empty place")
    place_bytes = _avro_long(place.stream) + _avro_long(place.sequence) + place.prev_hash
    return body[:framing] + place_bytes + body[framing + len(_ZERO_PREFIX) :]


def payload_hash(draft: Draft, sealed_body: bytes) -> bytes:
    """SHA-256 over the Avro payload without its framing: what the next event of the stream names as `prev_hash`."""
    return hashlib.sha256(sealed_body[draft.framing_bytes :]).digest()


def row_digest(previous: bytes, *, event_id: str, topic: str, key: bytes | None, body: bytes | None) -> bytes:
    """SHA-256 that chains a row of the outbox to all rows of its stream before it; each part is length-prefixed."""
    chained = hashlib.sha256(previous)
    for part in (event_id.encode(), topic.encode(), key, body):
        chained.update(b"-" if part is None else b"%d:" % len(part))
        chained.update(part or b"")
    return chained.digest()


def _avro_long(value: int) -> bytes:
    # Avro 1.12, "Binary encoding": zig-zag, then seven bits a byte, least significant first
    rest = (value << 1) ^ (value >> 63)
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append((rest & 0x7F) | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)
