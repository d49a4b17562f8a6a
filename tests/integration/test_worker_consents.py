"""Consents of a channel that contradict each other, from the command on Kafka to the event and back by an undo."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest

import customer_events as wire
from rig.merge_world import TENANT, MergeWorld, merge

# Of whom, for which channel, what was said, on what evidence, in which year.
STATEMENTS = (
    ("w", "email", True, "web form", 2025),
    ("l1", "email", False, "unsubscribe link", 2024),
    ("w", "sms", False, None, 2024),
    ("l1", "sms", True, "signed form", 2025),
    ("l2", "sms", True, None, 2026),
    ("w", "phone", False, "call 17", 2024),
    ("l2", "phone", True, None, 2025),
    ("l1", "post", True, "till", 2023),
    ("l2", "post", True, "letter", 2024),
    ("w", "push", True, "app", 2025),
    ("l1", "chat", False, None, 2025),
)
UNDISPUTED = {"push": True, "chat": False}
DECIDED: Mapping[str, Mapping[str, tuple[str, str | None]]] = {
    "most_restrictive, column: granted": {
        "email": ("DENIED", "unsubscribe link"),
        "sms": ("DENIED", None),
        "phone": ("DENIED", "call 17"),
    },
    "latest_evidence, column: recorded_at": {
        "email": ("GRANTED", "web form"),
        "sms": ("GRANTED", "signed form"),
        "phone": ("DENIED", "call 17"),
    },
}


def _say(world: MergeWorld) -> None:
    for customer_id, channel, granted, evidence, year in STATEMENTS:
        world.sql(
            "INSERT INTO store.consents (tenant_id, customer_id, channel, granted, evidence, recorded_at)"
            " VALUES (:tenant, :id, :channel, :granted, :evidence, :at)",
            tenant=TENANT,
            id=customer_id,
            channel=channel,
            granted=granted,
            evidence=evidence,
            at=datetime(year, 3, 1, tzinfo=UTC),
        )


def _rows(world: MergeWorld) -> list[str]:
    return [row.line for row in world.sql("SELECT to_jsonb(c)::text AS line FROM store.consents c ORDER BY 1")]


def _of(world: MergeWorld, customer_id: str) -> dict[str, tuple[bool, str | None]]:
    found = world.sql(
        "SELECT channel, granted, evidence FROM store.consents WHERE tenant_id = :tenant AND customer_id = :id",
        tenant=TENANT,
        id=customer_id,
    )
    return {row.channel: (row.granted, row.evidence) for row in found}


@pytest.mark.parametrize("policy", DECIDED)
def test_each_channel_is_decided_told_with_its_evidence_and_given_back_by_an_undo(
    world: MergeWorld, tmp_path: Path, policy: str
) -> None:
    text = (resources.files("merge_engine") / "plans" / "default.yaml").read_text(encoding="utf-8")
    plan = tmp_path / "plan.yaml"
    plan.write_text(text.replace("{policy: most_restrictive, column: granted}", f"{{policy: {policy}}}", 1))
    world.customers("w", "l1", "l2")
    _say(world)
    before = _rows(world)
    world.produce(merge("m", "w", "l1", "l2"))
    world.worker(PLAN=str(plan))
    merge_id = world.terminal("m").merge_id

    now = _of(world, "w")
    decided = DECIDED[policy]
    for channel, (result, evidence) in decided.items():
        assert now[channel] == (result == "GRANTED", evidence), channel
    assert now["post"][0] is True
    assert {channel: now[channel][0] for channel in UNDISPUTED} == UNDISPUTED
    assert len(now) == 6
    assert (_of(world, "l1"), _of(world, "l2")) == ({}, {})

    world.produce(
        wire.UnmergeCustomers(
            tenant_id=TENANT,
            command_id="u",
            merge_id=merge_id,
            requested_by=wire.Actor(id="ann", roles=("merge",)),
            reason="wrong person",
            issued_at=datetime(2026, 3, 2, tzinfo=UTC),
        )
    )
    assert isinstance(world.terminal("u"), wire.MergeCompleted)
    assert _rows(world) == before

    merged, undone = (one.event for one in world.promises().stream_events)
    told = {one.channel: (one.result, one.evidence) for one in merged.consent_decisions}
    assert {channel: told[channel] for channel in decided} == decided
    assert told["post"][0] == "GRANTED"
    assert not told.keys() & UNDISPUTED.keys()
    (moved,) = [one for one in merged.moved if one.table == "store.consents"]
    assert moved.collisions == 5  # of nine statements on four channels in dispute
    assert undone.conflicts == ()
