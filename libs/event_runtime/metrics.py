"""Every metric of the runtime: names, units, labels.

Labels are bounded and never hold ids; every series exists from the start, at zero.
"""

import platform
from collections.abc import Iterable
from importlib import metadata
from itertools import product
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

_Metric = TypeVar("_Metric", Counter, Gauge, Histogram)
_NAMESPACE = "customer_merge"
# What becomes of a record that was read; a command's own fate (merged, rejected, …) is counted by `outcomes_total`.
RECORD_OUTCOMES = ("done", "duplicate", "retried", "quarantined")
# 5-reliability: how a fault is treated.
FAULT_CLASSES = ("retry", "reconnect", "pause", "retry_once", "message", "bug")
QUARANTINE_CLASSES = ("UNDECODABLE", "UNKNOWN_SCHEMA", "TOO_LARGE", "REFUSED", "KILLED_PROCESS", "OTHER")
RELAY_RESTARTS = ("abortable", "fatal", "fenced", "timeout", "database")
# Seconds. A batch is due in milliseconds and must end before the transaction limit of 10 s.
_BATCH_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# Seconds. 0.025 and 0.08 are the goals at the median and at p99; 30 is the objective of 6-operations.
_DELAY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.08, 0.15, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_SIZE_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class RuntimeMetrics:
    """The metrics of one service, in a registry of its own.

    `topics` are the real names it reads, `published_topics` those it writes, `outcomes` what may become of a unit of
    its work (`merged`, `rejected`, …), `request_statuses` those of requests that stay open, `systems` the downstream
    systems that must acknowledge; each makes a label value.
    """

    def __init__(
        self,
        service: str,
        *,
        topics: Iterable[str] = (),
        published_topics: Iterable[str] = (),
        streams: int = 0,
        outcomes: Iterable[str] = (),
        request_statuses: Iterable[str] = (),
        systems: Iterable[str] = (),
        registry: CollectorRegistry | None = None,
    ) -> None:
        self.registry = registry or CollectorRegistry()
        read, written, stream_names = tuple(topics), tuple(published_topics), tuple(str(n) for n in range(streams))
        self._make_pipeline_metrics(read)
        self._make_relay_metrics(written, stream_names)
        self.outcomes_total = self._counter(
            "outcomes", "Units of work by what became of them.", outcome=tuple(outcomes)
        )
        self._make_request_metrics(tuple(request_statuses), tuple(systems))
        self.loop_failures_total = self._counter("loop_failures", "Faults that made a loop start over.")
        self._build_info(service)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def _make_pipeline_metrics(self, topics: tuple[str, ...]) -> None:
        self.records_total = self._counter(
            "records", "Records read, by what became of them.", topic=topics, outcome=RECORD_OUTCOMES
        )
        self.batch_seconds = self._histogram("batch_seconds", "Time of a batch, poll to commit.", _BATCH_BUCKETS_S)
        self.batch_records = self._histogram("batch_records", "Records in a batch.", _SIZE_BUCKETS)
        self.record_delay_seconds = self._histogram(
            "record_delay_seconds",
            "From a record's timestamp to the commit of its batch.",
            _DELAY_BUCKETS_S,
            topic=topics,
        )
        self.retries_total = self._counter(
            "retries", "Transactions tried again, by class of fault.", fault=FAULT_CLASSES
        )
        self.oldest_lag_seconds = self._gauge(
            "oldest_lag_seconds", "Age of the oldest record not yet done.", topic=topics
        )
        self.lag_records = self._gauge("lag_records", "Records not yet done.", topic=topics)
        self.breaker_open = self._gauge("breaker_open", "1 while the breaker has stopped the pipeline.")
        self.quarantined_total = self._counter("quarantined", "Records put into quarantine.", reason=QUARANTINE_CLASSES)
        self.quarantine_held_records = self._gauge("quarantine_held_records", "Records that wait in quarantine.")

    def _make_relay_metrics(self, topics: tuple[str, ...], streams: tuple[str, ...]) -> None:
        self.relay_rows_total = self._counter("relay_rows", "Outbox rows published.", topic=topics)
        self.relay_delay_seconds = self._histogram(
            "relay_delay_seconds",
            "From the insert of a transaction's oldest outbox row to its publication.",
            _DELAY_BUCKETS_S,
            topic=topics,
        )
        self.relay_backlog_rows = self._gauge("relay_backlog_rows", "Outbox rows not yet published.", stream=streams)
        self.relay_oldest_unpublished_seconds = self._gauge(
            "relay_oldest_unpublished_seconds", "Age of the oldest outbox row not yet published.", stream=streams
        )
        self.relay_gap = self._gauge("relay_gap", "1 when a stream's numbers are not contiguous.", stream=streams)
        self.relay_fork = self._gauge(
            "relay_fork", "1 when Kafka and the database disagree about a stream.", stream=streams
        )
        self.relay_halted = self._gauge("relay_halted", "1 while the relay refuses to go on.")
        self.relay_leader = self._gauge("relay_leader", "1 while this process holds the relay's lease.")
        self.relay_restarts_total = self._counter("relay_restarts", "Producers discarded.", why=RELAY_RESTARTS)

    def _make_request_metrics(self, statuses: tuple[str, ...], systems: tuple[str, ...]) -> None:
        self.requests = self._gauge("requests", "Requests that are kept, by status.", status=statuses)
        self.oldest_request_seconds = self._gauge("oldest_request_seconds", "Age of the oldest request not yet ended.")
        self.relink_overdue_merges = self._gauge(
            "relink_overdue_merges", "Merges that a system should have acknowledged by now.", system=systems
        )
        self.large_rows_moved_total = self._counter("large_rows_moved", "Rows of large merges moved in chunks.")
        self.large_moving_merges = self._gauge("large_moving_merges", "Large merges whose rows still move.")
        self.large_stuck_merges = self._gauge("large_stuck_merges", "Of these, those that cannot go on by themselves.")
        self.large_oldest_seconds = self._gauge("large_oldest_seconds", "Age of the oldest merge that still moves.")
        self.erasures_undecided = self._gauge("erasures_undecided", "Erasures that a person has to decide about.")
        self.reconciled_rows_total = self._counter("reconciled_rows", "Rows moved from retired ids later.")
        self.capped_keys_total = self._counter(
            "capped_keys", "Blocking keys of looked-up customers that too many share: they found nothing."
        )
        self.outdated_records = self._gauge("outdated_records", "Indexed records that an older normaliser read.")

    def _build_info(self, service: str) -> None:
        info = Gauge(
            "build_info", "Always 1.", ("service", "version", "python"), namespace=_NAMESPACE, registry=self.registry
        )
        info.labels(service, metadata.version("customer-merge"), platform.python_version()).set(1)

    def _counter(self, name: str, text: str, **labels: tuple[str, ...]) -> Counter:
        # prometheus_client appends _total.
        return _zeroed(Counter(name, text, tuple(labels), namespace=_NAMESPACE, registry=self.registry), labels)

    def _gauge(self, name: str, text: str, **labels: tuple[str, ...]) -> Gauge:
        return _zeroed(Gauge(name, text, tuple(labels), namespace=_NAMESPACE, registry=self.registry), labels)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], **labels: tuple[str, ...]) -> Histogram:
        made = Histogram(name, text, tuple(labels), namespace=_NAMESPACE, registry=self.registry, buckets=buckets)
        return _zeroed(made, labels)


def _zeroed(metric: _Metric, labels: dict[str, tuple[str, ...]]) -> _Metric:
    # A series that appears with its first event has no rate before it: ratios and alerts would see nothing.
    if labels:
        for values in product(*labels.values()):
            metric.labels(*values)
    return metric
