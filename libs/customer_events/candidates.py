"""Topic merge-candidate: pairs the detector believes to be one person."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from customer_events.base import (
    MAX_ITEMS,
    Count,
    Event,
    Id,
    Items,
    Probability,
    Text,
    Timestamp,
    Weight,
    WireModel,
)


class Grade(StrEnum):
    """How sure the detector is; only CERTAIN may ever merge without a person."""

    CERTAIN = "CERTAIN"
    PROBABLE = "PROBABLE"
    POSSIBLE = "POSSIBLE"


class WithdrawalReason(StrEnum):
    """Why a candidate no longer stands."""

    EVIDENCE_CHANGED = "EVIDENCE_CHANGED"
    ERASED = "ERASED"
    ALREADY_MERGED = "ALREADY_MERGED"
    NOT_DUPLICATE = "NOT_DUPLICATE"


class Member(WireModel):
    """A customer as the detector saw it."""

    customer_id: Id
    version: Count


class CandidatePair(WireModel):
    """The two records that were compared, a < b."""

    a: Id
    b: Id


class Evidence(WireModel):
    """What one field adds to the score as a log-likelihood ratio; negative speaks against."""

    field: Id
    level: Id
    weight: Weight


class MergeCandidateFound(Event):
    """Two records look like one person."""

    candidate_id: Id
    revision: Count
    members: Annotated[tuple[Member, ...], Field(min_length=2, max_length=MAX_ITEMS)]
    pair: CandidatePair
    score: Probability
    grade: Grade
    evidence: Annotated[tuple[Evidence, ...], Items] = ()
    model_version: Id
    suggested_winner_id: Id | None = None
    suggested_why: Text | None = None
    safe_to_automate: bool
    blocked_because: Annotated[tuple[Text, ...], Items] = ()
    detected_at: Timestamp


class MergeCandidateWithdrawn(Event):
    """A candidate no longer stands."""

    candidate_id: Id
    revision: Count
    reason: WithdrawalReason
    at: Timestamp
