"""Before-images of merges that can no longer be undone are removed from the journal."""

from dataclasses import dataclass

from sqlalchemy import Engine, text

from event_runtime.logs import get_logger
from merge_engine import MergeEngine

_LIMITS = text("SELECT set_config('lock_timeout', '5s', true), set_config('statement_timeout', '10s', true)")
# What is left over then is the next sweep's: the loop shows that it lives.
_BATCHES = 100

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeImages:
    """The loop. Workers share the work: each passes over the merges that another one holds."""

    engine: Engine
    merge_engine: MergeEngine
    merges: int = 100
    lines: int = 1_000

    def work(self) -> int:
        """Purge what is due, a short transaction at a time; returns how many merges have no image left."""
        purged = 0
        for _ in range(_BATCHES):
            with self.engine.begin() as connection:
                connection.execute(_LIMITS)
                batch = self.merge_engine.purge_images(connection, merges=self.merges, lines=self.lines)
            purged += batch.done
            if not batch.looked_at:
                break
        if purged:
            _log.info("before_images_purged", merges=purged)
        return purged
