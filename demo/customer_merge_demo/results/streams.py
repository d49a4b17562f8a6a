"""Witnesses a stream as a reader sees it: 1..n without gaps, each event naming the hash of the one before."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from customer_events import StreamEvent
from customer_events.base import NO_HASH


@dataclass(slots=True)
class StreamWitness:
    """Takes every event of every stream in the order read; faults are sentences."""

    last: dict[int, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    repeated: int = 0
    _hashes: dict[int, bytes] = field(default_factory=dict)

    def take(self, event: StreamEvent, payload: bytes) -> None:
        """Take the next event; `payload` is its Avro payload without framing, over which the chain is made."""
        number = event.sequence
        last = self.last.get(event.stream, 0)
        if number <= last:
            self.repeated += 1
            return
        if number != last + 1:
            self.faults.append(f"stream {event.stream} jumps from {last} to {number}")
        elif event.prev_hash != self._hashes.get(event.stream, NO_HASH):
            self.faults.append(f"stream {event.stream} number {number} does not name the hash of number {last}")
        self.last[event.stream] = number
        self._hashes[event.stream] = hashlib.sha256(payload).digest()

    @property
    def events(self) -> int:
        """How many different events were seen."""
        return sum(self.last.values())
