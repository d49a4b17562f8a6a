"""E-mail addresses and telephone numbers."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

import phonenumbers

from customer_identity.normalise.placeholders import is_placeholder, is_placeholder_digits, is_placeholder_email
from customer_identity.normalise.text import CACHE_SIZE, fold

_ANGLED: Final = re.compile(r"<([^<>]*)>\s*$")
_EXTENSION: Final = re.compile(r"(?:\s*(?:ext|extension|x|#)\.?\s*)(\d{1,7})\s*$", re.IGNORECASE)
_NOT_DIGIT: Final = re.compile(r"\D+")
_GMAIL: Final = frozenset({"gmail.com", "googlemail.com"})
# Plus-tags reach the same mailbox at these providers; elsewhere a plus may be part of the name.
_PLUS_TAGS: Final = _GMAIL | {
    "outlook.com",
    "hotmail.com",
    "live.com",
    "icloud.com",
    "me.com",
    "fastmail.com",
    "proton.me",
    "protonmail.com",
}
_MIN_PHONE_DIGITS: Final = 6
_MIN_EMAIL_DIGITS: Final = 4  # fewer are a year or a house number, not an address


class Email(NamedTuple):
    """An e-mail address in comparable form; `strict` is the form an automatic decision may rely on."""

    local: str
    domain: str
    strict: str


class Phone(NamedTuple):
    """A telephone number: national digits without trunk prefix, the extension; strict: E.164, else all digits."""

    digits: str
    extension: str
    strict: str


_NO_EMAIL: Final = Email("", "", "")
_NO_PHONE: Final = Phone("", "", "")


@lru_cache(maxsize=CACHE_SIZE)
def parse_email(raw: str) -> Email:
    """Provider rules applied to the local part (Gmail dots, plus-tags); the strict form only lower-cases ASCII."""
    text = raw.strip()
    angled = _ANGLED.search(text)
    if angled:
        text = angled.group(1).strip()
    folded = fold(text).replace(" ", "")
    local, _, domain = folded.rpartition("@")
    if not local:
        local, domain = domain, ""
    domain = domain.strip(".")
    if not any(c.isalpha() for c in local + domain):
        return _digits_alone(local)
    if not local or is_placeholder(folded) or is_placeholder_email(local, domain):
        return _NO_EMAIL
    if domain in _PLUS_TAGS or not domain:
        local = local.partition("+")[0] or local
    if domain in _GMAIL:
        local, domain = local.replace(".", "") or local, "gmail.com"
    return Email(local, domain, text.lower() if text.isascii() else text)


@lru_cache(maxsize=CACHE_SIZE)
def parse_phone(raw: str, region: str) -> Phone:
    """Digits of a number; `region` (ISO 3166 alpha-2) reads numbers without a country code."""
    text = fold(raw)
    found = _EXTENSION.search(text)
    extension = found.group(1) if found else ""
    body = text[: found.start()] if found else text
    digits = _NOT_DIGIT.sub("", body)
    if not extension:
        digits, extension = _split_run_on(digits)
        body = digits if extension else body
    if len(digits) < _MIN_PHONE_DIGITS or is_placeholder_digits(digits):
        return _NO_PHONE
    national, strict = digits, digits
    try:
        parsed = phonenumbers.parse(body, region or ("US" if _north_american(digits) else None))
        if phonenumbers.is_possible_number(parsed):
            national = str(parsed.national_number)
            strict = f"+{parsed.country_code}{national}"
    except phonenumbers.NumberParseException:
        national = digits.lstrip("0") or digits
    if is_placeholder_digits(national):
        return _NO_PHONE
    return Phone(national, extension, strict + (f"x{extension}" if extension else ""))


def _digits_alone(text: str) -> Email:
    """An address that lost its letters: its digits can still tell two people apart, and approve nothing."""
    digits = _NOT_DIGIT.sub("", text)
    if len(digits) < _MIN_EMAIL_DIGITS or is_placeholder_digits(digits):
        return _NO_EMAIL
    return Email(digits, "", "")


def _split_run_on(digits: str) -> tuple[str, str]:
    """A complete North American number with digits left over: the rest is an extension whose mark was lost."""
    length = 11 if digits[:1] == "1" else 10
    if length < len(digits) <= length + 5 and _north_american(digits[:length]):
        return digits[:length], digits[length:]
    return digits, ""


def _north_american(digits: str) -> bool:
    """Ten digits, perhaps after a 1, with area code and exchange from 2 up: the one plan that is told by its shape."""
    tail = digits[1:] if len(digits) == 11 and digits[0] == "1" else digits
    return len(tail) == 10 and tail[0] in "23456789" and tail[3] in "23456789"
