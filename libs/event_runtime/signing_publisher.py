"""Drafts that go out signed: the outbox keeps the signature with the other headers."""

from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import BaseModel

from event_runtime.drafts import Draft
from event_runtime.publisher import Encoder, PublishedType, Publisher
from event_runtime.records import MessageKey
from event_runtime.signatures import SIGNATURE_HEADER, SignedRecord, Signer


class SigningPublisher(Publisher):
    """A publisher whose events are signed; for events without a place in a stream, whose bytes are final."""

    def __init__(
        self,
        codec: Encoder,
        catalogue: Mapping[str, PublishedType],
        source: str,
        topics: Mapping[str, str] | None = None,
        *,
        signer: Signer,
    ) -> None:
        super().__init__(codec, catalogue, source, topics)
        self._signer = signer

    def draft(self, event: BaseModel, *, event_id: str | None = None, answers: MessageKey | None = None) -> Draft:
        """The signed draft of an event."""
        draft = super().draft(event, event_id=event_id, answers=answers)
        if not isinstance(draft.body, bytes):
            raise TypeError(f"{draft.event_type} has no bytes to sign")
        record = SignedRecord(tenant_id=draft.tenant_id, event_id=draft.event_id, body=draft.body)
        signature = self._signer.sign(record, datetime.now(UTC))  # has no character that JSON would escape
        return draft._replace(headers=f'{draft.headers[:-1]}, "{SIGNATURE_HEADER}": "{signature}"}}')
