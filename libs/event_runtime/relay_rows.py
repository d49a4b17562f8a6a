"""The outbox as the relay reads it: rows in order, and its mark of what is published."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from event_runtime.columns import longs
from event_runtime.database import driver_of
from event_runtime.faults import Fault
from event_runtime.identifiers import quoted

# Of one stream at a time: keeps a run of large events from filling the memory.
_MAX_STREAM_BYTES = 4_000_000


class RelayHalted(Fault):
    """The relay must not go on before a person has looked at `stream`."""

    def __init__(self, message: str, stream: int) -> None:
        super().__init__(message)
        self.stream = stream


class OutboxGap(RelayHalted):
    """The positions of an outbox stream are not contiguous: rows are missing."""


class OutboxFork(RelayHalted):
    """The bus and the database tell different histories of an outbox stream."""


class Progress(NamedTuple):
    """How far a stream is published: the position of its last row, and that row's chained digest."""

    position: int
    digest: bytes


class OutboxRow(NamedTuple):
    """A row to be published; `headers` is a JSON object of strings."""

    stream: int
    position: int
    topic: str
    partition: int | None
    key: bytes | None
    headers: str
    body: bytes | None
    digest: bytes
    created_at: datetime


class OutboxReader:
    """Reads and marks the outbox of one schema."""

    def __init__(self, schema: str) -> None:
        name = quoted(schema)
        self._rows = _ROWS.format(schema=name)
        self._marks = text(f"SELECT stream, position, digest FROM {name}.outbox_published ORDER BY stream")
        self._digest_at = text(f"SELECT digest FROM {name}.outbox WHERE stream = :stream AND position = :position")
        self._mark = text(_MARK.format(schema=name))
        self._prune = text(_PRUNE.format(schema=name))
        self._backlog = text(_BACKLOG.format(schema=name))
        self._identity = text(f"SELECT current_database() AS database, id FROM {name}.outbox_identity")

    def identity(self, connection: Connection) -> str:
        """What tells this outbox from every other one that publishes to the same bus."""
        row = connection.execute(self._identity).one()
        return f"{row.database}-{row.id}"

    def marks(self, connection: Connection) -> dict[int, Progress]:
        """The mark of every stream of the outbox."""
        return {row.stream: Progress(row.position, row.digest) for row in connection.execute(self._marks)}

    def digest_at(self, connection: Connection, stream: int, position: int) -> bytes | None:
        """The digest of a row, None when there is no such row (any more)."""
        asked = {"stream": stream, "position": position}
        digest: bytes | None = connection.execute(self._digest_at, asked).scalar_one_or_none()
        return digest

    def after(self, connection: Connection, progress: Mapping[int, Progress], limit: int) -> list[OutboxRow]:
        """Up to `limit` rows of each stream behind its progress, in order of stream and position.

        Raises:
            OutboxGap: a position is missing. A later row is never visible before an earlier one, so this is loss.
        """
        asked = {
            "streams": longs(list(progress)),
            "positions": longs([behind.position for behind in progress.values()]),
            "limit": limit,
            "max_bytes": _MAX_STREAM_BYTES,
        }
        # the driver's own cursor, because it can answer in binary: as text every byte would be spelled in hex
        with driver_of(connection).cursor(binary=True) as cursor:
            rows = [OutboxRow._make(row) for row in cursor.execute(self._rows, asked)]
        expected = {stream: behind.position + 1 for stream, behind in progress.items()}
        for row in rows:
            if row.position != expected[row.stream]:
                before = expected[row.stream] - 1
                raise OutboxGap(f"stream {row.stream}: position {row.position} follows {before}", row.stream)
            expected[row.stream] += 1
        return rows

    def mark(self, connection: Connection, progress: Mapping[int, Progress]) -> None:
        """Note what is published. A mark never moves back."""
        asked = {
            "streams": list(progress),
            "positions": [behind.position for behind in progress.values()],
            "digests": [behind.digest for behind in progress.values()],
        }
        connection.execute(self._mark, asked)

    def prune(self, connection: Connection, streams: Collection[int], *, keep_s: float, limit: int) -> int:
        """Delete up to `limit` published rows older than `keep_s`; returns how many."""
        asked = {"streams": list(streams), "keep_s": keep_s, "limit": limit}
        return connection.execute(self._prune, asked).rowcount

    def backlog(self, connection: Connection) -> list[tuple[int, int, float]]:
        """For each stream, how many rows are behind its mark, and the age in seconds of the first of them."""
        return [(row.stream, row.behind, row.oldest_s) for row in connection.execute(self._backlog)]


_ROWS = """
SELECT o.stream, o.position, o.topic, o.partition, o.key, o.headers, o.body, o.digest, o.created_at
FROM unnest(%(streams)s::bigint[], %(positions)s::bigint[]) AS behind (stream, position)
CROSS JOIN LATERAL (
  SELECT next.*,
    sum(COALESCE(octet_length(body), 0)) OVER (ORDER BY position) - COALESCE(octet_length(body), 0) AS before
  FROM (
    SELECT * FROM {schema}.outbox AS row
    WHERE row.stream = behind.stream AND row.position > behind.position
    ORDER BY row.position LIMIT %(limit)s
  ) AS next
) AS o
WHERE o.before < %(max_bytes)s
ORDER BY o.stream, o.position
"""

_MARK = """
UPDATE {schema}.outbox_published AS mark
SET position = new.position, digest = new.digest, published_at = clock_timestamp()
FROM unnest(CAST(:streams AS integer[]), CAST(:positions AS bigint[]), CAST(:digests AS bytea[]))
  AS new (stream, position, digest)
WHERE mark.stream = new.stream AND mark.position < new.position
"""

# The published row itself stays: its digest is what the bus is compared with.
_PRUNE = """
DELETE FROM {schema}.outbox AS row
USING (
  SELECT o.stream, o.position FROM {schema}.outbox AS o
  JOIN {schema}.outbox_published AS mark ON mark.stream = o.stream AND o.position < mark.position
  WHERE o.stream = ANY(CAST(:streams AS integer[])) AND o.created_at < now() - make_interval(secs => :keep_s)
  ORDER BY o.stream, o.position LIMIT :limit
) AS old
WHERE row.stream = old.stream AND row.position = old.position
"""

_BACKLOG = """
SELECT head.stream, head.position - mark.position AS behind,
       COALESCE(CAST(EXTRACT(epoch FROM clock_timestamp() - next.created_at) AS double precision), 0) AS oldest_s
FROM {schema}.outbox_heads AS head
JOIN {schema}.outbox_published AS mark USING (stream)
LEFT JOIN {schema}.outbox AS next ON next.stream = mark.stream AND next.position = mark.position + 1
"""
