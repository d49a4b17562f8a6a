from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from merge_worker.application.deferral import (
    DeferralPolicy,
    Overdue,
    Wait,
    gate,
    wait_after_refusal,
    wait_after_trouble,
)

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
POLICY = DeferralPolicy()


@dataclass(frozen=True)
class Asked:
    after_command_id: str | None = None
    not_before: datetime | None = None
    deadline: datetime | None = None


@dataclass(frozen=True)
class Failed:
    rule: str
    permanent: bool = False


def _gate(asked: Asked, *, ended: tuple[str, ...] = (), age: timedelta = timedelta()) -> Wait | Overdue | None:
    return gate(asked, ended=ended, first_seen=NOW - age, now=NOW, policy=POLICY)


def _refused(
    *failures: Failed, may_wait: bool = False, age: timedelta = timedelta(), asked: Asked | None = None
) -> Wait | None:
    return wait_after_refusal(
        asked or Asked(), failures, may_wait=may_wait, first_seen=NOW - age, now=NOW, policy=POLICY
    )


def test_a_command_without_conditions_runs_at_once() -> None:
    assert _gate(Asked()) is None


def test_a_command_waits_until_its_not_before() -> None:
    later = NOW + timedelta(hours=1)
    assert _gate(Asked(not_before=later)) == Wait(until=later, waiting_for=("not_before",))
    assert _gate(Asked(not_before=NOW)) is None


def test_a_command_waits_for_the_one_it_follows_and_only_for_that() -> None:
    wait = _gate(Asked(after_command_id="a"))
    assert isinstance(wait, Wait)
    assert wait.waiting_for == ("after_command_id",)
    assert _gate(Asked(after_command_id="a"), ended=("a",)) is None


def test_a_command_past_its_deadline_is_refused_and_no_wait_outlasts_the_deadline() -> None:
    passed = _gate(Asked(deadline=NOW))
    assert isinstance(passed, Overdue)
    assert passed.rule == "DEADLINE_PASSED"
    soon = NOW + timedelta(seconds=1)
    assert _gate(Asked(after_command_id="a", deadline=soon)) == Wait(until=soon, waiting_for=("after_command_id",))


def test_no_command_waits_for_ever() -> None:
    overdue = _gate(Asked(after_command_id="never"), age=timedelta(days=30))
    assert isinstance(overdue, Overdue)
    assert overdue.rule == "DEFERRAL_EXPIRED"


def test_a_distant_not_before_does_not_count_as_waiting() -> None:
    late = Asked(not_before=NOW - timedelta(days=1), after_command_id="a")
    assert isinstance(_gate(late, age=timedelta(days=60)), Wait)


def test_an_unknown_customer_is_waited_for_a_minute_even_when_the_command_does_not_ask_to_wait() -> None:
    missing = Failed("CUSTOMER_NOT_FOUND")
    assert _refused(missing, age=timedelta(seconds=59)) == Wait(
        until=NOW + timedelta(seconds=2), waiting_for=("CUSTOMER_NOT_FOUND",)
    )
    assert _refused(missing, age=timedelta(seconds=60)) is None


def test_an_unknown_customer_is_not_waited_for_when_another_rule_fails_for_good() -> None:
    assert _refused(Failed("CUSTOMER_NOT_FOUND"), Failed("LEGAL_HOLD", permanent=True), may_wait=True) is None


@pytest.mark.parametrize(
    ("may_wait", "permanent", "waits"),
    [(False, False, False), (False, True, False), (True, False, True), (True, True, False)],
)
def test_only_temporary_failures_of_a_command_that_may_wait_are_waited_for(
    may_wait: bool,  # noqa: FBT001 -- a table of cases
    permanent: bool,  # noqa: FBT001
    waits: bool,  # noqa: FBT001
) -> None:
    wait = _refused(Failed("OPEN_SALES_ORDERS", permanent=permanent), may_wait=may_wait)
    assert (wait is not None) is waits
    if wait is not None:
        assert wait.until == NOW + timedelta(minutes=5)


def test_busy_locks_are_tried_again_soon() -> None:
    assert wait_after_trouble(Asked(), "LOCK_BUSY", now=NOW, policy=POLICY) == Wait(
        until=NOW + timedelta(seconds=5), waiting_for=("LOCK_BUSY",)
    )
