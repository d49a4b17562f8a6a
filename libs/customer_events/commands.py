"""Topic merge-command: what somebody wants done. `command_id` is made by the caller and is the idempotency key."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from customer_events.base import (
    MAX_ITEMS,
    Count,
    Event,
    Id,
    Ids,
    Items,
    SomeIds,
    Text,
    Timestamp,
    Value,
    WireModel,
    in_order_of_keys,
)


class OnIneligible(StrEnum):
    """What to do when only temporary rules fail."""

    REJECT = "REJECT"
    WAIT = "WAIT"


class UnmergeMode(StrEnum):
    """LINEAR refuses when a newer merge is in the way; TREE takes the loser and its subtree out."""

    LINEAR = "LINEAR"
    TREE = "TREE"


class CustomerType(StrEnum):
    """What kind of party a customer is."""

    INDIVIDUAL = "INDIVIDUAL"
    ORGANISATION = "ORGANISATION"


class Actor(WireModel):
    """Who asks, and with which roles."""

    id: Id
    roles: Ids = ()


class Approval(WireModel):
    """Who agreed, and when."""

    by: Id
    at: Timestamp


class FieldChoice(WireModel):
    """How one field of the winner is to be decided: by a customer, by a strategy, or by a literal."""

    field: Id
    from_customer_id: Id | None = None
    strategy: Id | None = None
    literal: Value | None = None


class RowChoice(WireModel):
    """Which rows of one table are to be kept."""

    table: Id
    keep_ids: Ids = ()


Versions = Annotated[dict[Id, Count], Field(max_length=MAX_ITEMS), AfterValidator(in_order_of_keys)]
FieldChoices = Annotated[tuple[FieldChoice, ...], Items]
RowChoices = Annotated[tuple[RowChoice, ...], Items]
Approvals = Annotated[tuple[Approval, ...], Items]


class MergeCustomers(Event):
    """Merge losers into a winner. Without one, `loser_ids` names all members and the plan chooses among them."""

    command_id: Id
    winner_id: Id | None = None
    loser_ids: SomeIds
    expected_versions: Versions = Field(default_factory=dict)
    field_choices: FieldChoices = ()
    row_choices: RowChoices = ()
    facilitator_id: Id | None = None
    waived_rules: Ids = ()
    on_ineligible: OnIneligible = OnIneligible.REJECT
    follow_redirects: bool = False
    after_command_id: Id | None = None
    not_before: Timestamp | None = None
    deadline: Timestamp | None = None
    requested_by: Actor
    approvals: Approvals = ()
    reason: Text
    candidate_id: Id | None = None
    candidate_revision: Count | None = None
    issued_at: Timestamp


class RecommendMerge(Event):
    """As `MergeCustomers`, from somebody who may only suggest it."""

    command_id: Id
    winner_id: Id | None = None
    loser_ids: SomeIds
    expected_versions: Versions = Field(default_factory=dict)
    field_choices: FieldChoices = ()
    row_choices: RowChoices = ()
    facilitator_id: Id | None = None
    waived_rules: Ids = ()
    follow_redirects: bool = False
    after_command_id: Id | None = None
    not_before: Timestamp | None = None
    deadline: Timestamp | None = None
    requested_by: Actor
    reason: Text
    candidate_id: Id | None = None
    candidate_revision: Count | None = None
    issued_at: Timestamp


class RemoveMerge(Event):
    """Take a request, or every open request of a customer, off the list."""

    command_id: Id
    request_id: Id | None = None
    customer_id: Id | None = None
    requested_by: Actor
    reason: Text


class UnmergeCustomers(Event):
    """Undo a merge, whole (`loser_ids` empty) or for some of its losers."""

    command_id: Id
    merge_id: Id
    loser_ids: Ids = ()
    mode: UnmergeMode = UnmergeMode.LINEAR
    requested_by: Actor
    reason: Text
    issued_at: Timestamp


class MarkNotDuplicate(Event):
    """Assert that these customers are different people, or withdraw that."""

    command_id: Id
    customer_ids: Annotated[tuple[Id, ...], Field(min_length=2, max_length=MAX_ITEMS)]
    withdrawn: bool = False
    requested_by: Actor
    reason: Text


class ConvertCustomer(Event):
    """Change what kind of party a customer is."""

    command_id: Id
    customer_id: Id
    to_type: CustomerType
    relationship: Id | None = None
    requested_by: Actor
    reason: Text
