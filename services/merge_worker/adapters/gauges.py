"""Metrics that are read from the database: what waits, what is large, who is late."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from event_runtime.metrics import RuntimeMetrics
from merge_engine import LargeMerges
from merge_worker.adapters.clock import database_time
from merge_worker.adapters.erasures import Erasures
from merge_worker.adapters.relink_ledger import RelinkLedger
from merge_worker.adapters.requests import Requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """Sets the gauges of the worker. `systems` are those that must acknowledge every merge."""

    engine: Engine
    metrics: RuntimeMetrics
    large: LargeMerges
    requests: Requests
    ledger: RelinkLedger
    erasures: Erasures
    systems: Sequence[str]

    def measure(self) -> None:
        """Read everything in one transaction and set the gauges to it."""
        metrics = self.metrics
        with self.engine.connect() as connection:
            for status, count in self.requests.counts(connection).items():
                metrics.requests.labels(status).set(count)
            metrics.oldest_request_seconds.set(self.requests.oldest_seconds(connection))
            overdue = {one.system: one.overdue for one in self.ledger.summary(connection)}
            moving = self.large.still_moving(connection)
            now = database_time(connection)
            metrics.erasures_undecided.set(self.erasures.undecided(connection))
        metrics.large_moving_merges.set(len(moving))
        metrics.large_stuck_merges.set(sum(one.problem is not None for one in moving))
        age_s = max(((now - one.started_at).total_seconds() for one in moving), default=0.0)
        metrics.large_oldest_seconds.set(age_s)
        for system in self.systems:
            metrics.relink_overdue_merges.labels(system).set(overdue.get(system, 0))
