"""Counts what became of commands, when it is true: at the commit of the transaction that did it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import Counter as Metric
from sqlalchemy import Connection, event

from event_runtime.outbox import Draft

# The event that tells of it → the label it is counted under.
LABELS = {
    "CustomerMerged": "merged",
    "CustomerUnmerged": "unmerged",
    "MergeRejected": "rejected",
    "MergeNoop": "noop",
    "MergeRemoved": "removed",
    "MergeDeferred": "deferred",
    "MergeRecommended": "recommended",
}
DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeCounter:
    """Adds to a metric with the label `outcome`. A transaction that is rolled back counts for nothing."""

    metric: Metric

    def __call__(self, connection: Connection, drafts: Sequence[Draft], known: int) -> None:
        """Note what the open transaction does: the drafts it will publish, and how many commands were known before."""
        counts = Counter(LABELS[draft.event_type] for draft in drafts if draft.event_type in LABELS)
        counts[DUPLICATE] += known

        def committed(_connection: Connection) -> None:
            for label, count in counts.items():
                self.metric.labels(label).inc(count)

        event.listen(connection, "commit", committed, once=True)
