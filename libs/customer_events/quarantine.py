"""Topic merge-quarantine: records that could not be processed, kept for a person to look at."""

from typing import Annotated, Final

from pydantic import Field

from customer_events.base import Count, Event, Id, Text, Timestamp, WireModel

UNKNOWN_TENANT: Final = "-"
"""The `tenant_id` of a record that could not be decoded."""

MAX_BODY_BYTES = 16 * 1024 * 1024


class RecordSource(WireModel):
    """Where a record was read."""

    topic: Id
    partition: Count
    offset: Count


class QuarantinedRecord(Event):
    """A record that could not be processed. Its body is encrypted: it may hold personal data."""

    source: RecordSource
    class_: Id = Field(validation_alias="class", serialization_alias="class")
    reason: Text
    digest: Id
    body: Annotated[bytes, Field(max_length=MAX_BODY_BYTES)]
    attempts: Count
    at: Timestamp
