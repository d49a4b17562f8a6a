"""The inbox: which messages were accepted, and the terminal outcome each of them got.

A message is claimed in the transaction that acts on it, so it is acted on once however often it is delivered. The same
message again gets the same outcome again, with the same event id.
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from sqlalchemy import Connection

from event_runtime.columns import byteas, texts
from event_runtime.database import execute
from event_runtime.drafts import Draft
from event_runtime.identifiers import quoted
from event_runtime.records import MessageKey
from frozen_values import dataclass


class ClaimState(Enum):
    """What the inbox knew of a message."""

    NEW = "NEW"
    """Claimed now, by this transaction."""
    DUPLICATE = "DUPLICATE"
    """Claimed before, with the same content."""
    CONFLICT = "CONFLICT"
    """Claimed before, with other content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredOutcome:
    """The terminal event of a message, as it was published."""

    tenant_id: str
    event_id: str
    event_type: str
    topic: str
    key: bytes | None
    headers: str
    body: bytes | None

    def draft(self) -> Draft:
        """The same event once more: same id, same bytes."""
        return Draft(
            event_id=self.event_id,
            event_type=self.event_type,
            tenant_id=self.tenant_id,
            topic=self.topic,
            key=self.key,
            headers=self.headers,
            body=self.body,
        )

    def __repr__(self) -> str:
        return f"StoredOutcome({self.event_type}, {self.event_id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What became of claiming one message.

    `outcome` is None for a NEW message, and for one whose outcome is still to come: it is deferred, or it stands twice
    in one batch.
    """

    key: MessageKey
    state: ClaimState
    outcome: StoredOutcome | None = None


class Inbox:
    """The inbox of one database schema."""

    def __init__(self, schema: str) -> None:
        name = quoted(schema)
        self._insert = _INSERT.format(schema=name)
        self._known = _KNOWN.format(schema=name)

    def claim(self, connection: Connection, messages: Iterable[tuple[str, str, bytes]]) -> list[Claim]:
        """Claim messages, given as (tenant_id, message_id, digest of the content); answers in the same order.

        Waits for a transaction that is claiming the same message. When a message stands twice in `messages`, the first
        is NEW and the others are DUPLICATE (or CONFLICT) without an outcome.
        """
        asked = [(MessageKey(tenant_id, message_id), digest) for tenant_id, message_id, digest in messages]
        first: dict[MessageKey, bytes] = {}
        for key, digest in asked:
            first.setdefault(key, digest)
        new = self._claim_new(connection, first)
        known = self._look_up(connection, [key for key in first if key not in new])
        claims: list[Claim] = []
        for key, digest in asked:
            claims.append(_claim(key, digest, new, known, first[key]))
            new.discard(key)
        return claims

    def _claim_new(self, connection: Connection, messages: dict[MessageKey, bytes]) -> set[MessageKey]:
        if not messages:
            return set()
        rows = execute(
            connection,
            self._insert,
            {
                "tenants": texts([key.tenant_id for key in messages]),
                "messages": texts([key.message_id for key in messages]),
                "digests": byteas(list(messages.values())),
            },
        )
        return set(map(MessageKey._make, rows))

    def _look_up(self, connection: Connection, keys: Sequence[MessageKey]) -> dict[MessageKey, "_Known"]:
        if not keys:
            return {}
        # a statement of its own: its snapshot is after the wait for those who claimed the same
        rows = execute(
            connection,
            self._known,
            {"tenants": texts([key.tenant_id for key in keys]), "messages": texts([key.message_id for key in keys])},
        )
        known = map(_Known._make, rows)
        return {MessageKey(row.tenant_id, row.message_id): row for row in known}


def _claim(
    key: MessageKey,
    digest: bytes,
    new: set[MessageKey],
    known: "dict[MessageKey, _Known]",
    first_digest: bytes,
) -> Claim:
    if key in new:
        return Claim(key=key, state=ClaimState.NEW)
    row = known.get(key)
    if digest != (first_digest if row is None else row.digest):
        return Claim(key=key, state=ClaimState.CONFLICT)
    return Claim(key=key, state=ClaimState.DUPLICATE, outcome=None if row is None else _outcome(row))


def _outcome(row: "_Known") -> StoredOutcome | None:
    if row.outcome_id is None:
        return None
    return StoredOutcome(
        tenant_id=row.tenant_id,
        event_id=row.outcome_id,
        event_type=row.outcome_type,
        topic=row.outcome_topic,
        key=row.outcome_key,
        headers=row.outcome_headers,
        body=row.outcome_body,
    )


class _Known(NamedTuple):
    """A message of the inbox, with its outcome when it has one."""

    tenant_id: str
    message_id: str
    digest: bytes
    outcome_id: str | None
    outcome_type: str
    outcome_topic: str
    outcome_key: bytes | None
    outcome_headers: str
    outcome_body: bytes | None


# Sorted, so that two transactions that claim the same messages wait for each other in one order.
_INSERT = """
INSERT INTO {schema}.inbox (tenant_id, message_id, digest)
SELECT tenant_id, message_id, digest
FROM unnest(%(tenants)s::text[], %(messages)s::text[], %(digests)s::bytea[])
  AS asked (tenant_id, message_id, digest)
ORDER BY tenant_id, message_id
ON CONFLICT (tenant_id, message_id) DO NOTHING
RETURNING tenant_id, message_id
"""

_KNOWN = """
SELECT message.tenant_id, message.message_id, message.digest, message.outcome_id, message.outcome_type,
       message.outcome_topic, message.outcome_key, message.outcome_headers, message.outcome_body
FROM {schema}.inbox AS message
JOIN unnest(%(tenants)s::text[], %(messages)s::text[]) AS asked (tenant_id, message_id)
  USING (tenant_id, message_id)
"""
