"""What travels between the bus, the pipeline and a handler: records as read, and records as understood."""

import hashlib
from collections.abc import Mapping
from dataclasses import field
from typing import NamedTuple

from pydantic import BaseModel

from frozen_values import dataclass


class Partition(NamedTuple):
    """A partition of a topic. Sorts by topic, then number: the order in which positions are locked."""

    topic: str
    number: int


class MessageKey(NamedTuple):
    """What makes two messages the same: the tenant, and the id the sender chose for the message."""

    tenant_id: str
    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record as it was read from the bus, undecoded.

    `source` is the partition it was read from. A `value` of None is a tombstone. `timestamp_ms` is the record's time in
    milliseconds since 1970, -1 when the broker gave none. The repr never shows key, value or headers: they may hold
    personal data.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]
    timestamp_ms: int
    source: Partition = field(init=False)

    def __post_init__(self) -> None:
        # Asked for a dozen times a record.
        object.__setattr__(self, "source", Partition(self.topic, self.partition))

    def __repr__(self) -> str:
        return f"Record({self.topic}/{self.partition}/{self.offset}, {len(self.value or b'')} bytes)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A record and the event in it.

    `event_id` is the CloudEvents id (a record without one is known by where it was read).
    """

    record: Record
    event: BaseModel
    event_id: str

    @property
    def digest(self) -> bytes:
        """SHA-256 of the content: it tells whether the same id came with other content. Made when it is asked for."""
        return content_digest(self.event)

    def __repr__(self) -> str:
        return f"Received({type(self.event).__name__}, {self.record!r})"


def content_digest(event: BaseModel) -> bytes:
    """SHA-256 by which two events say the same: over JSON of the fields that are not at their default, in their order.

    The model keeps its maps in one order. A field that a newer version adds, left at its default, changes nothing.
    """
    name = type(event).__name__
    content = event.model_dump_json(exclude_defaults=True)
    return hashlib.sha256(f"{name}{content}".encode()).digest()
