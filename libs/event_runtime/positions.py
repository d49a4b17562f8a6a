"""Where a group of consumers stands in each partition, kept in the database with the effects of what it has read.

Kafka's committed offsets follow and are only good for lag. A position belongs to one Kafka cluster: in another one, the
same offset is another record. Beside it, how often a partition was taken up without getting any further: that is how a
record is found that kills the process.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from event_runtime.columns import longs, texts
from event_runtime.database import execute
from event_runtime.identifiers import quoted
from event_runtime.records import Partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where to begin in a partition.

    `starts` counts how often it was taken up at this same position. `trying` is the offset of the record that was being
    tried alone when a process ended, and is at or behind the position; else None.
    """

    next_offset: int
    starts: int
    trying: int | None


class Positions:
    """The positions of one group of consumers in one database schema."""

    def __init__(self, schema: str, group: str) -> None:
        name = quoted(schema)
        self._group = group
        self._ensure = _ENSURE.format(schema=name)
        self._lock = _LOCK.format(schema=name)
        self._advance = _ADVANCE.format(schema=name)
        self._count_start = _COUNT_START.format(schema=name)
        self._read_starts = _READ_STARTS.format(schema=name)
        self._try = _TRY.format(schema=name)
        self._finish = _FINISH.format(schema=name)

    def start(
        self, connection: Connection, cluster: str, partitions: Collection[Partition], *, taken_up: bool
    ) -> dict[Partition, Start]:
        """Where to begin in each partition; offset 0 stands for the beginning. With `taken_up`, counts the start."""
        asked = self._parameters(cluster, partitions)
        execute(connection, self._ensure, asked)
        offsets = self.lock(connection, cluster, partitions)
        if taken_up:
            execute(connection, self._count_start, {**asked, **_column_of(offsets)})
        rows = execute(connection, self._read_starts, asked)
        counted = {Partition(topic, number): (starts, trying) for topic, number, starts, trying in rows}
        return {partition: _start(offset, *counted.get(partition, (0, None))) for partition, offset in offsets.items()}

    def lock(self, connection: Connection, cluster: str, partitions: Collection[Partition]) -> dict[Partition, int]:
        """Lock the positions in order and read the next offset of each; a partition without a position is left out.

        Held until the transaction ends, so two consumers that believe to own one partition act one after the other.
        """
        rows = execute(connection, self._lock, self._parameters(cluster, partitions))
        return {Partition(topic, number): next_offset for topic, number, next_offset in rows}

    def advance(self, connection: Connection, cluster: str, next_offsets: Mapping[Partition, int]) -> None:
        """Write the next offset of partitions whose positions are locked."""
        execute(connection, self._advance, {**self._parameters(cluster, next_offsets), **_column_of(next_offsets)})

    def try_alone(self, connection: Connection, cluster: str, partition: Partition, offset: int | None) -> None:
        """Note that the record at `offset` is about to be tried alone, or (None) that it did not kill the process."""
        execute(connection, self._try, {**self._parameters(cluster, [partition]), "offset": offset})

    def finish(self, connection: Connection, cluster: str, partitions: Collection[Partition]) -> None:
        """Note that the partitions are given up in an orderly way: this was no crash."""
        execute(connection, self._finish, self._parameters(cluster, partitions))

    def _parameters(self, cluster: str, partitions: Collection[Partition]) -> dict[str, object]:
        ordered = sorted(partitions)
        return {
            "consumer_group": self._group,
            "cluster": cluster,
            "topics": texts([partition.topic for partition in ordered]),
            "partitions": longs([partition.number for partition in ordered]),
        }


def _column_of(offsets: Mapping[Partition, int]) -> dict[str, object]:
    return {"offsets": longs([offsets[partition] for partition in sorted(offsets)])}


def _start(offset: int, starts: int, trying: int | None) -> Start:
    # a record tried alone whose offset lies before the position was finished after all
    return Start(next_offset=offset, starts=starts, trying=trying if trying is not None and trying >= offset else None)


_ASKED = "unnest(%(topics)s::text[], %(partitions)s::bigint[])"

_ENSURE = f"""
INSERT INTO {{schema}}.positions (consumer_group, cluster, topic, partition, next_offset)
SELECT %(consumer_group)s, %(cluster)s, topic, partition, 0 FROM {_ASKED} AS asked (topic, partition)
ORDER BY topic, partition
ON CONFLICT DO NOTHING
"""

_LOCK = f"""
SELECT topic, partition, next_offset FROM {{schema}}.positions
WHERE consumer_group = %(consumer_group)s AND cluster = %(cluster)s
  AND (topic, partition) IN (SELECT * FROM {_ASKED})
ORDER BY topic, partition
FOR UPDATE
"""

_ADVANCE = """
UPDATE {schema}.positions AS held SET next_offset = new.next_offset, updated_at = clock_timestamp()
FROM unnest(%(topics)s::text[], %(partitions)s::bigint[], %(offsets)s::bigint[])
  AS new (topic, partition, next_offset)
WHERE held.consumer_group = %(consumer_group)s AND held.cluster = %(cluster)s
  AND held.topic = new.topic AND held.partition = new.partition
"""

_COUNT_START = """
INSERT INTO {schema}.partition_starts AS counted (consumer_group, cluster, topic, partition, starts, at_offset)
SELECT %(consumer_group)s, %(cluster)s, topic, partition, 1, next_offset
FROM unnest(%(topics)s::text[], %(partitions)s::bigint[], %(offsets)s::bigint[])
  AS new (topic, partition, next_offset)
ORDER BY topic, partition
ON CONFLICT (consumer_group, cluster, topic, partition) DO UPDATE
SET starts = CASE WHEN counted.at_offset = EXCLUDED.at_offset THEN counted.starts + 1 ELSE 1 END,
    at_offset = EXCLUDED.at_offset, started_at = clock_timestamp()
"""

_READ_STARTS = f"""
SELECT topic, partition, starts, trying_offset FROM {{schema}}.partition_starts
WHERE consumer_group = %(consumer_group)s AND cluster = %(cluster)s
  AND (topic, partition) IN (SELECT * FROM {_ASKED})
"""

# From here on `starts` counts the starts since this very record was first tried alone.
_TRY = f"""
UPDATE {{schema}}.partition_starts
SET starts = CASE WHEN trying_offset IS DISTINCT FROM %(offset)s::bigint THEN 0 ELSE starts END,
    trying_offset = %(offset)s::bigint
WHERE consumer_group = %(consumer_group)s AND cluster = %(cluster)s
  AND (topic, partition) IN (SELECT * FROM {_ASKED})
"""

_FINISH = f"""
UPDATE {{schema}}.partition_starts SET starts = 0, trying_offset = NULL
WHERE consumer_group = %(consumer_group)s AND cluster = %(cluster)s
  AND (topic, partition) IN (SELECT * FROM {_ASKED})
"""
