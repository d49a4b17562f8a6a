"""What may be given to an option. The bounds are those of the contract, so that a mistake is told at once."""

import argparse
import unicodedata
from datetime import UTC, datetime


def field_choice(value: str) -> tuple[str, str]:
    """FIELD=CUSTOMER_ID."""
    name, equals, customer_id = value.partition("=")
    if not (name and equals and customer_id):
        raise argparse.ArgumentTypeError(f"{value!r} is not FIELD=CUSTOMER_ID")
    return any_id(name), any_id(customer_id)


def rows_choice(value: str) -> tuple[str, tuple[str, ...]]:
    """TABLE:ID,ID."""
    table, sign, ids = value.partition(":" if ":" in value else "=")
    if not (table and sign):
        raise argparse.ArgumentTypeError(f"{value!r} is not TABLE:ID,ID")
    return any_id(table), tuple(any_id(one) for one in ids.split(",") if one)


def time(value: str) -> str | datetime:
    """A time of ISO 8601, UTC unless it says otherwise; or the word schedule."""
    if value == "schedule":
        return value
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is no time such as 2026-03-01T02:00+01:00") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def positive(value: str) -> int:
    """A whole number from 1 up."""
    if not (value.isascii() and value.isdigit() and len(value) <= 9 and int(value) > 0):
        raise argparse.ArgumentTypeError(f"{value!r} is no whole number from 1 up")
    return int(value)


def any_id(value: str) -> str:
    """An id of anything."""
    if not 1 <= len(value) <= 200 or any(unicodedata.category(character) == "Cc" for character in value):
        raise argparse.ArgumentTypeError("an id has 1 to 200 characters, none of them a control character")
    return value


def tenant_id(value: str) -> str:
    """An id of a tenant."""
    if ":" in value:
        raise argparse.ArgumentTypeError("a tenant's id holds no colon")
    return any_id(value)


def any_text(value: str) -> str:
    """What a person writes."""
    if len(value) > 2_000 or "\x00" in value:
        raise argparse.ArgumentTypeError("a text has at most 2,000 characters")
    return value
