"""Records on their way through the pipeline: understood, or known not to be."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from pydantic import BaseModel

from event_runtime.cloudevents import from_headers
from event_runtime.codec import Undecodable
from event_runtime.handler import Handler
from event_runtime.records import Partition, Received, Record
from frozen_values import dataclass


class Decoder(Protocol):
    """The part of a codec that the pipeline needs."""

    def decode(self, value: bytes) -> BaseModel:
        """The event in a record value. Raises Undecodable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why a record goes into quarantine without being handled."""

    class_: str
    reason: str
    attempts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A record, and either the event in it or why there is none; neither: its handler does not want such events."""

    record: Record
    received: Received | None = None
    refused: Refused | None = None


def understood(record: Record, codec: Decoder, event_types: Collection[str] | None = None) -> Item:
    """Decode a record, unless its headers say that it is none of `event_types` (None: all are wanted).

    Raises ServerUnavailable while a schema registry does not answer.
    """
    if record.value is None:
        return Item(
            record=record, refused=Refused(class_="EMPTY", reason="a tombstone, which this topic does not have")
        )
    try:
        attributes = from_headers(record.headers)
        if event_types is not None and attributes is not None and attributes.type not in event_types:
            return Item(record=record)
        event = codec.decode(record.value)
    except Undecodable as fault:
        return Item(record=record, refused=Refused(class_=fault.class_, reason=fault.reason))
    event_id = attributes.id if attributes else f"{record.topic}/{record.partition}/{record.offset}"
    received = Received(record=record, event=event, event_id=event_id)
    return Item(record=record, received=received)


def next_offsets(items: Iterable[Item]) -> dict[Partition, int]:
    """The position behind the items, in each of their partitions."""
    behind: dict[Partition, int] = {}
    for item in items:
        behind[item.record.source] = max(behind.get(item.record.source, 0), item.record.offset + 1)
    return behind


def by_handler(items: Iterable[Item], handlers: Mapping[str, Handler]) -> list[tuple[Handler, Sequence[Received]]]:
    """The understood items of each handler in their order; handlers in the order they were registered in."""
    given: dict[int, list[Received]] = {}
    for item in items:
        if item.received is not None:
            given.setdefault(id(handlers[item.record.topic]), []).append(item.received)
    unique = {id(handler): handler for handler in handlers.values()}
    return [(handler, given[key]) for key, handler in unique.items() if key in given]
