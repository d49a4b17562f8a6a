"""What a caller asks for: merge these customers, take that merge apart again, or keep these apart."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from frozen_values import dataclass


class OnIneligible(StrEnum):
    """What happens to an order that fails only temporary rules."""

    REJECT = "REJECT"
    WAIT = "WAIT"


class UnmergeMode(StrEnum):
    """How a merge is taken apart when others were built on top of it."""

    LINEAR = "LINEAR"
    TREE = "TREE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorRef:
    """Who asks, with the roles the caller claims for them."""

    id: str
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRef:
    """Who approved the order, and when."""

    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChoice:
    """One field decided by the caller: by record, by strategy or by value; exactly one of the three is given."""

    field: str
    from_customer_id: str | None = None
    strategy: str | None = None
    literal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChoice:
    """The rows of one child table that the caller wants to keep."""

    table: str
    keep_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeOrder:
    """Merge the losers into the winner.

    With `winner_id` None, `loser_ids` holds all the customers and the plan chooses the winner among them.
    `first_seen_at` is when the command was first seen by whoever runs it (database time); it bounds how long a
    customer that does not exist yet is waited for. None means now. `named` is every customer that the order names, the
    winner first, each once; `touched` are those and the facilitator: every customer whose rows may change.
    """

    tenant_id: str
    command_id: str
    winner_id: str | None
    loser_ids: tuple[str, ...]
    requested_by: ActorRef
    reason: str
    expected_versions: Mapping[str, int] = field(default_factory=dict)
    field_choices: tuple[FieldChoice, ...] = ()
    row_choices: tuple[RowChoice, ...] = ()
    facilitator_id: str | None = None
    waived_rules: tuple[str, ...] = ()
    follow_redirects: bool = False
    on_ineligible: OnIneligible = OnIneligible.REJECT
    approvals: tuple[ApprovalRef, ...] = ()
    candidate_id: str | None = None
    candidate_revision: int | None = None
    first_seen_at: datetime | None = None
    named: tuple[str, ...] = field(init=False)
    touched: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        # Every step of a batch asks for them.
        ids = self.loser_ids if self.winner_id is None else (self.winner_id, *self.loser_ids)
        named = tuple(dict.fromkeys(ids))
        object.__setattr__(self, "named", named)
        other = self.facilitator_id is not None and self.facilitator_id not in named
        object.__setattr__(self, "touched", (*named, self.facilitator_id) if other else named)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmergeOrder:
    """Take a merge apart; with `loser_ids` empty, the whole of it."""

    tenant_id: str
    command_id: str
    merge_id: str
    requested_by: ActorRef
    reason: str
    loser_ids: tuple[str, ...] = ()
    mode: UnmergeMode = UnmergeMode.LINEAR


@dataclass(frozen=True, slots=True, kw_only=True)
class NotDuplicateOrder:
    """These customers are different people (or, with `withdrawn`, that is no longer claimed): every pair of them."""

    tenant_id: str
    command_id: str
    customer_ids: tuple[str, ...]
    requested_by: ActorRef
    reason: str
    withdrawn: bool = False
