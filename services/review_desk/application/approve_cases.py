"""A person approves or rejects cases. What they saw when they decided is kept with the decision."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from customer_events import Actor
from customer_identity.merging import RuleFailure
from event_runtime.drafts import Draft
from event_runtime.publisher import Publisher
from merge_engine import MergeEngine
from review_desk import cases as life
from review_desk.adapters.command_table import SentCommand
from review_desk.adapters.decision_log import DecisionKind, DecisionMade
from review_desk.adapters.desk_control import database_time, lock_tenants
from review_desk.adapters.identity_table import Identities
from review_desk.adapters.tables import DeskTables
from review_desk.application.decide_cases import ALREADY_MERGED, DecideCases
from review_desk.cases import Case, CaseState, PersonApproval
from review_desk.merge_commands import MERGE_ROLE, as_order, by_person, keep_apart
from review_desk.objections import Objection, no_person, objection, same_again

# Roles contain each other: recommend < merge < protected-data < admin.
MAY_MERGE = frozenset({MERGE_ROLE, "protected-data", "admin"})


class Verdict(StrEnum):
    """What a person said about a case."""

    APPROVE = "APPROVE"
    REJECT = "REJECT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a person decides along with an approval.

    `fields` are (field, customer id whose value to take), `rows` (table, ids of the rows that are kept). With
    `not_before` the merge runs then, or with the first schedule after it.
    """

    reason: str
    winner_id: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[str, tuple[str, ...]], ...] = ()
    facilitator_id: str | None = None
    waived_rules: tuple[str, ...] = ()
    wait_until_eligible: bool = False
    not_before: datetime | None = None

    @property
    def may_fail_now(self) -> bool:
        """Whether rules that pass with time may fail at this moment."""
        return self.wait_until_eligible or self.not_before is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """A case after a person's decision; `refused` says why nothing was done, `failures` which rules are against it."""

    case: Case
    refused: str | None = None
    failures: tuple[RuleFailure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What came of it, a result for each case in the order given, and the commands to publish."""

    results: tuple[CaseResult, ...]
    drafts: tuple[Draft, ...]


def may_merge(actor: Actor) -> bool:
    """Whether the actor claims a role that may merge; others may only recommend."""
    return bool(MAY_MERGE & set(actor.roles))


class DecideByPerson:
    """Approves and rejects, under the same lock and by the same path as the policy."""

    def __init__(self, *, tables: DeskTables, merges: MergeEngine, decide: DecideCases, publisher: Publisher) -> None:
        """Works on `tables`, previews with `merges`, and lets `decide` send what is approved."""
        self._tables = tables
        self._merges = merges
        self._decide = decide
        self._publisher = publisher

    def approve(self, connection: Connection, actor: Actor, cases: Sequence[Case], choices: Choices) -> Decided:
        """Approve cases of one tenant; one whose identity is busy waits, one that fails a rule is refused.

        Above a threshold of the plan a case waits for another person, who approves the same.

        Cases approved together were seen together: who joins an identity by one of them is no surprise to the others.
        """
        tenant_id, held, identities = self._locked(connection, cases)
        seen = frozenset(identities.canonical) | frozenset(identities.canonical.values())
        seen |= {customer_id for case in held for customer_id in case.member_ids}
        approval = _approval(actor, choices, seen, database_time(connection))
        refused: dict[str, CaseResult] = {}
        approved: list[Case] = []
        for case in held:
            result = self._approved(connection, case, approval, identities)
            if isinstance(result, CaseResult):
                refused[case.candidate_id] = result
                continue
            approved.append(result)
            self._log(connection, case, DecisionKind.APPROVED, actor, choices.reason)
        drafts = self._decide(connection, tenant_id, approved)
        after = self._tables.cases.by_candidates(connection, tenant_id, [case.candidate_id for case in held])
        results = (refused.get(case.candidate_id) or CaseResult(case=after[case.candidate_id]) for case in held)
        return Decided(results=tuple(results), drafts=tuple(drafts))

    def reject(self, connection: Connection, actor: Actor, cases: Sequence[Case], reason: str) -> Decided:
        """Call the pairs of cases of one tenant different people, for good: the worker and the detector are told."""
        tenant_id, held, identities = self._locked(connection, cases)
        drafts: list[Draft] = []
        results: list[CaseResult] = []
        for case in held:
            if refusal := _not_to_reject(case, actor, identities):
                results.append(CaseResult(case=case, refused=refusal))
                continue
            command = keep_apart(case, case.pair, actor, reason)
            sent = SentCommand(
                tenant_id=tenant_id,
                command_id=command.command_id,
                command_type="MarkNotDuplicate",
                candidate_id=case.candidate_id,
                customer_ids=case.pair,
                actor=actor.id,
                content=command.model_dump_json(),
            )
            self._tables.commands.send(connection, [sent])
            rejected = replace(life.denied(case, f"rejected by {actor.id}"), command_id=command.command_id)
            self._tables.cases.save(connection, [rejected])
            self._log(connection, rejected, DecisionKind.REJECTED, actor, reason)
            drafts.append(self._publisher.draft(command))
            results.append(CaseResult(case=rejected))
        return Decided(results=tuple(results), drafts=tuple(drafts))

    def _locked(self, connection: Connection, cases: Sequence[Case]) -> tuple[str, list[Case], Identities]:
        (tenant_id,) = {case.tenant_id for case in cases}
        lock_tenants(connection, [tenant_id])
        fresh = self._tables.cases.by_candidates(connection, tenant_id, [case.candidate_id for case in cases])
        held = [fresh[case.candidate_id] for case in cases]
        members = sorted({customer_id for case in held for customer_id in case.member_ids})
        return tenant_id, held, self._decide.fresh_identities(connection, tenant_id, members)

    def _approved(
        self, connection: Connection, case: Case, approval: PersonApproval, identities: Identities
    ) -> Case | CaseResult:
        """The case with the approval, or why it cannot be approved as asked."""
        if not MAY_MERGE & set(approval.roles):
            return CaseResult(case=case, refused="needs the role merge; without it a merge can only be recommended")
        if case.state not in life.UNDECIDED:
            return CaseResult(case=case, refused=f"is {case.state} already")
        alone = no_person(approval.by)
        if case.state is CaseState.HALF_APPROVED and case.approval is not None:
            alone = same_again(case.approval.by, approval.by)
            # Who decides something else has to be agreed with in turn.
            approval = (None if alone else life.seconded(case.approval, approval)) or approval
        roots = sorted({identities.root(customer_id) for customer_id in case.pair})
        winner = None if approval.winner_id is None else identities.root(approval.winner_id)
        if winner is not None and winner not in roots:
            return CaseResult(case=case, refused=f"{approval.winner_id} is no member of this case")
        whole = replace(case, state=CaseState.OPEN, approval=approval)
        if len(roots) == 1:
            return whole  # closed as already merged by the decision itself
        command = by_person(case, roots, winner, approval, approval.at)
        failures = self._merges.preview(connection, as_order(command)).failures
        later = approval.wait_until_eligible or approval.not_before is not None
        match objection(failures, may_fail_now=later):
            case Objection.NONE:
                return whole
            case Objection.SECOND_PERSON:
                return CaseResult(case=case, refused=alone) if alone else life.half_approved(case, approval)
            case Objection.RULES:
                return CaseResult(case=case, refused="rules stand against it", failures=failures)

    def _log(self, connection: Connection, case: Case, kind: DecisionKind, actor: Actor, reason: str) -> None:
        made = DecisionMade(
            decision=kind,
            decided_by=actor.id,
            roles=actor.roles,
            reason=reason,
            tenant_id=case.tenant_id,
            candidate_id=case.candidate_id,
            revision=case.revision,
            command_id=case.command_id if kind is DecisionKind.REJECTED else None,
            detail={"members": list(case.member_ids), "score": case.score, "model": case.model_version},
        )
        self._tables.decisions.add(connection, [made])


def _approval(actor: Actor, choices: Choices, seen: frozenset[str], now: datetime) -> PersonApproval:
    return PersonApproval(
        by=actor.id,
        roles=actor.roles,
        at=now,
        reason=choices.reason,
        seen_members=seen,
        winner_id=choices.winner_id,
        field_choices=choices.fields,
        row_choices=choices.rows,
        facilitator_id=choices.facilitator_id,
        waived_rules=choices.waived_rules,
        wait_until_eligible=choices.wait_until_eligible,
        not_before=choices.not_before,
    )


def _not_to_reject(case: Case, actor: Actor, identities: Identities) -> str | None:
    if not may_merge(actor):
        return "needs the role merge"
    if case.state is CaseState.APPROVED:
        return "has a command in flight; wait for its outcome, then unmerge"
    if case.state not in {*life.UNDECIDED, CaseState.WITHDRAWN}:
        return f"is {case.state} already"
    if identities.root(case.pair[0]) == identities.root(case.pair[1]):
        return f"is {ALREADY_MERGED}; unmerge it instead"
    return None
