"""What happens to a case, event by event."""

from dataclasses import replace
from datetime import UTC, datetime

from customer_events import (
    CandidatePair,
    Evidence,
    Grade,
    Member,
    MergeCandidateFound,
    MergeCandidateWithdrawn,
    WithdrawalReason,
)
from review_desk import cases as life
from review_desk.cases import CaseState, PersonApproval
from review_desk.merge_commands import command_id, rejection_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def found(revision: int = 1, *, score: float = 0.99) -> MergeCandidateFound:
    return MergeCandidateFound(
        tenant_id="t",
        candidate_id="a+b",
        revision=revision,
        members=(Member(customer_id="a", version=1), Member(customer_id="b", version=1)),
        pair=CandidatePair(a="a", b="b"),
        score=score,
        grade=Grade.CERTAIN,
        evidence=(Evidence(field="email", level="exact", weight=10.0),),
        model_version="m1",
        safe_to_automate=True,
        detected_at=NOW,
    )


def withdrawn(revision: int, reason: WithdrawalReason = WithdrawalReason.EVIDENCE_CHANGED) -> MergeCandidateWithdrawn:
    return MergeCandidateWithdrawn(tenant_id="t", candidate_id="a+b", revision=revision, reason=reason, at=NOW)


def approval() -> PersonApproval:
    return PersonApproval(by="eve", roles=("merge",), at=NOW, reason="same", seen_members=frozenset({"a", "b"}))


def test_the_same_or_an_older_revision_changes_nothing() -> None:
    case = life.opened(found(3))
    assert life.revised(case, found(3)) is None
    assert life.revised(case, found(2)) is None


def test_a_newer_revision_replaces_the_facts_and_keeps_a_command_in_flight() -> None:
    sent = life.in_flight(life.opened(found(1)), "command-1", ())
    revised = life.revised(sent, found(2, score=0.5))
    assert revised is not None
    assert (revised.state, revised.command_id, revised.attempts) == (CaseState.APPROVED, "command-1", 1)
    assert (revised.revision, revised.score) == (2, 0.5)


def test_new_evidence_reopens_a_rejected_case_for_a_person_who_sees_that_it_was_denied() -> None:
    rejected = life.denied(life.opened(found(1)), "rejected by eve")
    revised = life.revised(rejected, found(2))
    assert revised is not None
    assert (revised.state, revised.denied, revised.why) == (CaseState.OPEN, True, ())


def test_a_withdrawal_ends_an_undecided_case_and_a_replayed_candidate_does_not_open_it_again() -> None:
    case = life.withdrawn(life.opened(found(1)), withdrawn(2))
    assert case is not None
    assert case.state is CaseState.WITHDRAWN
    assert life.revised(case, found(1)) is None


def test_a_withdrawal_does_not_call_back_a_command_in_flight() -> None:
    sent = life.in_flight(life.opened(found(1)), "command-1", ())
    case = life.withdrawn(sent, withdrawn(2))
    assert case is not None
    assert case.state is CaseState.APPROVED


def test_an_older_withdrawal_changes_nothing() -> None:
    assert life.withdrawn(life.opened(found(3)), withdrawn(2)) is None


def test_a_refused_command_is_made_again_a_few_times_then_left_to_a_person() -> None:
    case = life.opened(found())
    for attempt in range(1, life.MAXIMUM_ATTEMPTS + 1):
        case = life.in_flight(case, command_id(case), ())
        assert case.attempts == attempt
        case = life.handed_back(case, ("STALE_VERSION",), try_again=True)
    assert (case.state, case.automatic) == (CaseState.OPEN, False)


def test_a_refusal_that_speaks_against_the_pair_is_left_to_a_person_at_once() -> None:
    sent = life.in_flight(replace(life.opened(found()), approval=approval()), "command-1", ())
    case = life.handed_back(sent, ("LEGAL_HOLD",), try_again=False)
    assert (case.state, case.automatic, case.approval) == (CaseState.OPEN, False, None)


def test_a_command_id_is_a_function_of_case_revision_and_attempt() -> None:
    case = life.opened(found(1))
    revised = life.revised(case, found(2))
    assert revised is not None
    again = life.handed_back(life.in_flight(case, command_id(case), ()), (), try_again=True)
    ids = {command_id(case), command_id(revised), command_id(again), rejection_id(case)}
    assert len(ids) == 4
    assert command_id(case) == command_id(life.opened(found(1)))
    assert command_id(case) != command_id(replace(case, tenant_id="other"))
