"""One customer record in comparable form."""

import hashlib
import hmac
import re
from dataclasses import replace
from functools import lru_cache
from operator import attrgetter
from typing import Final, NamedTuple

from customer_identity.normalise.addresses import (
    Address,
    parse_city,
    parse_country,
    parse_postcode,
    parse_region,
    parse_street,
    split_address,
)
from customer_identity.normalise.contacts import parse_email, parse_phone
from customer_identity.normalise.dates import parse_date
from customer_identity.normalise.names import parse_name
from customer_identity.normalise.placeholders import is_placeholder
from customer_identity.normalise.text import CACHE_SIZE, NO_DIVIDERS, fold, looks_like_another, word_set
from customer_identity.records import CustomerRecord

NORMALISER_VERSION: Final = (
    5  # raised whenever a raw value may normalise differently, or keys change: a backfill then renews what is indexed
)

_LONGEST: Final = 400  # characters of one value that are read: no name, address or number is longer
_TEXTS: Final = (
    "full_name", "given_name", "middle_name", "family_name", "date_of_birth", "gender", "email", "phone", "street",
    "city", "region", "postal_code", "country", "national_id", "occupation",
)  # fmt: skip
_texts: Final = attrgetter(*_TEXTS)
_WHOLE_PHONE_DIGITS: Final = 8  # a number without letters in the e-mail column is a phone from this length on
_NO_DIGITS: Final = str.maketrans("", "", "0123456789")
_MEN: Final = word_set("m male man mann mannlich maennlich homme masculin hombre masculino uomo maschio")
_WOMEN: Final = word_set("f female woman w frau weiblich femme feminin mujer femenino donna femmina")
_GENDERS: Final = dict.fromkeys(_MEN, "m") | dict.fromkeys(_WOMEN, "f") | {"u": ""}


class NormalisedRecord(NamedTuple):
    """Comparable values of one record, all strings, empty when absent (a tuple: columns come out of zip quickly)."""

    given: str
    middle: str
    family: str
    suffix: str
    roots: str
    birth_date: str
    birth_date_ambiguous: str
    gender: str
    email_local: str
    email_domain: str
    email_rest: str
    """Local part without what the person's names explain; '-' when nothing is left."""
    phone: str
    extension: str
    street: str
    number: str
    unit: str
    city: str
    region: str
    postcode: str
    country: str
    national_id: str
    occupation: str
    email_strict: str
    phone_strict: str
    look_alike: str
    """'1' when a name, e-mail or phone holds look-alike, invisible or compatibility characters."""
    several: str = ""
    """'1' when the name is of several people or a household: such a record is no one person."""

    def __repr__(self) -> str:
        """Nothing: comparable values are personal data too."""
        return "NormalisedRecord(…)"


def normalise(record: CustomerRecord, *, national_id_key: bytes | None = None) -> NormalisedRecord:
    """Comparable form of a record; with a key, national ids are kept only as keyed hashes."""
    if max(map(len, _texts(record))) > _LONGEST:
        record = replace(record, **{column: getattr(record, column)[:_LONGEST] for column in _TEXTS})
    name = parse_name(record.given_name, record.middle_name, record.family_name, record.full_name)
    country = parse_country(record.country)
    raw_email, raw_phone = _in_their_columns(record.email, record.phone)
    email = parse_email(raw_email)
    phone = parse_phone(raw_phone, country.upper() if len(country) == 2 else "")
    birth = parse_date(record.date_of_birth, country)
    place = _place(record)
    street = parse_street(place.street)
    read = (record.full_name, record.given_name, record.middle_name, record.family_name, raw_email, raw_phone)
    suspicious = not "".join(read).isascii() and any(map(looks_like_another, read))
    return NormalisedRecord(
        given=name.given,
        middle=name.middle,
        family=name.family,
        suffix=name.suffix,
        roots=name.roots,
        birth_date=birth.ymd,
        birth_date_ambiguous="1" if birth.ambiguous else "",
        gender=_gender(record.gender),
        email_local=email.local,
        email_domain=email.domain,
        email_rest=_unexplained(email.local, name.given, name.family),
        phone=phone.digits,
        extension=phone.extension,
        street=street.core,
        number=street.number,
        unit=street.unit,
        city=parse_city(place.city),
        region=parse_region(place.region),
        postcode=parse_postcode(place.postcode),
        country=country,
        national_id=_national_id(record.national_id, national_id_key),
        occupation=parse_city(record.occupation),
        email_strict=email.strict,
        phone_strict=phone.strict,
        look_alike="1" if suspicious else "",
        several="1" if name.several else "",
    )


def _place(record: CustomerRecord) -> Address:
    """The address by its columns; a street line beside no city and no postcode may hold all of it."""
    if record.street and not record.city and not record.postal_code:
        found = split_address(record.street)
        return found._replace(region=record.region) if record.region else found
    return Address(record.street, record.city, record.region, record.postal_code)


def _in_their_columns(email: str, phone: str) -> tuple[str, str]:
    """An address typed into the phone column, or a number into the e-mail column, goes where it belongs."""
    if "@" in phone and "@" not in email:
        return phone, email
    if email and not phone and "@" not in email and not any(c.isalpha() for c in email):
        whole_number = sum(c.isdigit() for c in email) >= _WHOLE_PHONE_DIGITS
        return ("", email) if whole_number else (email, "")
    return email, phone


@lru_cache(maxsize=CACHE_SIZE)
def _gender(raw: str) -> str:
    text = fold(raw)
    return _GENDERS.get(text, "" if is_placeholder(text) else text)


@lru_cache(maxsize=CACHE_SIZE)
def _national_id(raw: str, key: bytes | None) -> str:
    text = re.sub(r"[^a-z0-9]", "", fold(raw))
    if len(text) < 4 or len(set(text)) == 1 or is_placeholder(text) or text == "123456789":
        return ""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32] if key else text


@lru_cache(maxsize=CACHE_SIZE)
def _unexplained(local: str, given: str, family: str) -> str:
    """What an address says beyond the names: two people called John Smith may both be john.smith, at two providers."""
    if not local:
        return ""
    rest = local.translate(NO_DIVIDERS)
    whole = rest
    for part in sorted((given, family.replace(" ", "")), key=len, reverse=True):
        if len(part) >= 3:
            rest = rest.replace(part, "", 1)
    letters = rest.translate(_NO_DIGITS)
    initials = (given, given[:1], family[:1], given[:1] + family[:1], family[:1] + given[:1])
    if letters in initials and (rest != whole or len(letters) == 2):
        rest = re.sub(r"\D", "", rest)
    return rest or "-"
