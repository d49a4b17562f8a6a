"""The rows of the store's tables that one customer makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from customer_identity.normalise.contacts import parse_phone
from customer_merge_demo.customers import TENANT_ID, Customer

_OWNER = {"tenant_id": "text", "customer_id": "text"}

# Table → columns with their types, in the order in which the tables must be filled.
TABLES: Mapping[str, Mapping[str, str]] = {
    "customers": _OWNER | {
        "source": "text", "full_name": "text", "given_name": "text", "middle_name": "text", "family_name": "text",
        "date_of_birth": "text", "gender": "text", "national_id": "text", "occupation": "text", "has_login": "boolean",
        "legal_hold": "boolean", "notes": "text", "created_at": "timestamptz", "updated_at": "timestamptz",
        "last_active_at": "timestamptz",
    },
    "emails": _OWNER | {"email": "text", "email_key": "text", "verified": "boolean", "is_primary": "boolean"},
    "phones": _OWNER | {"phone": "text", "phone_key": "text", "verified": "boolean", "is_primary": "boolean"},
    "addresses": _OWNER | {
        "street": "text", "city": "text", "region": "text", "postal_code": "text", "country": "text",
    },
    "consents": _OWNER | {"channel": "text", "granted": "boolean", "evidence": "text"},
    "external_ids": _OWNER | {"system": "text", "external_id": "text"},
    "orders": _OWNER | {"order_number": "text", "status": "text", "total_cents": "bigint", "placed_at": "timestamptz"},
    "tickets": _OWNER | {"subject": "text", "status": "text", "opened_at": "timestamptz"},
    "loyalty_accounts": _OWNER | {"program": "text", "points": "bigint", "tier": "text"},
    "loyalty_ledger": _OWNER | {"points": "bigint", "reason": "text", "at": "timestamptz"},
    "customer_tags": _OWNER | {"tag": "text"},
}  # fmt: skip

# Balances from which a member is silver, and gold.
_SILVER_POINTS = 300
_GOLD_POINTS = 900


def rows_of(customers: Sequence[Customer], now: datetime) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of these customers by table, each in the order of `TABLES`; `now` anchors the "days ago"."""
    rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in TABLES}
    for customer in customers:
        for table, values in _rows(customer, now):
            rows[table].append((TENANT_ID, customer.customer_id, *values))
    return rows


def _rows(customer: Customer, now: datetime) -> Iterator[tuple[str, tuple[Any, ...]]]:
    yield "customers", _record(customer, now)
    yield from _contact(customer)
    history = customer.history
    for consent in history.consents:
        yield "consents", (consent.channel, consent.granted, consent.evidence)
    for system, external_id in history.external_ids:
        yield "external_ids", (system, external_id)
    for order in history.orders:
        yield "orders", (order.order_number, order.status, order.total_cents, _ago(now, order.days_ago))
    for ticket in history.tickets:
        yield "tickets", (ticket.subject, ticket.status, _ago(now, ticket.days_ago))
    if history.ledger:
        points = history.points
        tier = "GOLD" if points >= _GOLD_POINTS else "SILVER" if points >= _SILVER_POINTS else "BASIC"
        yield "loyalty_accounts", ("POINTS", points, tier)
    for entry in history.ledger:
        yield "loyalty_ledger", (entry.points, entry.reason, _ago(now, entry.days_ago))
    for tag in history.tags:
        yield "customer_tags", (tag,)


def _record(customer: Customer, now: datetime) -> tuple[Any, ...]:
    history = customer.history
    created = _ago(now, history.created_days_ago)
    active = history.last_active_days_ago
    names = (
        "full_name",
        "given_name",
        "middle_name",
        "family_name",
        "date_of_birth",
        "gender",
        "national_id",
        "occupation",
    )
    return (
        customer.source,
        *(customer.attributes.get(name) for name in names),
        history.has_login,
        history.legal_hold,
        history.notes,
        created,
        created,
        None if active is None else _ago(now, active),
    )


def _contact(customer: Customer) -> Iterator[tuple[str, tuple[Any, ...]]]:
    attributes = customer.attributes
    if email := attributes.get("email"):
        yield "emails", (email, email.strip().lower(), flag(attributes.get("email_verified")), True)
    if phone := attributes.get("phone"):
        yield "phones", (phone, _phone_key(phone), flag(attributes.get("phone_verified")), True)
    parts = tuple(attributes.get(name) for name in ("street", "city", "region", "postal_code", "country"))
    if any(parts):
        yield "addresses", parts


def _phone_key(phone: str) -> str:
    """One form for the ways of writing a number: E.164 where it can be told, else what was written."""
    return parse_phone(phone, "").strict or phone


def flag(value: str | None) -> bool | None:
    """The input file's `true` or `false`; anything else says nothing."""
    return {"true": True, "false": False}.get((value or "").strip().lower())


def _ago(now: datetime, days: int) -> datetime:
    return now - timedelta(days=days)
