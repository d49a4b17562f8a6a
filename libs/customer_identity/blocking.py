"""Blocking: the keys under which two records of one person are likely to meet.

A record is compared only with records it shares keys with. Every family of keys has a cap: a key held by more records
than that (a common surname, a shop's phone) finds nothing by itself, but its combinations with other values remain.
What a shared key says is its rarity; a pair is a candidate when the rarities of all its shared keys add up.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import combinations
from typing import Final

from customer_identity.normalise.names import sound
from customer_identity.normalise.record import NormalisedRecord
from customer_identity.normalise.text import CACHE_SIZE, digits_of

MAX_CANDIDATES: Final = 16  # per record; more cost time and add nothing (measured)
_RECENT_RECORDS: Final = 4_096  # records of the batch at hand and what it is compared with: keys are asked for twice
_ENOUGH_RARITY: Final = 7.0  # nats; about one chance hit in a thousand records


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFamily:
    """A kind of key: number (part of stored keys, never reused), name, and from how many holders on it is hot."""

    number: int
    name: str
    cap: int
    values: Callable[[NormalisedRecord], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a record: 64 signed bits that hold tenant, family and value, and the cap of its family."""

    code: int
    cap: int


@lru_cache(maxsize=_RECENT_RECORDS)
def keys_of(tenant_id: str, record: NormalisedRecord) -> tuple[Key, ...]:
    """All keys of a record. The tenant is part of the code, so records of two tenants never meet."""
    found: dict[int, Key] = {}
    for family in FAMILIES:
        for value in family.values(record):
            code = key_code(tenant_id, family.number, value)
            found[code] = Key(code, family.cap)
    return tuple(found.values())


@lru_cache(maxsize=CACHE_SIZE)
def key_code(tenant_id: str, family: int, value: str) -> int:
    """64-bit signed hash of (tenant, family, value), equal in every process."""
    digest = blake2b(f"{tenant_id}\x1f{family}\x1f{value}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def rarity(records: int, holders: int) -> float:
    """What sharing a key says, in nats: ln of records per holder, for a key that `holders` other records have."""
    return math.log((records + 2) / (holders + 1))


def enough_rarity(records: int) -> float:
    """The rarity a candidate needs; a small base cannot reach the full measure, there one rare key is enough."""
    return min(_ENOUGH_RARITY, 0.75 * math.log(records + 2))


@lru_cache(maxsize=_RECENT_RECORDS)
def identifier_keys(tenant_id: str, record: NormalisedRecord) -> tuple[int, ...]:
    """Codes of the record's e-mail address and phone number: what two people may not share unnoticed."""
    codes = [key_code(tenant_id, _EMAIL, value) for value in _email(record)]
    codes += [key_code(tenant_id, _PHONE, value) for value in _phone(record)]
    return tuple(codes)


def _birth_date(r: NormalisedRecord) -> Iterator[str]:
    """Day and month in one order, so that exchanged ones meet."""
    if r.birth_date:
        yield r.birth_date[:4] + "".join(sorted((r.birth_date[4:6], r.birth_date[6:])))


def _email(r: NormalisedRecord) -> Iterator[str]:
    if r.email_local:
        yield f"{r.email_local}@{r.email_domain}"


def _email_local(r: NormalisedRecord) -> Iterator[str]:
    if r.email_local:
        yield r.email_local.replace(".", "").replace("_", "").replace("-", "")


def _email_start(r: NormalisedRecord) -> Iterator[str]:
    if len(r.email_local) >= 5:
        yield r.email_local[:5]


def _email_domain(r: NormalisedRecord) -> Iterator[str]:
    if r.email_domain:
        yield r.email_domain


def _email_digits(r: NormalisedRecord) -> Iterator[str]:
    digits = digits_of(r.email_local)
    if len(digits) >= 3:
        for initial in {r.given[:1], r.family[:1]} - {""}:
            yield digits[:3] + initial
            yield digits[-3:] + initial
        if len(digits) >= 4:
            yield digits


def _phone(r: NormalisedRecord) -> Iterator[str]:
    if r.phone:
        yield f"{r.phone}x{r.extension}"


def _phone_end(r: NormalisedRecord) -> Iterator[str]:
    if len(r.phone) >= 7:
        yield r.phone[-7:]


def _phone_variants(r: NormalisedRecord) -> Iterator[str]:
    """First three and last six digits: one wrong digit in the middle or at the end still leaves one of them."""
    if len(r.phone) >= 9:
        yield r.phone[:3] + r.phone[-6:]
        yield r.phone[:6] + r.extension


def _national_id(r: NormalisedRecord) -> Iterator[str]:
    if r.national_id:
        yield r.national_id


def _name_starts(r: NormalisedRecord) -> Iterator[str]:
    """Three letters of both names in one order, so that exchanged names meet."""
    if r.given and r.family:
        yield "".join(sorted((r.given[:3], r.family[:3])))


def _nickname_family(r: NormalisedRecord) -> Iterator[str]:
    if r.family:
        for root in r.roots.split():
            yield f"{root} {r.family}"


def _names(r: NormalisedRecord) -> Iterator[str]:
    """Each name alone; given and family names share one space, since they are exchanged."""
    if r.given:
        yield r.given
    if r.family:
        yield r.family


def _name_sounds(r: NormalisedRecord) -> Iterator[str]:
    if r.given and r.family:
        yield f"{sound(r.family)} {r.given[:1]}"
        yield f"{sound(r.given)} {r.family[:1]}"


def _postcode(r: NormalisedRecord) -> Iterator[str]:
    if r.postcode:
        yield r.postcode


def _postcode_name(r: NormalisedRecord) -> Iterator[str]:
    if r.postcode:
        for name in {sound(r.family), sound(r.given)} - {""}:
            yield f"{r.postcode} {name}"


def _city_name(r: NormalisedRecord) -> Iterator[str]:
    if r.city:
        for name in {r.given, r.family} - {""}:
            yield f"{r.city} {name}"


def _dwelling(r: NormalisedRecord) -> Iterator[str]:
    if r.street and r.number:
        yield f"{r.number} {r.street}"


def _street_name(r: NormalisedRecord) -> Iterator[str]:
    if r.street:
        for name in {r.given, r.family} - {""}:
            yield f"{r.street} {name[:3]}"


def _date_parts(r: NormalisedRecord) -> Iterator[str]:
    """Two of year, month and day, alone and with an initial."""
    if r.birth_date:
        parts = ("y" + r.birth_date[:4], "m" + r.birth_date[4:6], "d" + r.birth_date[6:])
        initials = {r.given[:1], r.family[:1]} - {""}
        for pair in combinations(parts, 2):
            for initial in initials:
                yield f"{pair[0]}{pair[1]}{initial}"


_EMAIL: Final = 1
_PHONE: Final = 2
FAMILIES: Final = (
    KeyFamily(number=_EMAIL, name="e-mail", cap=60, values=_email),
    KeyFamily(number=_PHONE, name="phone", cap=60, values=_phone),
    KeyFamily(number=3, name="national id", cap=60, values=_national_id),
    KeyFamily(number=4, name="birth date", cap=40, values=_birth_date),
    KeyFamily(number=5, name="e-mail local part", cap=60, values=_email_local),
    KeyFamily(number=6, name="e-mail start", cap=20, values=_email_start),
    KeyFamily(number=7, name="e-mail domain", cap=15, values=_email_domain),
    KeyFamily(number=8, name="e-mail digits", cap=20, values=_email_digits),
    KeyFamily(number=9, name="phone end", cap=40, values=_phone_end),
    KeyFamily(number=10, name="phone variants", cap=30, values=_phone_variants),
    KeyFamily(number=11, name="name starts", cap=40, values=_name_starts),
    KeyFamily(number=12, name="nickname and family name", cap=40, values=_nickname_family),
    KeyFamily(number=13, name="one name", cap=25, values=_names),
    KeyFamily(number=14, name="name sounds", cap=30, values=_name_sounds),
    KeyFamily(number=15, name="postcode", cap=40, values=_postcode),
    KeyFamily(number=16, name="postcode and name", cap=40, values=_postcode_name),
    KeyFamily(number=17, name="city and name", cap=30, values=_city_name),
    KeyFamily(number=18, name="dwelling", cap=40, values=_dwelling),
    KeyFamily(number=19, name="street and name", cap=30, values=_street_name),
    KeyFamily(number=20, name="date parts", cap=15, values=_date_parts),
)
