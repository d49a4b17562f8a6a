"""What the engine answers with besides the results of `customer_identity.merging`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from customer_identity.merging import Disposition, FieldDecision, Moved, Noop, RuleFailure, Side
from customer_identity.merging.rules import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Canonical:
    """Where an id ends now. Version 0: the id was never part of a merge and answers itself."""

    canonical_id: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFigure:
    """A figure behind a rule: of a customer, or (None) of the system or the actor. It may be personal data."""

    customer_id: str | None
    label: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCheck:
    """One rule of the plan as a preview found it, with the figures behind it, passed or failed."""

    rule: str
    side: Side
    severity: Severity
    permanent: bool
    passed: bool
    blocking: bool
    failures: tuple[RuleFailure, ...]
    figures: tuple[RuleFigure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPreview:
    """A field of the winner: the decision, the value it would hold, and what each other record says."""

    decision: FieldDecision
    value: str | None
    alternatives: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedRow:
    """A row that may be chosen, as it is now. `id` is what `row_choices` names it by; `values` holds its columns."""

    id: str
    customer_id: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedRows:
    """The rows of one table that may be chosen among; with none there is nothing to choose."""

    table: str
    rows: tuple[OfferedRow, ...]

    def lines(self) -> list[tuple[str, str, str, str]]:
        """Table, id, customer and content of each row, for a list; one line that says so where there is none."""
        if not self.rows:
            return [(self.table, "", "", "nothing to choose")]
        return [(self.table, row.id, row.customer_id, _content(row.values)) for row in self.rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an order would do at this moment. Nothing was written and nothing was locked.

    `eligible` is true when it would merge; `failures` are the rules that block it, `warnings` those that do not.
    `disposition` says what becomes of the losers' own records; None when nothing becomes of them.
    `fields` and `choices` hold personal data: they are for the eyes of whoever decides, not for logs.
    """

    eligible: bool
    noop: Noop | None
    winner_id: str | None
    loser_ids: tuple[str, ...]
    members: tuple[str, ...]
    versions: Mapping[str, int]
    failures: tuple[RuleFailure, ...]
    warnings: tuple[RuleFailure, ...]
    rules: tuple[RuleCheck, ...]
    moves: tuple[Moved, ...]
    fields: tuple[FieldPreview, ...]
    choices: tuple[OfferedRows, ...] = ()
    disposition: Disposition | None = None

    @property
    def passed(self) -> tuple[str, ...]:
        """Names of the rules that passed."""
        return tuple(check.rule for check in self.rules if check.passed)


class FindingKind(StrEnum):
    """What a verification can find wrong."""

    ROWS_LEFT_ON_LOSER = "ROWS_LEFT_ON_LOSER"
    MAP_NOT_FLAT = "MAP_NOT_FLAT"
    MAP_DIFFERS_FROM_EDGES = "MAP_DIFFERS_FROM_EDGES"
    EDGES_IN_A_CIRCLE = "EDGES_IN_A_CIRCLE"
    LINK_DIFFERS_FROM_MAP = "LINK_DIFFERS_FROM_MAP"
    RECORD_DIFFERS_FROM_MAP = "RECORD_DIFFERS_FROM_MAP"
    SUM_DIFFERS = "SUM_DIFFERS"
    JOURNAL_MISSING = "JOURNAL_MISSING"
    ROWS_STILL_MOVING = "ROWS_STILL_MOVING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be; no findings means that all is well."""

    kind: FindingKind
    tenant_id: str
    customer_id: str
    table: str | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """Something that identifies a customer, as it was written; `verified` None means nobody said."""

    kind: str
    value: str
    verified: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchCriteria:
    """What is known of a customer; all that is given must match. Names match by their beginning or any word."""

    name: str | None = None
    phone: str | None = None
    email: str | None = None
    national_id: str | None = None
    customer_id: str | None = None
    postal_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerSummary:
    """One customer as a list shows it. `merged_into` is None unless it was merged away."""

    customer_id: str
    version: int
    status: str | None
    source: str | None
    display_name: str | None
    merged_into: str | None
    identifiers: tuple[Identifier, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedAccount:
    """A customer that became part of this one, directly or through others."""

    customer_id: str
    direct_to: str
    merge_id: str
    merged_at: datetime
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One customer in full: the record, what hangs on it, and its place in the identity map."""

    summary: CustomerSummary
    canonical: Canonical
    values: Mapping[str, str]
    rows: Mapping[str, int]
    merged_accounts: tuple[MergedAccount, ...]


class MergeState(StrEnum):
    """Where a merge stands."""

    MERGED = "MERGED"
    PARTLY_UNMERGED = "PARTLY_UNMERGED"
    UNMERGED = "UNMERGED"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeRecord:
    """A merge as the engine keeps it; once a customer of it is erased it cannot be undone."""

    merge_id: str
    tenant_id: str
    command_id: str
    state: MergeState
    winner_id: str
    loser_ids: tuple[str, ...]
    actor: str
    reason: str
    policy_version: str
    candidate_id: str | None
    merged_at: datetime
    undoable_until: datetime
    erased_at: datetime | None


def _content(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{column}: {value}" for column, value in values.items() if value is not None)
