"""A case: two identities that may be one person, and how it stands with the decision about them.

OPEN waits for a person. WAITING waits for a command in flight that touches one of its identities. HALF_APPROVED
waits for the approval of another person. APPROVED has its own command in flight. DONE was merged, REJECTED are two
people, WITHDRAWN no longer stands by the detector's word, CLOSED has nothing left to decide (the members became one
identity by another way).

Every change of state is a function from a case to a case; nothing here reads a clock or a database.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from customer_events import MergeCandidateFound, MergeCandidateWithdrawn, WithdrawalReason
from customer_identity.approval import EvidenceItem, Grade
from customer_identity.merging.approvers import TWO_PEOPLE_REQUIRED

# A command that is refused because an identity or a record moved meanwhile is made again from fresh facts.
# Each time needs another merge or update of the same people in between, so more than a few means that
# something is odd.
MAXIMUM_ATTEMPTS: Final = 5


class CaseState(StrEnum):
    """Where a case stands."""

    OPEN = "OPEN"
    WAITING = "WAITING"
    HALF_APPROVED = "HALF_APPROVED"
    APPROVED = "APPROVED"
    DONE = "DONE"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    CLOSED = "CLOSED"


UNDECIDED: Final = (CaseState.OPEN, CaseState.WAITING, CaseState.HALF_APPROVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonApproval:
    """A person's yes, and what they decided with it. `seen_members` are the customers they had before them.

    Above a threshold of the plan another person must agree (`second_by`), who has seen all of them, too.
    """

    by: str
    roles: tuple[str, ...]
    at: datetime
    reason: str
    seen_members: frozenset[str]
    winner_id: str | None = None
    field_choices: tuple[tuple[str, str], ...] = ()
    row_choices: tuple[tuple[str, tuple[str, ...]], ...] = ()
    facilitator_id: str | None = None
    waived_rules: tuple[str, ...] = ()
    wait_until_eligible: bool = False
    not_before: datetime | None = None
    second_by: str | None = None
    second_at: datetime | None = None

    @property
    def decided(self) -> tuple[object, ...]:
        """All that the person decided beside the yes."""
        return (
            self.winner_id,
            self.field_choices,
            self.row_choices,
            self.facilitator_id,
            self.waived_rules,
            self.wait_until_eligible,
            self.not_before,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One candidate of the detector, and what became of it. `case_no` is 0 until it was stored."""

    tenant_id: str
    candidate_id: str
    case_no: int = 0
    revision: int
    pair: tuple[str, str]
    members: tuple[tuple[str, int], ...]
    score: float
    grade: Grade
    evidence: tuple[EvidenceItem, ...]
    model_version: str
    suggested_winner_id: str | None
    suggested_why: str | None
    safe_to_automate: bool
    blocked_because: tuple[str, ...]
    detected_at: datetime
    state: CaseState = CaseState.OPEN
    why: tuple[str, ...] = ()
    attempts: int = 0
    command_id: str | None = None
    merge_id: str | None = None
    approval: PersonApproval | None = None
    automatic: bool = True
    denied: bool = False

    @property
    def member_ids(self) -> tuple[str, ...]:
        """The members' ids, the compared pair included."""
        return tuple(dict.fromkeys((*(customer_id for customer_id, _ in self.members), *self.pair)))


def opened(found: MergeCandidateFound) -> Case:
    """A new case."""
    return Case(
        tenant_id=found.tenant_id,
        candidate_id=found.candidate_id,
        revision=found.revision,
        pair=(found.pair.a, found.pair.b),
        members=tuple((member.customer_id, member.version) for member in found.members),
        score=found.score,
        grade=Grade(found.grade),
        evidence=tuple(EvidenceItem(field=item.field, level=item.level, weight=item.weight) for item in found.evidence),
        model_version=found.model_version,
        suggested_winner_id=found.suggested_winner_id,
        suggested_why=found.suggested_why,
        safe_to_automate=found.safe_to_automate,
        blocked_because=found.blocked_because,
        detected_at=found.detected_at,
    )


def revised(held: Case, found: MergeCandidateFound) -> Case | None:
    """The case with the candidate's newer revision; None when the revision held is as new.

    A decided case keeps its decision, but evidence that changed after a rejection or a withdrawal opens it
    again, for a person: what somebody once denied is never approved by the policy.
    """
    if found.revision <= held.revision:
        return None
    fresh = opened(found)
    reopened = held.state in {CaseState.REJECTED, CaseState.WITHDRAWN}
    return replace(
        fresh,
        case_no=held.case_no,
        state=CaseState.OPEN if reopened else held.state,
        why=() if reopened else held.why,
        attempts=held.attempts if held.state is CaseState.APPROVED else 0,
        command_id=held.command_id,
        merge_id=held.merge_id,
        approval=None if reopened else held.approval,
        automatic=True if reopened else held.automatic,
        denied=held.denied,
    )


def withdrawn(held: Case, event: MergeCandidateWithdrawn) -> Case | None:
    """The case after the detector took its candidate back; None when a newer revision is held.

    A command in flight is not called back: its outcome decides.
    """
    if event.revision < held.revision:
        return None
    if held.state not in UNDECIDED:
        return replace(held, revision=event.revision)
    merged = event.reason is WithdrawalReason.ALREADY_MERGED
    return replace(
        held,
        revision=event.revision,
        state=CaseState.CLOSED if merged else CaseState.WITHDRAWN,
        why=(str(event.reason),),
        approval=None,
    )


def in_flight(case: Case, command_id: str, why: tuple[str, ...]) -> Case:
    """Approved; its command is on its way."""
    return replace(case, state=CaseState.APPROVED, command_id=command_id, attempts=case.attempts + 1, why=why)


def waiting(case: Case, why: str) -> Case:
    """Waits for somebody else's command."""
    return replace(case, state=CaseState.WAITING, why=(why,))


def half_approved(case: Case, approval: PersonApproval) -> Case:
    """Waits for the approval of somebody else."""
    why = f"{TWO_PEOPLE_REQUIRED}: approved by {approval.by}; another person has to approve it, too"
    return replace(case, state=CaseState.HALF_APPROVED, approval=approval, why=(why,))


def seconded(first: PersonApproval, second: PersonApproval) -> PersonApproval | None:
    """Both approvals as one; None when the second person decided something else along with it."""
    undecided = PersonApproval(by="", roles=(), at=second.at, reason="", seen_members=frozenset())
    if second.decided not in {first.decided, undecided.decided}:
        return None
    seen = first.seen_members & second.seen_members
    return replace(first, second_by=second.by, second_at=second.at, seen_members=seen)


def left_to_a_person(case: Case, why: tuple[str, ...]) -> Case:
    """Open, with the reasons; a person's earlier yes does not hold for what the case has become."""
    return replace(case, state=CaseState.OPEN, why=why, approval=None)


def handed_back(case: Case, why: tuple[str, ...], *, try_again: bool) -> Case:
    """Open after its command was refused.

    With `try_again` the same decision may be made again from fresh facts, as long as attempts are left;
    otherwise only a person can approve it now.
    """
    if try_again and case.attempts < MAXIMUM_ATTEMPTS:
        return replace(case, state=CaseState.OPEN, why=why)
    return replace(case, state=CaseState.OPEN, why=why, approval=None, automatic=False)


def closed(case: Case, why: str) -> Case:
    """Nothing is left to decide."""
    return replace(case, state=CaseState.CLOSED, why=(why,), approval=None)


def done(case: Case, merge_id: str) -> Case:
    """Merged by its own command."""
    return replace(case, state=CaseState.DONE, merge_id=merge_id, why=(), approval=None)


def denied(case: Case, why: str) -> Case:
    """Two people, by a person's word."""
    return replace(case, state=CaseState.REJECTED, why=(why,), approval=None, automatic=False, denied=True)
