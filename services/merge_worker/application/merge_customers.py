"""MergeCustomers: the central use case.

Commands that may not run yet wait; those of actors who may only recommend become recommendations;
the rest go to the engine together, and each of its results becomes exactly one outcome: done,
nothing to do, refused with every failing rule, or deferred.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from customer_events import MergeCustomers as MergeCommand
from customer_events import OnIneligible, RuleError, Stage
from customer_identity.merging import Deferred, Merged, MergeResult, Noop, Refused
from event_runtime.outbox import Draft
from frozen_values import dataclass
from merge_engine import MergeEngine
from merge_worker.adapters.commands import Command
from merge_worker.adapters.ended_commands import EndedCommands
from merge_worker.adapters.merge_orders import merge_order, rule_errors, unsound
from merge_worker.adapters.outcomes import Outcomes, overdue_error
from merge_worker.adapters.relink_ledger import RelinkLedger
from merge_worker.adapters.requests import Request, Requests
from merge_worker.application.authority import Role, highest_role
from merge_worker.application.deferral import (
    DeferralPolicy,
    Overdue,
    Wait,
    gate,
    wait_after_refusal,
    wait_after_trouble,
)
from merge_worker.application.recommend_merge import RecommendMerge
from merge_worker.application.waiting import Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of a merge command; `request` is what an earlier try left behind."""

    command: MergeCommand
    request: Request | None = None

    def first_seen(self, now: datetime) -> datetime:
        """When the worker first saw the command."""
        return now if self.request is None else self.request.created_at


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeCustomers:
    """The use case; everything happens in the caller's transaction."""

    engine: MergeEngine
    outcomes: Outcomes
    requests: Requests
    ledger: RelinkLedger
    ended: EndedCommands
    waiting: Waiting
    recommend: RecommendMerge
    policy: DeferralPolicy

    def __call__(self, connection: Connection, commands: Sequence[Command], now: datetime) -> list[Draft]:
        """Try commands for the first time."""
        attempts: list[Attempt] = []
        suggested: list[Command] = []
        for command in commands:
            if highest_role(command.roles) < Role.MERGE:
                suggested.append(command)  # without the role to merge one can only recommend
            elif type(command.event) is MergeCommand:
                attempts.append(Attempt(command=command.event))
        drafts = list(self.recommend(connection, suggested, now))
        drafts.extend(self.attempt(connection, attempts, now))
        return drafts

    def attempt(self, connection: Connection, attempts: Sequence[Attempt], now: datetime) -> list[Draft]:
        """Try commands, for the first time or again, and keep what became of each."""
        ended = self.ended.among(
            connection,
            [
                (attempt.command.tenant_id, attempt.command.after_command_id)
                for attempt in attempts
                if attempt.command.after_command_id is not None
            ],
        )
        drafts: list[Draft] = []
        ready: list[Attempt] = []
        for attempt in attempts:
            held = self._held_back(connection, attempt, ended, now)
            if held is None:
                ready.append(attempt)
            else:
                drafts.extend(held)
        orders = [merge_order(attempt.command, first_seen_at=attempt.first_seen(now)) for attempt in ready]
        results = self.engine.merge(connection, orders) if orders else []
        merged: list[Merged] = []
        for attempt, result in zip(ready, results, strict=True):
            drafts.extend(self._conclude(connection, attempt, result, now))
            if isinstance(result, Merged):
                merged.append(result)
        self.ledger.expect(connection, [ack for one in merged for ack in self.outcomes.required_acks(one)])
        return drafts

    def put_off(self, connection: Connection, commands: Sequence[Command], now: datetime, rule: str) -> list[Draft]:
        """Let commands wait whose customers stayed locked through every retry, or that took too long each time."""
        drafts: list[Draft] = []
        for command in commands:
            if isinstance(command.event, MergeCommand):
                drafts.extend(self.put_off_one(connection, Attempt(command=command.event), now, rule))
        return drafts

    def put_off_one(self, connection: Connection, attempt: Attempt, now: datetime, rule: str) -> list[Draft]:
        """The same for one try, which may not have been the first."""
        wait = wait_after_trouble(attempt.command, rule, now=now, policy=self.policy)
        return self.waiting.wait(connection, attempt.command, attempt.request, wait, now=now)

    def reject(
        self, connection: Connection, attempt: Attempt, stage: Stage, errors: Sequence[RuleError], now: datetime
    ) -> list[Draft]:
        """End a command as refused."""
        self.waiting.end(connection, attempt.request, "rejected", now)
        return [self.outcomes.rejected(Command.of(attempt.command), stage, errors, now)]

    def _held_back(
        self, connection: Connection, attempt: Attempt, ended: set[tuple[str, str]], now: datetime
    ) -> list[Draft] | None:
        command = attempt.command
        errors = unsound(command)
        if errors:
            return self.reject(connection, attempt, Stage.VALIDATION, errors, now)
        verdict = gate(
            command,
            ended={ended_id for tenant_id, ended_id in ended if tenant_id == command.tenant_id},
            first_seen=attempt.first_seen(now),
            now=now,
            policy=self.policy,
        )
        match verdict:
            case Wait():
                return self.waiting.wait(connection, command, attempt.request, verdict, now=now)
            case Overdue():
                return self.reject(connection, attempt, Stage.VALIDATION, [overdue_error(verdict)], now)
            case None:
                return None

    def _conclude(self, connection: Connection, attempt: Attempt, result: MergeResult, now: datetime) -> list[Draft]:
        command = attempt.command
        match result:
            case Merged():
                status = "running" if result.rows == "MOVING" else "merged"
                self.waiting.end(connection, attempt.request, status, now, merge_id=result.merge_id)
                return self.outcomes.merged(result)
            case Noop():
                # The customers are one identity, which is what the request asked for.
                self.waiting.end(connection, attempt.request, "merged", now)
                return [self.outcomes.noop(Command.of(command), result.reason.value, result.canonical_id)]
            case Deferred():
                return self._refused(connection, attempt, result, Stage.ELIGIBILITY, now)
            case Refused():
                return self._refused(connection, attempt, result, Stage(result.stage.value), now)

    def _refused(
        self, connection: Connection, attempt: Attempt, result: Refused | Deferred, stage: Stage, now: datetime
    ) -> list[Draft]:
        errors = rule_errors(result.errors)
        wait = wait_after_refusal(
            attempt.command,
            errors,
            may_wait=attempt.command.on_ineligible is OnIneligible.WAIT,
            first_seen=attempt.first_seen(now),
            now=now,
            policy=self.policy,
        )
        if wait is None:
            return self.reject(connection, attempt, stage, errors, now)
        ends = [failure.until for failure in result.errors if failure.until is not None]
        if ends:
            # A rule knows when the state is over (a blackout's last minute); the deadline still bounds it.
            wait = replace(wait, until=min(max(ends), attempt.command.deadline or max(ends)))
        return self.waiting.wait(connection, attempt.command, attempt.request, wait, now=now, errors=errors)
