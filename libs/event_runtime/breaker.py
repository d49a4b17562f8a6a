"""Stops a pipeline whose records fail one after the other, before it drains the topic into quarantine."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from event_runtime.faults import Fault


class BreakerOpen(Fault):
    """Too many records go into quarantine; something is wrong with more than the records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """How many records may go into quarantine: in a row, and as a share of the last `window` records."""

    in_a_row: int = 20
    share: float = 0.05
    window: int = 1_000


@dataclass(slots=True, kw_only=True)
class Breaker:
    """The recent past of one pipeline."""

    policy: BreakerPolicy
    row: int = 0
    recent: deque[bool] = field(default_factory=deque)
    failed: int = 0

    def check(self, quarantined: Iterable[bool]) -> None:
        """Ask before records are committed, in order, True for one that goes into quarantine. Raises BreakerOpen."""
        row, failed = self.row, self.failed
        for one in quarantined:
            row = row + 1 if one else 0
            failed += one
            if row > self.policy.in_a_row:
                raise BreakerOpen(f"more than {self.policy.in_a_row} records in a row would go into quarantine")
            if failed > self.policy.share * self.policy.window:
                share, window = self.policy.share, self.policy.window
                raise BreakerOpen(f"more than {share:.0%} of the last {window} records would go into quarantine")

    def add(self, quarantined: Iterable[bool]) -> None:
        """Count records that are committed."""
        for one in quarantined:
            self.row = self.row + 1 if one else 0
            self.failed += one
            self.recent.append(one)
            if len(self.recent) > self.policy.window:
                self.failed -= self.recent.popleft()
