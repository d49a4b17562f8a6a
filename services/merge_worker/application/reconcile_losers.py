"""Rows that an application writes under a merged-away id are moved on to the winner."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, text

from event_runtime.logs import get_logger
from merge_engine import MergeEngine

# One sweep at a time; a sweeper that dies lets go with its connection.
_LEAD = text("SELECT pg_try_advisory_xact_lock(hashtext('customer-merge reconciler'))")

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileLosers:
    """The reconciler.

    `count` hears how many rows each pass moved: that grows while an application keeps writing old ids. A pass is one
    transaction, which moves as many rows as a transaction may; a sweep goes on until none are left, for so many passes.
    """

    engine: Engine
    merge_engine: MergeEngine
    count: Callable[[int], None]
    clock: Callable[[Connection], datetime]
    recent: timedelta = timedelta(hours=1)
    limit: int = 1_000
    passes: int = 100

    def work_recent(self) -> None:
        """Look after customers merged lately: that is when applications still hold their old ids."""
        self._sweep(recent_only=True)

    def work_all(self) -> None:
        """Look after every customer that was ever merged away."""
        self._sweep(recent_only=False)

    def _sweep(self, *, recent_only: bool) -> None:
        for _ in range(self.passes):
            if not self._pass(recent_only=recent_only):
                break

    def _pass(self, *, recent_only: bool) -> int:
        # Faults are raised: the caller comes again.
        with self.engine.begin() as connection:
            if not connection.execute(_LEAD).scalar_one():
                return 0
            since = self.clock(connection) - self.recent if recent_only else None
            moved = self.merge_engine.reconcile(connection, self.limit, merged_since=since)
        self.count(moved)
        if moved:
            _log.info("late_rows_moved", rows=moved)
        return moved
