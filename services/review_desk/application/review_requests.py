"""Many requests reviewed in one go: recommendations are approved, requests are taken off the list, or both at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection
from uuid_utils import uuid7

from customer_events import Actor, OnIneligible
from customer_identity.merging import RuleFailure
from event_runtime.drafts import Draft
from review_desk.adapters.decision_log import DecisionKind
from review_desk.adapters.desk_control import database_time, lock_tenants
from review_desk.adapters.merge_requests import MergeRequest, MergeRequestView
from review_desk.adapters.tables import DeskTables
from review_desk.application.approve_cases import may_merge
from review_desk.application.report_requests import ReportRequests
from review_desk.application.request_merges import RequestMerges
from review_desk.merge_commands import approved, seconded
from review_desk.objections import Objection, objection, same_again


class Action(StrEnum):
    """What is done with a request."""

    APPROVED = "approved"
    APPROVED_ONCE = "approved once"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for all requests of one review.

    `wait` lets the worker try until temporary failures pass, `not_before` lets it begin then.
    """

    reason: str
    waived_rules: tuple[str, ...] = ()
    wait: bool = False
    not_before: datetime | None = None

    @property
    def decided(self) -> bool:
        """Whether they say anything beside why."""
        return bool(self.waived_rules) or self.wait or self.not_before is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """A request and what was done with it; `refused` says why nothing was, `failures` which rules are against it."""

    request: MergeRequest
    action: Action | None = None
    command_id: str | None = None
    refused: str | None = None
    failures: tuple[RuleFailure, ...] = ()
    drafts: tuple[Draft, ...] = ()


class ReviewRequests:
    """Every command goes the way of a single one; one request that cannot be approved holds up no other."""

    def __init__(
        self, *, tables: DeskTables, view: MergeRequestView, report: ReportRequests, ask: RequestMerges
    ) -> None:
        """Reads `tables` and `view`, judges with `report` and sends with `ask`."""
        self._tables = tables
        self._view = view
        self._report = report
        self._ask = ask

    def approve(
        self, connection: Connection, actor: Actor, requests: Sequence[MergeRequest], terms: Terms
    ) -> list[Reviewed]:
        """Approve recommendations: each is merged, now or at its time, or waits for another person's approval."""
        if not may_merge(actor):
            return [Reviewed(request=one, refused="needs the role merge") for one in requests]
        held = self._locked(connection, requests)
        return [self._approve(connection, actor, one, terms) for one in held]

    def remove(
        self, connection: Connection, actor: Actor, requests: Sequence[MergeRequest], reason: str
    ) -> list[Reviewed]:
        """Take requests off the list. The worker holds who may only recommend to what they asked for themselves."""
        return [self._remove(connection, actor, one, reason) for one in self._locked(connection, requests)]

    def merge_and_remove(
        self, connection: Connection, actor: Actor, requests: Sequence[MergeRequest], terms: Terms
    ) -> list[Reviewed]:
        """Merge the recommendations that are eligible now, and take the others off the list: it is empty afterwards."""
        reviewed: list[Reviewed] = []
        for one in self.approve(connection, actor, requests, terms):
            if one.failures:
                removed = self._remove(connection, actor, one.request, terms.reason)
                reviewed.append(replace(removed, failures=one.failures))
            else:
                reviewed.append(one)
        return reviewed

    def eligible(self, connection: Connection, requests: Sequence[MergeRequest]) -> list[MergeRequest]:
        """Those that nothing stands against now but, perhaps, that so far no two people approved them."""
        judged = self._report.judged(connection, requests)
        return [
            one.request
            for one in judged
            if one.request.is_open and objection(one.failures, may_fail_now=False) is not Objection.RULES
        ]

    def _locked(self, connection: Connection, requests: Sequence[MergeRequest]) -> list[MergeRequest]:
        lock_tenants(connection, {one.tenant_id for one in requests})
        # Read once more: they may have changed before the lock was there.
        fresh = {one.request_id: one for one in self._view.named(connection, [one.request_id for one in requests])}
        return [fresh.get(one.request_id, one) for one in requests]

    def _approve(self, connection: Connection, actor: Actor, request: MergeRequest, terms: Terms) -> Reviewed:
        if request.status != "recommended":
            return Reviewed(request=request, refused=f"is {request.status} already")
        command = approved(
            request.command,
            str(uuid7()),
            actor,
            reason=terms.reason,
            waived_rules=terms.waived_rules,
            wait=terms.wait,
            not_before=terms.not_before,
            now=database_time(connection),
        )
        first = self._tables.first_approvals.of(connection, request.tenant_id, request.command_id)
        alone = None if first is None else same_again(first.requested_by.id, actor.id)
        if first is not None and alone is None:
            # Who decides something else has to be agreed with in turn.
            command = seconded(first, command, decided=terms.decided) or command
        later = command.on_ineligible is OnIneligible.WAIT or command.not_before is not None
        asked = self._ask.send(
            connection,
            command,
            DecisionKind.MERGE_ASKED,
            may_fail_now=later,
            recommendation_id=request.command_id,
            alone=alone,
        )
        return Reviewed(
            request=request,
            action=None if asked.refused else Action.APPROVED_ONCE if asked.awaits_second else Action.APPROVED,
            command_id=next(iter(asked.command_ids), None),
            refused=asked.refused,
            failures=asked.failures,
            drafts=asked.drafts,
        )

    def _remove(self, connection: Connection, actor: Actor, request: MergeRequest, reason: str) -> Reviewed:
        if not request.is_open:
            return Reviewed(request=request, refused=f"is {request.status} already")
        asked = self._ask.remove(connection, request.tenant_id, actor, [request.request_id], reason)
        return Reviewed(
            request=request, action=Action.REMOVED, command_id=next(iter(asked.command_ids), None), drafts=asked.drafts
        )
