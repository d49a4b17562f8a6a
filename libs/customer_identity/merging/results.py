"""What became of an order. A refusal is a value like any other result; exceptions are kept for faults."""

from datetime import datetime
from enum import StrEnum

from customer_identity.merging.orders import MergeOrder, NotDuplicateOrder, UnmergeOrder
from frozen_values import dataclass


class Side(StrEnum):
    """Whom a rule looks at."""

    WINNER = "WINNER"
    LOSER = "LOSER"
    EITHER = "EITHER"
    PAIR = "PAIR"
    ACTOR = "ACTOR"
    SYSTEM = "SYSTEM"


class Stage(StrEnum):
    """Where an order was refused."""

    VALIDATION = "VALIDATION"
    AUTHORISATION = "AUTHORISATION"
    ELIGIBILITY = "ELIGIBILITY"
    EXECUTION = "EXECUTION"


class Disposition(StrEnum):
    """What became of a loser's record."""

    LINK = "LINK"
    INACTIVATE = "INACTIVATE"
    DELETE = "DELETE"


class NoopReason(StrEnum):
    """Why an order changed nothing."""

    SAME_IDENTITY = "SAME_IDENTITY"
    NOTHING_TO_DO = "NOTHING_TO_DO"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionedId:
    """A customer and the version of its record after the change."""

    id: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoserResult:
    """A customer merged away, the version of its record, and what became of the record."""

    id: str
    version: int
    disposition: Disposition


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """The new answer to "who is `from_id` now?"; a greater version replaces a smaller one."""

    from_id: str
    direct_to: str
    canonical: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalIdMove:
    """An id in another system that now belongs to another customer."""

    system: str
    id: str
    from_id: str
    to_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Rows of one table that now belong to the winner, and rows that lost a collision and were put aside."""

    table: str
    rows: int
    collisions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDecision:
    """By which strategy, and from whose record, the winner's field was taken. Never the value."""

    field: str
    strategy: str
    from_customer_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentDecision:
    """What a channel's consent is after the merge, and the evidence that decided it."""

    channel: str
    result: str
    evidence: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFailure:
    """One rule that an order fails. `side` is never EITHER: it names the side that was found at fault.

    `until` is when a temporary state ends, where that is known.
    """

    rule: str
    side: Side
    customer_ids: tuple[str, ...]
    field: str | None
    message: str
    remediation: str
    permanent: bool
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleWarning:
    """A rule that fails without blocking; any warning keeps a pair from automatic approval."""

    rule: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The losers are now the winner. `merge_id` is a UUIDv7; times are the database's."""

    order: MergeOrder
    merge_id: str
    winner: VersionedId
    losers: tuple[LoserResult, ...]
    redirects: tuple[Redirect, ...]
    external_ids: tuple[ExternalIdMove, ...]
    moved: tuple[Moved, ...]
    field_decisions: tuple[FieldDecision, ...]
    consent_decisions: tuple[ConsentDecision, ...]
    undoable_until: datetime
    policy_version: str
    warnings: tuple[RuleWarning, ...]
    merged_at: datetime
    rows: str = "COMPLETE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noop:
    """Nothing needed doing."""

    order: MergeOrder | UnmergeOrder | NotDuplicateOrder
    reason: NoopReason
    canonical_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The order fails these rules: all of them, never only the first."""

    order: MergeOrder | UnmergeOrder | NotDuplicateOrder
    stage: Stage
    errors: tuple[RuleFailure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """The order may pass later: try again at `until`; `waiting_for` names the temporary rules it fails."""

    order: MergeOrder
    until: datetime
    waiting_for: tuple[str, ...]
    errors: tuple[RuleFailure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """Rows of one table that went back."""

    table: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Rows of one table that stayed where they are, and why."""

    table: str
    rows: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """One row or field that could not be put back as it was; it is reported, never guessed."""

    table: str
    id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmerged:
    """The restored customers stand alone again. `from_id` is the customer they were taken out of."""

    order: UnmergeOrder
    unmerge_id: str
    merge_id: str
    from_id: str
    restored: tuple[VersionedId, ...]
    redirects: tuple[Redirect, ...]
    returned: tuple[Returned, ...]
    kept: tuple[Kept, ...]
    recomputed_fields: tuple[str, ...]
    conflicts: tuple[Conflict, ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsReturning:
    """So many rows of a large merge go back in chunks first; the merge is taken apart when all of them are back."""

    order: UnmergeOrder
    merge_id: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotDuplicateRecorded:
    """The pairs that are now asserted to be different people, or no longer so."""

    order: NotDuplicateOrder
    pairs: tuple[tuple[str, str], ...]
    at: datetime


MergeResult = Merged | Noop | Refused | Deferred
UnmergeResult = Unmerged | Noop | Refused
NotDuplicateResult = NotDuplicateRecorded | Noop | Refused
