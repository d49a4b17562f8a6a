"""Topic merge-outcome: how a command ended (terminal) or gets on (notice). Ids, counts and names, never values."""

from enum import StrEnum
from typing import Annotated

from customer_events.base import Count, Event, Id, Ids, Items, Text, Timestamp, WireModel


class OutcomeKind(StrEnum):
    """What kind of command was completed."""

    MERGE = "MERGE"
    UNMERGE = "UNMERGE"
    CONVERT = "CONVERT"
    NOT_DUPLICATE = "NOT_DUPLICATE"


class RowsState(StrEnum):
    """Whether all child rows have moved, or RowsMoved will follow."""

    COMPLETE = "COMPLETE"
    MOVING = "MOVING"


class NoopReason(StrEnum):
    """Why there was nothing to do."""

    SAME_IDENTITY = "SAME_IDENTITY"
    NOTHING_TO_DO = "NOTHING_TO_DO"


class Stage(StrEnum):
    """Where a command was refused."""

    VALIDATION = "VALIDATION"
    AUTHORISATION = "AUTHORISATION"
    ELIGIBILITY = "ELIGIBILITY"
    EXECUTION = "EXECUTION"


class Side(StrEnum):
    """Whose doing a failing rule is."""

    WINNER = "WINNER"
    LOSER = "LOSER"
    PAIR = "PAIR"
    ACTOR = "ACTOR"
    SYSTEM = "SYSTEM"


class Warning_(WireModel):  # noqa: N801 - `Warning` is Python's own
    """A rule that warned without stopping the command."""

    rule: Id
    message: Text


class RuleError(WireModel):
    """A rule that failed, and what would mend it."""

    rule: Id
    side: Side
    customer_ids: Ids = ()
    field: Id | None = None
    message: Text
    remediation: Text
    permanent: bool


Warnings = Annotated[tuple[Warning_, ...], Items]
RuleErrors = Annotated[tuple[RuleError, ...], Items]


class MergeCompleted(Event):
    """Terminal: the command was carried out."""

    command_id: Id
    merge_id: Id
    kind: OutcomeKind
    winner_id: Id | None = None
    stream: Count | None = None
    sequence: Count | None = None
    rows: RowsState
    warnings: Warnings = ()
    completed_at: Timestamp


class MergeRejected(Event):
    """Terminal: refused, with ALL rules that failed."""

    command_id: Id
    stage: Stage
    errors: RuleErrors
    at: Timestamp


class MergeRemoved(Event):
    """Terminal: the request was taken off the list."""

    command_id: Id
    request_id: Id
    at: Timestamp


class MergeNoop(Event):
    """Terminal: there was nothing to do."""

    command_id: Id
    reason: NoopReason
    canonical_id: Id


class MergeRecommended(Event):
    """Notice: the request waits for somebody who may merge."""

    command_id: Id
    request_id: Id
    eligible: bool
    errors: RuleErrors = ()


class MergeDeferred(Event):
    """Notice: the command will be tried again."""

    command_id: Id
    until: Timestamp | None = None
    waiting_for: Annotated[tuple[Text, ...], Items] = ()
    errors: RuleErrors = ()


class MergeProgressed(Event):
    """Notice: how far a large merge has come."""

    command_id: Id
    merge_id: Id
    rows_moved: Count
    rows_total: Count
