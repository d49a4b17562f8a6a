"""Which outcomes end the commands that `submit --wait` waits for."""

from datetime import UTC, datetime
from typing import Any

import pytest

import customer_events as wire
from event_runtime.records import MessageKey
from merge_worker.adapters.command_client import AwaitedOutcomes
from merge_worker.application import event_ids

KEY = MessageKey("shop", "c1")
MINE, OTHER = b"mine", b"other"
NOOP = wire.MergeNoop(tenant_id="shop", command_id="c1", reason=wire.NoopReason.SAME_IDENTITY, canonical_id="a")


def rejected(rule: str) -> wire.MergeRejected:
    error = wire.RuleError(rule=rule, side=wire.Side.SYSTEM, message="no", remediation="none", permanent=True)
    return wire.MergeRejected(
        tenant_id="shop",
        command_id="c1",
        stage=wire.Stage.VALIDATION,
        errors=(error,),
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )


REUSED = rejected("IDEMPOTENCY_KEY_REUSED")
TERMINAL_ID = event_ids.terminal_id(*KEY)


def conflict(digest: bytes) -> str:
    return event_ids.conflict_id(*KEY, digest)


def test_the_refusal_of_somebody_elses_content_is_not_the_commands_end() -> None:
    awaited = AwaitedOutcomes([(KEY, MINE)])
    assert not awaited.ends(REUSED, conflict(OTHER))
    assert awaited.missing == {KEY}
    assert awaited.ends(NOOP, TERMINAL_ID)
    assert awaited.missing == set()


def test_the_refusal_of_ones_own_content_is_its_end() -> None:
    awaited = AwaitedOutcomes([(KEY, MINE)])
    assert awaited.ends(REUSED, conflict(MINE))
    assert awaited.missing == set()
    assert not awaited.ends(NOOP, TERMINAL_ID)


@pytest.mark.parametrize("refusal_first", [False, True])
def test_two_contents_under_one_id_have_two_ends(*, refusal_first: bool) -> None:
    awaited = AwaitedOutcomes([(KEY, MINE), (KEY, OTHER)])
    ends: list[tuple[Any, str]] = [(NOOP, TERMINAL_ID), (REUSED, conflict(OTHER))]
    for outcome, event_id in reversed(ends) if refusal_first else ends:
        assert awaited.missing == {KEY}
        assert awaited.ends(outcome, event_id)
        assert not awaited.ends(outcome, event_id)
    assert awaited.missing == set()


def test_the_same_command_twice_has_one_end_and_other_commands_count_for_nothing() -> None:
    awaited = AwaitedOutcomes([(KEY, MINE), (KEY, MINE)])
    assert not awaited.ends(NOOP.model_copy(update={"command_id": "c2"}), TERMINAL_ID)
    assert awaited.ends(rejected("LEGAL_HOLD"), TERMINAL_ID)
    assert awaited.missing == set()
