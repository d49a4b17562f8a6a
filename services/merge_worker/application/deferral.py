"""When a merge command waits instead of ending, for how long, and when waiting is over.

Pure decisions on values: the clock is the database's and is handed in.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

CUSTOMER_NOT_FOUND = "CUSTOMER_NOT_FOUND"
LOCK_BUSY = "LOCK_BUSY"
TOO_LARGE = "TOO_LARGE"
NOT_BEFORE = "not_before"
AFTER_COMMAND = "after_command_id"


class Timed(Protocol):
    """What of a command decides when it may run."""

    @property
    def after_command_id(self) -> str | None:
        """The command that must have ended before."""
        ...

    @property
    def not_before(self) -> datetime | None:
        """When it may run at the earliest."""
        ...

    @property
    def deadline(self) -> datetime | None:
        """When it must have ended."""
        ...


class Failure(Protocol):
    """What of a failed rule decides whether it is worth another try."""

    @property
    def rule(self) -> str:
        """The rule's name."""
        ...

    @property
    def permanent(self) -> bool:
        """Whether time alone cannot mend it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeferralPolicy:
    """How long things may take to become true.

    A customer may be named before its own creation has arrived, so that is looked for again every
    `not_found_retry` for `not_found_limit`. Temporary business states last hours: `wait_retry`.
    Nothing waits longer than `limit` past its own `not_before`: every command ends.
    """

    not_found_limit: timedelta = timedelta(seconds=60)
    not_found_retry: timedelta = timedelta(seconds=2)
    wait_retry: timedelta = timedelta(minutes=5)
    lock_retry: timedelta = timedelta(seconds=5)
    limit: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Try again at `until`, or earlier when what it waits for has happened."""

    until: datetime
    waiting_for: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """Waiting is over: the command is refused with this rule."""

    rule: str
    field: str | None
    message: str
    remediation: str


def gate(
    command: Timed, *, ended: Collection[str], first_seen: datetime, now: datetime, policy: DeferralPolicy
) -> Wait | Overdue | None:
    """Return why a command may not run now; None when it may.

    `ended` holds the ids of those commands named in `after_command_id` that have ended.
    """
    overdue = _overdue(command, first_seen, now, policy)
    if overdue is not None:
        return overdue
    if command.not_before is not None and command.not_before > now:
        return _wait(command, command.not_before, (NOT_BEFORE,))
    if command.after_command_id is not None and command.after_command_id not in ended:
        return _wait(command, now + policy.wait_retry, (AFTER_COMMAND,))
    return None


def wait_after_refusal(
    command: Timed,
    failures: Sequence[Failure],
    *,
    may_wait: bool,
    first_seen: datetime,
    now: datetime,
    policy: DeferralPolicy,
) -> Wait | None:
    """Return until when a refused command waits; None when the refusal is final.

    `may_wait` is the command's `on_ineligible: WAIT`. A customer not found yet is waited for in any
    case, as events of different topics overtake each other; any other permanent failure is final.
    """
    rules = tuple(dict.fromkeys(failure.rule for failure in failures))
    missing = CUSTOMER_NOT_FOUND in rules
    others = [failure for failure in failures if failure.rule != CUSTOMER_NOT_FOUND]
    if missing and now - first_seen >= policy.not_found_limit:
        return None
    if any(failure.permanent or not may_wait for failure in others):
        return None
    retry = policy.not_found_retry if missing else policy.wait_retry
    return _wait(command, now + retry, rules) if rules else None


def wait_after_trouble(command: Timed, rule: str, *, now: datetime, policy: DeferralPolicy) -> Wait:
    """Return until when a command waits whose customers stayed locked by others, or that took too long."""
    return _wait(command, now + policy.lock_retry, (rule,))


def _overdue(command: Timed, first_seen: datetime, now: datetime, policy: DeferralPolicy) -> Overdue | None:
    if command.deadline is not None and command.deadline <= now:
        return Overdue(
            rule="DEADLINE_PASSED",
            field="deadline",
            message="the command could not be carried out before its deadline",
            remediation="Send a new command with a later deadline.",
        )
    begin = max(first_seen, command.not_before) if command.not_before is not None else first_seen
    if now - begin >= policy.limit:
        return Overdue(
            rule="DEFERRAL_EXPIRED",
            field=None,
            message=f"the command waited for more than {policy.limit.days} days",
            remediation="Remove what it waited for and send a new command.",
        )
    return None


def _wait(command: Timed, until: datetime, waiting_for: tuple[str, ...]) -> Wait:
    if command.deadline is not None:
        until = min(until, command.deadline)
    return Wait(until=until, waiting_for=waiting_for)
