"""Metrics: one catalogue, bounded labels, units in names, zero from the start."""

import pytest
from prometheus_client.metrics_core import Metric

from event_runtime.metrics import RuntimeMetrics

FORBIDDEN_LABELS = {"id", "tenant", "tenant_id", "customer_id", "command_id", "partition", "offset"}
UNITS = ("_seconds", "_records", "_rows", "_merges", "_bytes", "_info")
# Gauges of yes and no, and counts of the thing that the name names.
UNITLESS = {"breaker_open", "relay_gap", "relay_fork", "relay_halted", "relay_leader", "requests", "erasures_undecided"}


@pytest.fixture
def families() -> list[Metric]:
    metrics = RuntimeMetrics(
        "sample",
        topics=["in"],
        published_topics=["out"],
        streams=2,
        outcomes=["merged"],
        request_statuses=["deferred"],
        systems=["crm"],
    )
    return [family for family in metrics.registry.collect() if family.name.startswith("customer_merge_")]


def test_every_series_exists_at_zero_before_anything_happens(families: list[Metric]) -> None:
    for family in families:
        samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
        assert samples, f"{family.name} has no series"
        expected = 1.0 if family.name.endswith("_build_info") else 0.0
        assert {sample.value for sample in samples} == {expected}, family.name


def test_labels_are_bounded(families: list[Metric]) -> None:
    labels = {label for family in families for sample in family.samples for label in sample.labels}
    assert not labels & FORBIDDEN_LABELS


def test_names_end_in_their_units(families: list[Metric]) -> None:
    for family in families:
        name = family.name.removeprefix("customer_merge_")
        assert family.type == "counter" or name in UNITLESS or name.endswith(UNITS), name


def test_two_services_in_one_process_do_not_share_series() -> None:
    first, second = RuntimeMetrics("one", outcomes=["merged"]), RuntimeMetrics("two", outcomes=["merged"])
    first.outcomes_total.labels("merged").inc()
    assert second.registry.get_sample_value("customer_merge_outcomes_total", {"outcome": "merged"}) == 0.0
