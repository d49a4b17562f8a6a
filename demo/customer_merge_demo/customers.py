"""What the demonstration knows about a customer before any merge: identity columns and business history.

Times are kept as "days ago", so that a data set is the same every day and still looks recent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# What the command lines of the services take when they are not told.
TENANT_ID = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order; total in cents."""

    order_number: str
    status: str
    total_cents: int
    days_ago: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One conversation with the helpdesk."""

    subject: str
    status: str
    days_ago: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """Loyalty points earned (positive) or spent (negative)."""

    points: int
    reason: str
    days_ago: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """Whether a channel may be used, and how the shop knows."""

    channel: str
    granted: bool
    evidence: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What hangs on a customer record in the store and in the systems around it."""

    created_days_ago: int = 365
    last_active_days_ago: int | None = None
    orders: tuple[Order, ...] = ()
    tickets: tuple[Ticket, ...] = ()
    ledger: tuple[LedgerEntry, ...] = ()
    consents: tuple[Consent, ...] = ()
    external_ids: tuple[tuple[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    has_login: bool = False
    legal_hold: bool = False
    notes: str | None = None

    @property
    def points(self) -> int:
        """Balance: the sum of the ledger."""
        return sum(entry.points for entry in self.ledger)


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A customer record as it enters the store; `attributes` holds the non-empty input columns."""

    customer_id: str
    source: str | None
    attributes: Mapping[str, str] = field(repr=False)
    history: History = field(repr=False)

    @property
    def display_name(self) -> str:
        """The name a person would read, or the id when the record has none."""
        parts = [self.attributes.get(name, "") for name in ("given_name", "middle_name", "family_name")]
        return self.attributes.get("full_name") or " ".join(part for part in parts if part) or self.customer_id


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerSet:
    """The records of one run in order of arrival; `truth` maps id → person when the data is made up."""

    name: str
    customers: tuple[Customer, ...]
    truth: Mapping[str, str] | None = None
    warnings: tuple[str, ...] = ()
