"""Bytes that are no event, on every topic that anything reads: one quarantined record a reader, and all goes on."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

import customer_events as wire
from rig.fixtures import Spawn
from rig.merge_world import REST_LIMIT_S, TENANT, MergeWorld
from rig.processes import eventually, service_env
from rig.topics import create

PACKAGES = ("merge_worker", "dedupe_detector", "review_desk", "customer_merge_demo.store", "customer_merge_demo.crm")
READ_BY = {
    "merge": ("merge-command", "relink-ack", "customer-created"),
    "detector": ("customer-created", "customer-merged", "merge-command"),
    "review": ("merge-candidate", "merge-outcome", "customer-merged"),
    "crm": ("customer-merged",),
}
NO_EVENT = b"\xc3\x01 these bytes are no event"


@pytest.fixture
def world(migrated: Callable[..., str], kafka: str, topic_prefix: str, spawn: Spawn) -> Iterator[MergeWorld]:
    create(kafka, {topic_prefix + name: 1 for name in wire.TOPICS if name != "customer-merged"})
    create(kafka, {topic_prefix + "customer-merged": wire.DEFAULT_STREAMS})
    world = MergeWorld(database_url=migrated(*PACKAGES), bootstrap=kafka, prefix=topic_prefix, spawn=spawn)
    yield world
    world.engine.dispose()


def test_bytes_that_are_no_event_on_every_topic_are_quarantined_once_by_each_reader_and_stop_nothing(
    world: MergeWorld,
) -> None:
    _start_everything(world)
    for topic in sorted({topic for topics in READ_BY.values() for topic in topics}):
        world.produce_bytes(topic, [(NO_EVENT, {})], partition=0)

    held = {(schema, world.prefix + topic): 1 for schema, topics in READ_BY.items() for topic in topics}
    eventually(lambda: len(_held(world)) >= len(held), REST_LIMIT_S)
    world.customers("a", "b")
    world.produce(_merge_b_into_a())
    completed = "SELECT 1 FROM merge.inbox WHERE message_id = 'go-on' AND outcome_type = 'MergeCompleted'"
    eventually(lambda: world.sql(completed), REST_LIMIT_S)
    eventually(lambda: world.sql("SELECT 1 FROM merge.relink_ledger WHERE system = 'crm'"), REST_LIMIT_S)
    assert _held(world) == held
    told = "SELECT count(*) AS n FROM {}.outbox WHERE event_type = 'QuarantinedRecord'"
    assert {schema: world.sql(told.format(schema))[0].n for schema in READ_BY} == {
        schema: len(topics) for schema, topics in READ_BY.items()
    }


def _start_everything(world: MergeWorld) -> None:
    settings = {"database": world.database_url, "bootstrap": world.bootstrap, "topic_prefix": world.prefix}
    world.worker()
    world.spawn(["dedupe-detector", "run"], service_env("DEDUPE_DETECTOR", **settings))
    world.spawn(["review-desk", "run"], service_env("REVIEW_DESK", **settings))
    world.spawn(["python", "-m", "customer_merge_demo.relinker", "crm"], service_env("RELINKER", **settings))


def _held(world: MergeWorld) -> dict[tuple[str, str], int]:
    return {
        (schema, row.topic): row.n
        for schema in READ_BY
        for row in world.sql(
            f"SELECT topic, count(*) AS n FROM {schema}.quarantine WHERE state = 'HELD' GROUP BY topic"
        )
    }


def _merge_b_into_a() -> wire.MergeCustomers:
    return wire.MergeCustomers(
        tenant_id=TENANT,
        command_id="go-on",
        winner_id="a",
        loser_ids=("b",),
        requested_by=wire.Actor(id="ada", roles=("merge",)),
        approvals=(),
        reason="TEST",
        issued_at=datetime.now(UTC),
    )
