"""Topic merge-quarantine: records that could not be processed, kept for a person to look at."""

from datetime import datetime
from typing import Annotated, Final, Protocol

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


class QuarantinedFacts(Protocol):
    """What is known of a record that could not be processed; `tenant_id` is None when it could not be decoded."""

    @property
    def tenant_id(self) -> str | None:
        """Whose record it is."""

    @property
    def topic(self) -> str:
        """Where it was read."""

    @property
    def partition(self) -> int:
        """Where it was read."""

    @property
    def offset(self) -> int:
        """Where it was read."""

    @property
    def class_(self) -> str:
        """The kind of its fault."""

    @property
    def reason(self) -> str:
        """Why it could not be processed; holds no values."""

    @property
    def digest(self) -> str:
        """SHA-256 of its value, in hex."""

    @property
    def body(self) -> bytes:
        """Its content, sealed; may be empty."""

    @property
    def attempts(self) -> int:
        """How often it was tried."""

    @property
    def at(self) -> datetime:
        """When it was given up."""


def quarantined_record(facts: QuarantinedFacts) -> QuarantinedRecord:
    """The event about a quarantined record."""
    return QuarantinedRecord(
        tenant_id=facts.tenant_id or UNKNOWN_TENANT,
        source=RecordSource(topic=facts.topic, partition=facts.partition, offset=facts.offset),
        class_=facts.class_,
        reason=facts.reason,
        digest=facts.digest,
        body=facts.body,
        attempts=facts.attempts,
        at=facts.at,
    )
