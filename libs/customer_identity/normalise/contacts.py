"""E-mail addresses and telephone numbers."""

import re
import unicodedata
from functools import lru_cache
from typing import Final, NamedTuple

import phonenumbers

from customer_identity.normalise.placeholders import is_placeholder, is_placeholder_digits, is_placeholder_email
from customer_identity.normalise.text import CACHE_SIZE, fold, word_set

_ANGLED: Final = re.compile(r"<([^<>]*)>\s*$")
_PLAIN_ADDRESS: Final = re.compile(r"[a-z0-9][a-z0-9._+-]*@[a-z0-9.-]*[a-z0-9]", re.ASCII | re.IGNORECASE)
_AROUND: Final = " \t\r\n\"'<>,;."
_BETWEEN_ADDRESSES: Final = re.compile(r"[,;\s/|]+")
_EXTENSION: Final = re.compile(r"(?:extension|ext|x|#)\.?[ ]*(\d{1,7})\s*$", re.IGNORECASE)
_BETWEEN_NUMBERS: Final = re.compile(r"[/,;|]|\bor\b|\band\b|\boder\b|\bou\b")
_PLAIN: Final = re.compile(r"[0-9 ().-]{10,24}")
_FLOAT: Final = re.compile(r"(?<=\d{6})\.0$")  # what a spreadsheet makes of a number
_INTERNATIONAL: Final = re.compile(r"^(?:tel\.?:?)?[\s(]*00(?=[\s)]*[1-9])")
_TRUNK_ZERO: Final = re.compile(r"^(\+[\s\d]{1,5})\(0\)")  # +44 (0) 20 …
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
_MICROSOFT: Final = frozenset({"outlook", "hotmail", "live", "msn"})  # under the ends of many countries
_MIN_PHONE_DIGITS: Final = 6
_MAX_PHONE_DIGITS: Final = 17  # E.164 has 15; longer is two numbers or none
_NORTH_AMERICA: Final = frozenset({"US", "CA"})
_MIN_EMAIL_DIGITS: Final = 4  # fewer are a year or a house number, not an address


SHARED_MAILBOXES: Final = word_set(
    """
    info office sales contact admin administration support hello mail email post service services billing accounts
    accounting reception enquiries inquiries orders purchasing marketing team helpdesk webmaster postmaster
    kontakt buero buro verwaltung buchhaltung einkauf verkauf vertrieb bestellung rechnung empfang
    accueil secretariat compta comptabilite achats commercial contacto ventas compras administracion recepcion
    contato vendas contatto amministrazione segreteria acquisti
    """
)
"""Local parts of a firm's mailboxes: whoever writes such an address has another of their own as well."""


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
    text = _one_address(raw)
    local, at, domain = text.rpartition("@")
    if not at:
        local, domain = domain, ""
    ascii_domain, domain = _domain(domain)
    strict = f"{local.lower() if local.isascii() else local}{at}{ascii_domain}"
    folded = fold(text).replace(" ", "")
    local = fold(local).replace(" ", "")
    if not any(map(str.isalpha, local + domain)):
        return _digits_alone(local)
    if not local or is_placeholder(folded) or is_placeholder_email(local, domain):
        return _NO_EMAIL
    if domain in _PLUS_TAGS or domain.partition(".")[0] in _MICROSOFT or not domain:
        local = local.partition("+")[0] or local
    if domain in _GMAIL:
        local, domain = local.replace(".", "") or local, "gmail.com"
    return Email(local, domain, strict)


@lru_cache(maxsize=CACHE_SIZE)
def parse_phone(raw: str, region: str) -> Phone:
    """Digits of a number; `region` (ISO 3166 alpha-2) reads numbers without a country code."""
    american = not region or region in _NORTH_AMERICA
    if american and (plain := _plain_american(raw)):
        return plain
    body, extension = _one_number(raw)
    digits = _NOT_DIGIT.sub("", body)
    foreign = "+" in body and digits[:1] != "1"
    if not extension and american and not foreign:
        digits, extension = _split_run_on(digits)
        body = digits if extension else body
    if not _MIN_PHONE_DIGITS <= len(digits) <= _MAX_PHONE_DIGITS or is_placeholder_digits(digits):
        return _NO_PHONE
    national, strict = digits, digits
    try:
        parsed = phonenumbers.parse(body, region or ("US" if not foreign and _north_american(digits) else None))
        if phonenumbers.is_possible_number(parsed):
            national = str(parsed.national_number)
            strict = f"+{parsed.country_code}{national}"
        else:
            national = digits.lstrip("0") or digits
    except phonenumbers.NumberParseException:
        national = digits.lstrip("0") or digits
    if is_placeholder_digits(national):
        return _NO_PHONE
    return Phone(national, extension, strict + (f"x{extension}" if extension else ""))


def _plain_american(raw: str) -> Phone | None:
    """The commonest shape of all, read at a fifteenth of the cost: the number that parsing would give."""
    if not _PLAIN.fullmatch(raw):
        return None
    digits = _NOT_DIGIT.sub("", raw)
    if not _north_american(digits) or is_placeholder_digits(digits) or is_placeholder_digits(digits[-10:]):
        return None
    return Phone(digits[-10:], "", f"+1{digits[-10:]}")


def _one_address(raw: str) -> str:
    """The first address of what was typed, without what people and programs put around it."""
    if _PLAIN_ADDRESS.fullmatch(raw):
        return raw
    text = raw.strip()
    angled = _ANGLED.search(text)
    if angled:
        text = angled.group(1)
    text = text.strip(_AROUND)
    if text[:7].lower() == "mailto:":
        text = text[7:]
    first = _BETWEEN_ADDRESSES.split(text, maxsplit=1)[0]
    return unicodedata.normalize("NFC", (first if "@" in first else text).strip(_AROUND))


@lru_cache(maxsize=CACHE_SIZE)
def _domain(written: str) -> tuple[str, str]:
    """A domain as it is in the name system (bücher.de is xn--bcher-kva.de), and folded for comparison."""
    text = written.strip().strip(".").lower()
    if text.isascii() and "xn--" not in text:
        return text, text.replace(" ", "")
    if unicodedata.normalize("NFKC", text) != text or "ß" in text or "ς" in text:
        return text, fold(text).replace(" ", "")  # the older rules of names would take it for another domain
    try:
        ascii_form = text if text.isascii() else text.encode("idna").decode("ascii")
        return ascii_form, fold(ascii_form.encode("ascii").decode("idna"))
    except UnicodeError:  # not a domain of any name system
        return text, fold(text).replace(" ", "")


def _one_number(raw: str) -> tuple[str, str]:
    """The first number of what was typed, a + where an international prefix says so, and its extension."""
    text = _FLOAT.sub("", fold(raw))
    parts = _BETWEEN_NUMBERS.split(text)
    if len(parts) > 1 and all(len(_NOT_DIGIT.sub("", part)) > _MIN_PHONE_DIGITS for part in parts):
        text = parts[0]
    text = _TRUNK_ZERO.sub(r"\1", _INTERNATIONAL.sub("+", text))
    found = _EXTENSION.search(text)
    if found is None:
        return text, ""
    return text[: found.start()], found.group(1)


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
