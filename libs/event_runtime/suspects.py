"""Which partitions are read one record at a time because a record in them may be killing the process."""

from dataclasses import dataclass, field

from event_runtime.positions import Start
from event_runtime.records import Partition, Record

# A partition taken up this often at one and the same position is suspected, and a record is condemned that was tried
# alone before this many starts: one death may have any cause, and would cost an innocent record.
SUSPICIOUS_STARTS = 3


@dataclass(slots=True, kw_only=True)
class Suspects:
    """What the starts of this process's partitions say. `window` records are tried alone before a suspicion ends."""

    window: int
    watched: dict[Partition, int] = field(default_factory=dict)
    condemned: dict[Partition, tuple[int, int]] = field(default_factory=dict)  # → offset, starts

    def note(self, partition: Partition, start: Start) -> None:
        """Judge a partition by how it was taken up."""
        self.watched.pop(partition, None)
        self.condemned.pop(partition, None)
        if start.trying is not None and start.starts >= SUSPICIOUS_STARTS:
            self.condemned[partition] = (start.trying, start.starts)
        if start.trying is not None or start.starts >= SUSPICIOUS_STARTS:
            self.watched[partition] = self.window

    def condemns(self, record: Record) -> int | None:
        """How many starts the record cost if it is the one that was tried alone as the process died; else None."""
        offset, starts = self.condemned.get(record.source, (-1, 0))
        return starts if offset == record.offset else None

    def passed(self, record: Record) -> None:
        """The record is behind us."""
        self.condemned.pop(record.source, None)
        left = self.watched.get(record.source, 0) - 1
        if left > 0:
            self.watched[record.source] = left
        else:
            self.watched.pop(record.source, None)
