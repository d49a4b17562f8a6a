"""Topic relink-ack: a downstream system says how far it is with a merge."""

from enum import StrEnum
from typing import Annotated

from customer_events.base import Count, Event, Id, Items, Text, Timestamp, WireModel


class AckStatus(StrEnum):
    """How far a system is."""

    RECEIVED = "RECEIVED"
    RELINKED = "RELINKED"
    FAILED = "FAILED"
    NOT_APPLICABLE = "NOT_APPLICABLE"


class RelinkedCount(WireModel):
    """How many of its own things a system moved."""

    type: Id
    count: Count


class RelinkAcknowledged(Event):
    """A system relinked its own rows after a merge, or could not."""

    system: Id
    merge_id: Id
    status: AckStatus
    stream: Count
    sequence: Count
    relinked: Annotated[tuple[RelinkedCount, ...], Items] = ()
    error: Text | None = None
    at: Timestamp
