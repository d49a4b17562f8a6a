"""Orders, points, tickets and consents of a record: invented from a seed and the record's id.

The same for the shipped data and for anybody's file, so that every downstream system has rows to
relink; nothing in it depends on who the person is.
"""

from __future__ import annotations

import random

from customer_merge_demo.customers import Consent, History, LedgerEntry, Order, Ticket

_SUBJECTS = (
    "Where is my parcel?",
    "Wrong size delivered",
    "Refund not received",
    "Change of delivery address",
    "Voucher does not work",
    "Question about warranty",
    "Damaged on arrival",
    "Cannot sign in",
    "Invoice needed",
    "Cancel my order",
)
_TAGS = ("newsletter", "vip", "wholesale", "student", "gift-buyer", "returns-often")
_ACTIVE_WITHIN_DAYS = 400


def history_of(seed: int, customer_id: str, *, source: str | None) -> History:
    """Invent the business history of one record; the same seed and id give the same history."""
    # A string seed is hashed with SHA-512 by the standard library: stable over runs and versions.
    rng = random.Random(f"{seed}/{customer_id}")  # noqa: S311 - made-up data, not a secret
    created = rng.randrange(30, 2200)
    orders = _orders(rng, customer_id, created)
    member = rng.random() < 0.6
    return History(
        created_days_ago=created,
        # Two records used side by side are a reason for a person to look: kept rare.
        last_active_days_ago=rng.randrange(_ACTIVE_WITHIN_DAYS, 3000) if rng.random() < 0.93 else rng.randrange(1, 60),
        orders=orders,
        tickets=_tickets(rng, created),
        ledger=_ledger(rng, orders) if member else (),
        consents=_consents(rng),
        external_ids=_external_ids(rng, customer_id, source),
        tags=tuple(sorted(rng.sample(_TAGS, rng.choices((0, 1, 2), (70, 22, 8))[0]))),
        notes="Prefers delivery in the afternoon." if rng.random() < 0.03 else None,
    )


def _orders(rng: random.Random, customer_id: str, created: int) -> tuple[Order, ...]:
    count = rng.choices((0, 1, 2, 3, 5), (25, 40, 20, 10, 5))[0]
    return tuple(
        Order(
            order_number=f"O-{customer_id}-{number + 1}",
            status=rng.choices(("COMPLETED", "RETURNED"), (94, 6))[0],
            total_cents=rng.randrange(900, 48_000),
            days_ago=rng.randrange(1, created + 1),
        )
        for number in range(count)
    )


def _tickets(rng: random.Random, created: int) -> tuple[Ticket, ...]:
    count = rng.choices((0, 1, 2), (75, 20, 5))[0]
    return tuple(
        Ticket(
            subject=rng.choice(_SUBJECTS),
            status=rng.choices(("CLOSED", "OPEN"), (85, 15))[0],
            days_ago=rng.randrange(1, created + 1),
        )
        for _ in range(count)
    )


def _ledger(rng: random.Random, orders: tuple[Order, ...]) -> tuple[LedgerEntry, ...]:
    entries = [LedgerEntry(points=50, reason="welcome", days_ago=rng.randrange(30, 2200))]
    entries += [
        LedgerEntry(points=order.total_cents // 100, reason=order.order_number, days_ago=order.days_ago)
        for order in orders
    ]
    balance = sum(entry.points for entry in entries)
    if balance > 300 and rng.random() < 0.3:
        entries.append(LedgerEntry(points=-100, reason="voucher", days_ago=rng.randrange(1, 30)))
    return tuple(entries)


def _consents(rng: random.Random) -> tuple[Consent, ...]:
    def consent(channel: str) -> Consent:
        granted = rng.random() < 0.7
        return Consent(channel=channel, granted=granted, evidence="form" if granted and rng.random() < 0.8 else None)

    return tuple(consent(channel) for channel in ("EMAIL", "SMS") if rng.random() < 0.6)


def _external_ids(rng: random.Random, customer_id: str, source: str | None) -> tuple[tuple[str, str], ...]:
    ids = [("crm", f"CRM-{customer_id}")]
    if rng.random() < 0.2:
        ids.append((f"{source or 'import'}-legacy", f"L-{customer_id}"))
    return tuple(ids)
