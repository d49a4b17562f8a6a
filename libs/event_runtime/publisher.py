"""From an event to a draft of the outbox: topic, key, CloudEvents headers and encoded body."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from pydantic import BaseModel
from uuid_utils import uuid7

from event_runtime.cloudevents import HeaderText
from event_runtime.drafts import Draft, Unplaced
from event_runtime.records import MessageKey


class PublishedType(Protocol):
    """What the publisher must know of a type of events; `topic` is the topic's default name."""

    @property
    def name(self) -> str:
        """The event's name, in the catalogue and as CloudEvents type."""

    @property
    def topic(self) -> str:
        """The default name of the topic it travels on."""

    @property
    def sequenced(self) -> bool:
        """Whether it is numbered and hash-chained in its stream."""

    @property
    def key(self) -> Callable[[Any], str]:
        """The record key of an event; not asked for sequenced events, whose key is their stream."""

    @property
    def subject(self) -> Callable[[Any], str]:
        """The CloudEvents subject of an event."""


class Encoder(Protocol):
    """The part of a codec that the publisher needs."""

    @property
    def framing_bytes(self) -> int:
        """Length of the wire framing in front of the Avro payload."""

    def encode(self, event: BaseModel) -> bytes:
        """The record value of an event."""

    def encode_unplaced(self, event: BaseModel) -> Unplaced:
        """The same of an event that names the place of another one, with a gap there."""

    def schema_uri(self, event_type: str) -> str:
        """What names the schema of an event in CloudEvents' `dataschema`."""


class Publisher:
    """Makes drafts of events.

    `catalogue` holds the event types by name, `source` is the CloudEvents source (which program speaks), `topics` gives
    the real name of a topic by its default name; a topic that is not named there has its default name.
    """

    def __init__(
        self,
        codec: Encoder,
        catalogue: Mapping[str, PublishedType],
        source: str,
        topics: Mapping[str, str] | None = None,
    ) -> None:
        self._codec = codec
        self._framing_bytes = codec.framing_bytes
        self._catalogue = catalogue
        self._topics = topics or {}
        self._headers = {
            name: HeaderText(source=source, type_=name, dataschema=codec.schema_uri(name)) for name in catalogue
        }

    def draft(self, event: BaseModel, *, event_id: str | None = None, answers: MessageKey | None = None) -> Draft:
        """The draft of an event. A sequenced event is given with zeros as stream, sequence and prev_hash.

        With `answers` it is kept in the inbox as the terminal outcome of that message.
        """
        return self._of(event, self._codec.encode(event), event_id, answers)

    def draft_after(self, event: BaseModel, *, event_id: str | None = None, answers: MessageKey | None = None) -> Draft:
        """The draft of an event that names the place of the sequenced event before it in the same append.

        What `event` itself says about its place does not count.
        """
        return self._of(event, self._codec.encode_unplaced(event), event_id, answers)

    def tombstone(self, event_type: str, tenant_id: str, *, key: str, subject: str) -> Draft:
        """The draft of a record without a value: a compacted topic forgets this key."""
        return self._draft(self._catalogue[event_type], tenant_id, body=None, key=key, subject=subject)

    def _of(self, event: BaseModel, body: bytes | Unplaced, event_id: str | None, answers: MessageKey | None) -> Draft:
        kind = self._catalogue[type(event).__name__]
        tenant_id: str = event.tenant_id  # type: ignore[attr-defined]  # every event has one; the model base is the contract's
        key = None if kind.sequenced else kind.key(event)
        subject = kind.subject(event)
        return self._draft(kind, tenant_id, body=body, key=key, subject=subject, event_id=event_id, answers=answers)

    def _draft(
        self,
        kind: PublishedType,
        tenant_id: str,
        *,
        body: bytes | Unplaced | None,
        key: str | None,
        subject: str,
        event_id: str | None = None,
        answers: MessageKey | None = None,
    ) -> Draft:
        event_id = event_id or str(uuid7())
        return Draft(
            event_id=event_id,
            event_type=kind.name,
            tenant_id=tenant_id,
            topic=self._topics.get(kind.topic, kind.topic),
            key=None if key is None else key.encode(),
            headers=self._headers[kind.name].of(event_id, subject, datetime.now(UTC), key),
            body=body,
            sequenced=kind.sequenced,
            framing_bytes=self._framing_bytes,
            answers=answers,
        )
