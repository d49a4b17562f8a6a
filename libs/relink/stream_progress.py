"""Which events of each stream were seen.

Streams number their events 1..n without gaps, so one number per stream is enough while everything arrives
in order. A number that was skipped is kept as a gap: its event is still taken when it comes after all, and
until then the gap is there for an operator to see. Never does a late event count as seen.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from event_runtime.identifiers import quoted


@dataclass(slots=True)
class StreamState:
    """One stream: the highest number seen, and the ranges below it that were not (first → last)."""

    last: int = 0
    gaps: dict[int, int] = field(default_factory=dict)

    def take(self, sequence: int) -> bool:
        """Mark one number as seen; False if it was seen before."""
        if sequence > self.last:
            if sequence > self.last + 1:
                self.gaps[self.last + 1] = sequence - 1
            self.last = sequence
            return True
        for first, last in self.gaps.items():
            if first <= sequence <= last:
                self._split(first, last, sequence)
                return True
        return False

    def _split(self, first: int, last: int, sequence: int) -> None:
        del self.gaps[first]
        if first < sequence:
            self.gaps[first] = sequence - 1
        if sequence < last:
            self.gaps[sequence + 1] = last


class StreamProgress:
    """The states of the streams of one batch: locked, changed in memory, written back."""

    def __init__(self, schema: str) -> None:
        """For the tables that `relink_ddl_v1(schema)` made."""
        name = quoted(schema)
        self._make = text(
            f"INSERT INTO {name}.relink_streams (stream, last_sequence)"
            " SELECT stream, 0 FROM unnest(CAST(:streams AS integer[])) AS stream ON CONFLICT DO NOTHING"
        )
        self._lock = text(
            f"SELECT stream, last_sequence FROM {name}.relink_streams"
            " WHERE stream = ANY (CAST(:streams AS integer[])) ORDER BY stream FOR UPDATE"
        )
        self._gaps = text(
            f"SELECT stream, first_sequence, last_sequence FROM {name}.relink_gaps"
            " WHERE stream = ANY (CAST(:streams AS integer[])) ORDER BY stream, first_sequence"
        )
        self._save = text(
            f"UPDATE {name}.relink_streams SET last_sequence = :last, changed_at = clock_timestamp()"
            " WHERE stream = :stream"
        )
        self._forget_gap = text(f"DELETE FROM {name}.relink_gaps WHERE stream = :stream AND first_sequence = :first")
        self._keep_gap = text(
            f"INSERT INTO {name}.relink_gaps AS held (stream, first_sequence, last_sequence)"
            " VALUES (:stream, :first, :last) ON CONFLICT (stream, first_sequence)"
            " DO UPDATE SET last_sequence = excluded.last_sequence"
        )

    def load(self, connection: Connection, streams: Collection[int]) -> dict[int, StreamState]:
        """Lock the streams, lowest first, until the transaction ends."""
        asked = {"streams": sorted(streams)}
        connection.execute(self._make, asked)
        locked = connection.execute(self._lock, asked)
        states = {row.stream: StreamState(last=row.last_sequence) for row in locked}
        for row in connection.execute(self._gaps, asked):
            states[row.stream].gaps[row.first_sequence] = row.last_sequence
        return states

    def save(self, connection: Connection, before: dict[int, StreamState], after: dict[int, StreamState]) -> None:
        """Write what changed between two states of the same, locked streams."""
        for stream, state in after.items():
            held = before[stream]
            if state.last != held.last:
                connection.execute(self._save, {"stream": stream, "last": state.last})
            for first in held.gaps.keys() - state.gaps.keys():
                connection.execute(self._forget_gap, {"stream": stream, "first": first})
            for first, last in state.gaps.items():
                if held.gaps.get(first) != last:
                    connection.execute(self._keep_gap, {"stream": stream, "first": first, "last": last})
