"""Topics customer-merged and customer-alias: what changed about who is who. Ids, counts and names, never values."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from customer_events.base import (
    MAX_ITEMS,
    Count,
    Event,
    Id,
    Ids,
    Items,
    SomeIds,
    StreamEvent,
    Text,
    Timestamp,
    WireModel,
)
from customer_events.commands import CustomerType, UnmergeMode
from customer_events.outcomes import RowsState


class Disposition(StrEnum):
    """What becomes of a loser's own row."""

    LINK = "LINK"
    INACTIVATE = "INACTIVATE"
    DELETE = "DELETE"


class VersionedId(WireModel):
    """A customer at a version."""

    id: Id
    version: Count


class MergedLoser(WireModel):
    """A loser after the merge."""

    id: Id
    version: Count
    disposition: Disposition


class Redirect(WireModel):
    """An id whose answer changed: apply it only if `version` is newer than the one you hold."""

    from_: Id = Field(validation_alias="from", serialization_alias="from")
    direct_to: Id
    canonical: Id
    version: Count


class MovedExternalId(WireModel):
    """An id of another system that now belongs to the winner."""

    system: Id
    id: Id
    from_: Id = Field(validation_alias="from", serialization_alias="from")
    to: Id


class MovedRows(WireModel):
    """How many rows of a table moved, and how many met one of the winner's."""

    table: Id
    rows: Count
    collisions: Count = 0


class FieldDecision(WireModel):
    """How a field of the winner was decided, without its value."""

    field: Id
    strategy: Id
    from_customer_id: Id | None = None


class ConsentDecision(WireModel):
    """How consent for a channel was decided."""

    channel: Id
    result: Id
    evidence: Text | None = None


class RequiredAck(WireModel):
    """A system that must confirm, and by when."""

    system: Id
    due_at: Timestamp


class ReturnedRows(WireModel):
    """How many rows of a table went back."""

    table: Id
    rows: Count


class KeptRows(WireModel):
    """How many rows of a table stayed, and why."""

    table: Id
    rows: Count
    reason: Text


class UnmergeConflict(WireModel):
    """A row or value that could not go back."""

    table: Id
    id: Id
    reason: Text


Redirects = Annotated[tuple[Redirect, ...], Items]
Moved = Annotated[tuple[MovedRows, ...], Items]
RequiredAcks = Annotated[tuple[RequiredAck, ...], Items]


class CustomerMerged(StreamEvent):
    """Customers became one. `redirects` names every id whose answer changed, chains already compressed."""

    merge_id: Id
    command_id: Id
    winner: VersionedId
    losers: Annotated[tuple[MergedLoser, ...], Field(min_length=1, max_length=MAX_ITEMS)]
    redirects: Redirects
    external_ids: Annotated[tuple[MovedExternalId, ...], Items] = ()
    rows: RowsState
    moved: Moved | None = None
    field_decisions: Annotated[tuple[FieldDecision, ...], Items] = ()
    consent_decisions: Annotated[tuple[ConsentDecision, ...], Items] = ()
    required_acks: RequiredAcks = ()
    undoable_until: Timestamp | None = None
    actor: Id
    reason: Text
    policy_version: Id
    candidate_id: Id | None = None
    merged_at: Timestamp


class RowsMoved(StreamEvent):
    """The rows of a large merge have all moved; these are the totals."""

    merge_id: Id
    moved: Moved


class CustomerUnmerged(StreamEvent):
    """A merge was undone, as far as it could be; what could not is listed."""

    unmerge_id: Id
    merge_id: Id
    command_id: Id
    mode: UnmergeMode
    from_id: Id
    restored: Annotated[tuple[VersionedId, ...], Items]
    redirects: Redirects
    returned: Annotated[tuple[ReturnedRows, ...], Items] = ()
    kept: Annotated[tuple[KeptRows, ...], Items] = ()
    recomputed_fields: Ids = ()
    conflicts: Annotated[tuple[UnmergeConflict, ...], Items] = ()
    required_acks: RequiredAcks = ()
    at: Timestamp


class CustomerConverted(StreamEvent):
    """A customer became another kind of party, under another id."""

    customer_id: Id
    new_id: Id
    to_type: CustomerType
    redirects: Redirects = ()


class IdentityErased(StreamEvent):
    """A person's data is gone; forget every one of these ids."""

    canonical_id: Id
    member_ids: SomeIds
    at: Timestamp


class CustomerAlias(Event):
    """Where a retired id leads now. The topic is compacted: the last one per id is the truth."""

    retired_id: Id
    canonical_id: Id
    version: Count
    merge_id: Id
    stream: Count
    sequence: Count
