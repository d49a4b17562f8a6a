"""Identifiers as the approval policy compares them: strictly, or not at all.

What the detector folds to find a pair (case, Unicode compatibility forms, look-alike letters) must never
approve one, or whoever registers Alice's address with a Cyrillic first letter is merged into Alice. So a
value outside ASCII has no strict form here, the part of an e-mail address before the @ is compared as it is
written, and only separators that carry no meaning are dropped.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class IdentifierKind(StrEnum):
    """The kinds of identifiers that can carry an automatic approval."""

    EMAIL = "email"
    PHONE = "phone"
    NATIONAL_ID = "national_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """One identifier as its record holds it (not folded), whether verified, and the record's source."""

    kind: IdentifierKind
    value: str = field(repr=False)
    verified: bool = False
    source: str | None = None


def strict_form(kind: IdentifierKind, value: str) -> str | None:
    """The form in which two identifiers must be equal; None when there is none (not ASCII, malformed)."""
    stripped = value.strip()
    if not stripped.isascii():
        return None
    return _FORMS[kind](stripped)


def _strict_email(value: str) -> str | None:
    # A domain is case-insensitive by RFC 4343; the local part is the mailbox owner's business (RFC 5321,
    # 2.4).
    matched = _EMAIL.fullmatch(value)
    return f"{matched['local']}@{matched['domain'].lower()}" if matched else None


def _strict_phone(value: str) -> str | None:
    digits = _PHONE_SEPARATORS.sub("", value)
    # 7 digits is the shortest subscriber number worth comparing; E.164 allows 15, 00 is another way to
    # write +.
    matched = re.fullmatch(r"(?:\+|00)?(\d{7,17})", digits)
    if matched is None:
        return None
    international = digits.startswith(("+", "00"))
    return f"+{matched[1]}" if international else matched[1]


def _strict_national_id(value: str) -> str | None:
    compact = _ID_SEPARATORS.sub("", value)
    return compact if re.fullmatch(r"[0-9A-Za-z]{4,40}", compact) else None


_EMAIL: Final = re.compile(r"(?P<local>[^@\s]{1,64})@(?P<domain>[A-Za-z0-9.-]{1,255})")
_PHONE_SEPARATORS: Final = re.compile(r"[ ().\-/]")
_ID_SEPARATORS: Final = re.compile(r"[ .\-/]")

_FORMS: Final = {
    IdentifierKind.EMAIL: _strict_email,
    IdentifierKind.PHONE: _strict_phone,
    IdentifierKind.NATIONAL_ID: _strict_national_id,
}
