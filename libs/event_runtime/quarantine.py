"""Records that could not be processed, held for a person to look at.

A record is put here in the transaction that moves the position past it, together with an event that says so. What it
holds is kept only under the quarantine key; without a key the table knows where the record was read and nothing of its
content.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from pydantic import BaseModel
from sqlalchemy import Connection, Row, text

from event_runtime.drafts import Draft
from event_runtime.faults import Fault
from event_runtime.identifiers import quoted
from event_runtime.publisher import Publisher
from event_runtime.records import Record
from event_runtime.sealing import Cipher, opened_record, sealed_content

KILLED_PROCESS = "KILLED_PROCESS"
DATA_REFUSED = "DATA_REFUSED"
HANDLER_FAULT = "HANDLER_FAULT"

# An event must fit into one record of the bus (1 MB by default); the table holds larger bodies.
_MAX_EVENT_BODY_BYTES = 600_000


class NotInQuarantine(Fault):
    """There is no such record in quarantine, or it is not held any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedFacts:
    """What the event about a quarantined record says.

    `digest` is the SHA-256 of the record's value in hex; `body` is sealed, and empty without a key or when it is too
    large for an event. `tenant_id` is None when the record could not be decoded.
    """

    tenant_id: str | None
    topic: str
    partition: int
    offset: int
    class_: str
    reason: str
    digest: str
    body: bytes
    attempts: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRecord:
    """A record in quarantine, as an operator sees it. `kept` tells whether its content is there to be replayed."""

    id: int
    topic: str
    partition: int
    offset: int
    class_: str
    reason: str
    digest: str
    attempts: int
    state: str
    kept: bool
    quarantined_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcer:
    """Makes the event about a quarantined record: the service's own event model, drafted by its publisher."""

    publisher: Publisher
    event: Callable[[QuarantinedFacts], BaseModel]


class Quarantine:
    """The quarantine of one database schema. Without `announce` no events are made."""

    def __init__(self, schema: str, cipher: Cipher | None = None, announce: Announcer | None = None) -> None:
        self._schema = quoted(schema)
        self._cipher = cipher
        self._announce = announce

    def put(
        self,
        connection: Connection,
        cluster: str,
        record: Record,
        *,
        class_: str,
        reason: str,
        attempts: int = 1,
        tenant_id: str | None = None,
    ) -> list[Draft]:
        """Hold a record; returns the event about it. A record is held once, and told of once."""
        place = f"{cluster}/{record.topic}/{record.partition}/{record.offset}"
        event_id = str(uuid5(NAMESPACE_URL, f"quarantine:{place}"))
        digest = hashlib.sha256(record.value or b"").digest()
        sealed = sealed_content(self._cipher, record)
        inserted = connection.execute(
            text(_PUT.format(schema=self._schema)),
            {
                "cluster": cluster,
                "topic": record.topic,
                "partition": record.partition,
                "offset": record.offset,
                "class": class_,
                "reason": reason,
                "digest": digest,
                "sealed": sealed,
                "attempts": attempts,
                "event_id": event_id,
            },
        )
        if inserted.rowcount == 0 or self._announce is None:
            return []
        facts = QuarantinedFacts(
            tenant_id=tenant_id,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            class_=class_,
            reason=reason,
            digest=digest.hex(),
            body=sealed if sealed is not None and len(sealed) <= _MAX_EVENT_BODY_BYTES else b"",
            attempts=attempts,
            at=datetime.now(UTC),
        )
        return [self._announce.publisher.draft(self._announce.event(facts), event_id=event_id)]

    def list(self, connection: Connection, *, state: str | None = None, limit: int = 100) -> list[HeldRecord]:
        """The oldest records first; of one state (HELD, ASKED, REPLAYED, DISCARDED) or of all."""
        rows = connection.execute(text(_LIST.format(schema=self._schema)), {"state": state, "limit": limit})
        return [_held(row) for row in rows]

    def show(self, connection: Connection, held_id: int) -> HeldRecord:
        """One record. Raises NotInQuarantine."""
        row = connection.execute(text(_SHOW.format(schema=self._schema)), {"id": held_id}).one_or_none()
        if row is None:
            raise NotInQuarantine(f"there is no quarantined record {held_id}")
        return _held(row)

    def held(self, connection: Connection) -> int:
        """How many records wait for somebody."""
        return int(connection.execute(text(_COUNT.format(schema=self._schema))).scalar_one())

    def ask_replay(self, connection: Connection, held_id: int, *, by: str) -> None:
        """Let the running service process the record again. Raises NotInQuarantine."""
        if not self.show(connection, held_id).kept:
            raise NotInQuarantine(f"the content of record {held_id} was not kept: no quarantine key was configured")
        self._resolve(connection, held_id, "ASKED", by)

    def discard(self, connection: Connection, held_id: int, *, by: str) -> None:
        """Give the record up; the row stays, with who did it and when. Raises NotInQuarantine."""
        self._resolve(connection, held_id, "DISCARDED", by)

    def unknown_schema(self, connection: Connection, topics: Iterable[str]) -> Iterator[tuple[int, bytes]]:
        """Held records whose schema was not known when they came: id and value."""
        rows = connection.execute(text(_UNKNOWN_SCHEMA.format(schema=self._schema)), {"topics": list(topics)})
        for row in rows:
            record = opened_record(self._cipher, row)
            if record is not None and record.value is not None:
                yield row.id, record.value

    def pick(self, connection: Connection, topics: Iterable[str]) -> tuple[int, Record | None] | None:
        """Take up one record of these topics that is to be replayed: it is held again until `replayed`.

        So a record that kills the process is not picked again by itself. None for a content that cannot be opened.
        """
        row = connection.execute(text(_PICK.format(schema=self._schema)), {"topics": list(topics)}).one_or_none()
        return None if row is None else (row.id, opened_record(self._cipher, row))

    def lock_held(self, connection: Connection, held_id: int) -> bool:
        """Lock a record for the transaction that processes it; False when it is not held any more."""
        asked = text(_LOCK_HELD.format(schema=self._schema))
        return connection.execute(asked, {"id": held_id}).one_or_none() is not None

    def ask_again(self, connection: Connection, held_id: int) -> None:
        """Leave a record that was picked to the next process."""
        connection.execute(text(_ASK_AGAIN.format(schema=self._schema)), {"id": held_id})

    def replayed(self, connection: Connection, held_id: int) -> None:
        """Note that the record was processed, in the transaction that did it."""
        connection.execute(text(_REPLAYED.format(schema=self._schema)), {"id": held_id})

    def back(self, connection: Connection, held_id: int, *, reason: str) -> None:
        """Hold a record again that could not be replayed."""
        connection.execute(text(_BACK.format(schema=self._schema)), {"id": held_id, "reason": reason})

    def _resolve(self, connection: Connection, held_id: int, state: str, by: str) -> None:
        changed = connection.execute(
            text(_RESOLVE.format(schema=self._schema)), {"id": held_id, "state": state, "by": by}
        )
        if changed.rowcount == 0:
            raise NotInQuarantine(f"there is no quarantined record {held_id} that is still held")


def label_of(class_: str) -> str:
    """The label under which metrics count a class of quarantined records."""
    if class_ in {"UNKNOWN_SCHEMA", "TOO_LARGE", KILLED_PROCESS}:
        return class_
    return {DATA_REFUSED: "REFUSED", HANDLER_FAULT: "OTHER"}.get(class_, "UNDECODABLE")


def _held(row: Row[Any]) -> HeldRecord:
    return HeldRecord(
        id=row.id,
        topic=row.topic,
        partition=row.partition,
        offset=row.record_offset,
        class_=row.class_,
        reason=row.reason,
        digest=row.digest.hex(),
        attempts=row.attempts,
        state=row.state,
        kept=row.kept,
        quarantined_at=row.quarantined_at,
        resolved_at=row.resolved_at,
        resolved_by=row.resolved_by,
    )


_PUT = """
INSERT INTO {schema}.quarantine
  (cluster, topic, partition, record_offset, class, reason, digest, sealed, attempts, event_id)
VALUES (:cluster, :topic, :partition, :offset, :class, :reason, :digest, :sealed, :attempts, :event_id)
ON CONFLICT (cluster, topic, partition, record_offset) DO NOTHING
"""

_SHOWN = """
SELECT id, topic, partition, record_offset, class AS class_, reason, digest, attempts, state,
       sealed IS NOT NULL AS kept, quarantined_at, resolved_at, resolved_by
FROM {schema}.quarantine
"""

_LIST = f"{_SHOWN} WHERE state = COALESCE(CAST(:state AS text), state) ORDER BY id LIMIT :limit"

_SHOW = f"{_SHOWN} WHERE id = :id"

_COUNT = "SELECT count(*) FROM {schema}.quarantine WHERE state = 'HELD'"

_RESOLVE = """
UPDATE {schema}.quarantine SET state = :state, resolved_at = clock_timestamp(), resolved_by = :by
WHERE id = :id AND state IN ('HELD', 'ASKED')
"""

_REPLAYED = "UPDATE {schema}.quarantine SET state = 'REPLAYED', resolved_at = clock_timestamp() WHERE id = :id"

_BACK = """
UPDATE {schema}.quarantine
SET state = 'HELD', reason = :reason, resolved_at = NULL, resolved_by = NULL
WHERE id = :id
"""

_PICK = """
UPDATE {schema}.quarantine
SET state = 'HELD', attempts = attempts + 1, reason = 'the process ended while the record was being replayed'
WHERE id = (
  SELECT id FROM {schema}.quarantine WHERE state = 'ASKED' AND topic = ANY(CAST(:topics AS text[]))
  ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING id, topic, partition, record_offset, sealed
"""

_LOCK_HELD = "SELECT 1 FROM {schema}.quarantine WHERE id = :id AND state = 'HELD' FOR UPDATE"

_ASK_AGAIN = "UPDATE {schema}.quarantine SET state = 'ASKED' WHERE id = :id AND state = 'HELD'"

# Those never tried: `resolved_by` stays with a record whose replay did not come to an end.
_UNKNOWN_SCHEMA = """
SELECT id, topic, partition, record_offset, sealed FROM {schema}.quarantine
WHERE state = 'HELD' AND class = 'UNKNOWN_SCHEMA' AND resolved_by IS NULL
  AND topic = ANY(CAST(:topics AS text[])) ORDER BY id LIMIT 100
"""
