"""Blocking: the keys under which two records of one person are likely to meet.

A record is compared only with records it shares keys with. Every family of keys has a cap: a key held by more records
than that (a common surname, a shop's phone) finds nothing by itself, but its combinations with other values remain.
What a shared key says is its rarity; a pair is a candidate when the rarities of all its shared keys add up.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from customer_identity.normalise.names import sound
from customer_identity.normalise.record import NormalisedRecord
from customer_identity.normalise.text import NO_DIVIDERS, digits_of

MAX_CANDIDATES: Final = 16  # per record; more cost time and add nothing (measured)
FREE_CANDIDATES: Final = 7
"""So many candidates need but enough rarity. Each further one needs a nat more: half the pairs of a large base."""
FREE_BY_ONE_KEY: Final = 3
"""So many that share a single key do, too: most of those are strangers."""
RECENT_RECORDS: Final = 4_096
"""Records of the batch at hand, whose keys are asked for twice."""
_LONG: Final = Struct("!q").unpack
_ENOUGH_RARITY: Final = 7.0  # nats; about one chance hit in a thousand records
# Nats below what is rarest in a base; from 100,000 records on that is more than enough rarity.
_LARGE_BASE: Final = 4.5


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFamily:
    """A kind of key: number, name, and from how many holders on it is hot.

    The number is part of stored keys and never used again for other ones; what is given up goes to `former_keys`.
    """

    number: int
    name: str
    cap: int
    values: Callable[[NormalisedRecord], Iterable[str]]


class Keys(NamedTuple):
    """The keys of a record: 64 signed bits each, which hold tenant, family and value; beside each the family's cap."""

    codes: tuple[int, ...]
    caps: tuple[int, ...]
    identifiers: int
    """So many of the first ones are of the e-mail address and the phone: what two people may not share unnoticed."""


@lru_cache(maxsize=RECENT_RECORDS)
def keys_of(tenant_id: str, record: NormalisedRecord) -> Keys:
    """All keys of a record. The tenant is part of the code, so records of two tenants never meet."""
    found = {
        key_code(tenant_id, family.number, value): family.cap for family in FAMILIES for value in family.values(record)
    }
    identifiers = bool(record.email_local) + bool(record.phone)
    return Keys(tuple(found), tuple(found.values()), identifiers)


def key_code(tenant_id: str, family: int, value: str) -> int:
    """64-bit signed hash of (tenant, family, value), equal in every process.

    Not cached: of a hundred thousand values most are seen once, and a cache of them takes three times as long.
    """
    code: int = _LONG(blake2b(f"{tenant_id}\x1f{family}\x1f{value}".encode(), digest_size=8).digest())[0]
    return code


def rarity(records: NDArray[np.float64], holders: NDArray[np.int64]) -> NDArray[np.float64]:
    """What sharing a key says, in nats: ln of records per holder, for keys that so many other records have."""
    out: NDArray[np.float64] = np.log((records + 2) / (holders + 1))
    return out


def enough_rarity(records: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rarity a candidate needs.

    A small base cannot reach the full measure: there one rare key is enough. In a large one everything is rarer, and
    as many strangers as before share what is as rare as before: the measure rises with it.
    """
    logs = np.log(records + 2)
    out: NDArray[np.float64] = np.minimum(np.maximum(_ENOUGH_RARITY, logs - _LARGE_BASE), 0.75 * logs)
    return out


def identifier_keys(tenant_id: str, record: NormalisedRecord) -> tuple[int, ...]:
    """Codes of the record's e-mail address and phone number."""
    codes = [key_code(tenant_id, _EMAIL, value) for value in _email(record)]
    codes += [key_code(tenant_id, _PHONE, value) for value in _phone(record)]
    return tuple(codes)


# Tuples and no generators: twenty of them a record are to be started and ended.


def _birth_date(r: NormalisedRecord) -> tuple[str, ...]:
    """Day and month in one order, so that exchanged ones meet."""
    if not r.birth_date:
        return ()
    month, day = r.birth_date[4:6], r.birth_date[6:]
    return (r.birth_date[:4] + (month + day if month < day else day + month),)


def _email(r: NormalisedRecord) -> tuple[str, ...]:
    return (f"{r.email_local}@{r.email_domain}",) if r.email_local else ()


def _email_local(r: NormalisedRecord) -> tuple[str, ...]:
    return (r.email_local.translate(NO_DIVIDERS),) if r.email_local else ()


def _email_start(r: NormalisedRecord) -> tuple[str, ...]:
    return (r.email_local[:5],) if len(r.email_local) >= 5 else ()


def _email_digits(r: NormalisedRecord) -> tuple[str, ...]:
    digits = digits_of(r.email_local)
    if len(digits) < 3:
        return ()
    initial = (r.family or r.given)[:1]
    ends = (digits[:3] + initial, digits[-3:] + initial) if initial else ()
    return (*ends, digits) if len(digits) >= 4 else ends


def _phone(r: NormalisedRecord) -> tuple[str, ...]:
    return (f"{r.phone}x{r.extension}",) if r.phone else ()


def _phone_end(r: NormalisedRecord) -> tuple[str, ...]:
    return (r.phone[-7:],) if len(r.phone) >= 7 else ()


def _phone_start(r: NormalisedRecord) -> tuple[str, ...]:
    """With a wrong digit among the last four the beginning still fits; with one among the first three the end does."""
    return (r.phone[:6] + r.extension,) if len(r.phone) >= 9 else ()


def _national_id(r: NormalisedRecord) -> tuple[str, ...]:
    return (r.national_id,) if r.national_id else ()


def _name_starts(r: NormalisedRecord) -> tuple[str, ...]:
    """Three letters of both names in one order, so that exchanged names meet."""
    if not (r.given and r.family):
        return ()
    one, other = r.given[:3], r.family[:3]
    return (one + other if one < other else other + one,)


def _nickname_family(r: NormalisedRecord) -> tuple[str, ...]:
    return tuple(f"{root} {r.family}" for root in r.roots.split()) if r.family and r.roots else ()


def _names(r: NormalisedRecord) -> tuple[str, ...]:
    """Each name alone; given and family names share one space, since they are exchanged."""
    return _both_names(r)


def _name_sounds(r: NormalisedRecord) -> tuple[str, ...]:
    return (f"{sound(r.family)} {r.given[0]}",) if r.given and r.family else ()


def _postcode(r: NormalisedRecord) -> tuple[str, ...]:
    return (r.postcode,) if r.postcode else ()


def _city_name(r: NormalisedRecord) -> tuple[str, ...]:
    return tuple(f"{r.city} {name}" for name in _both_names(r)) if r.city else ()


def _dwelling(r: NormalisedRecord) -> tuple[str, ...]:
    return (f"{r.number} {r.street}",) if r.street and r.number else ()


def _date_parts(r: NormalisedRecord) -> tuple[str, ...]:
    """Two of year, month and day, with the initials in one order."""
    if not r.birth_date:
        return ()
    year, month, day = "y" + r.birth_date[:4], "m" + r.birth_date[4:6], "d" + r.birth_date[6:]
    initials = "".join(sorted(name[0] for name in _both_names(r)))
    return (year + month + initials, year + day + initials, month + day + initials) if initials else ()


def _both_names(r: NormalisedRecord) -> tuple[str, ...]:
    return tuple(name for name in (r.given, r.family) if name)


_EMAIL: Final = 1
_PHONE: Final = 2
FAMILIES: Final = (
    KeyFamily(number=_EMAIL, name="e-mail", cap=60, values=_email),
    KeyFamily(number=_PHONE, name="phone", cap=60, values=_phone),
    KeyFamily(number=3, name="national id", cap=60, values=_national_id),
    KeyFamily(number=4, name="birth date", cap=40, values=_birth_date),
    KeyFamily(number=5, name="e-mail local part", cap=60, values=_email_local),
    KeyFamily(number=6, name="e-mail start", cap=20, values=_email_start),
    KeyFamily(number=8, name="e-mail digits", cap=20, values=_email_digits),
    KeyFamily(number=9, name="phone end", cap=40, values=_phone_end),
    KeyFamily(number=10, name="phone start", cap=30, values=_phone_start),
    KeyFamily(number=11, name="name starts", cap=40, values=_name_starts),
    KeyFamily(number=12, name="nickname and family name", cap=40, values=_nickname_family),
    KeyFamily(number=13, name="one name", cap=25, values=_names),
    KeyFamily(number=14, name="name sounds", cap=30, values=_name_sounds),
    KeyFamily(number=15, name="postcode", cap=40, values=_postcode),
    KeyFamily(number=17, name="city and name", cap=30, values=_city_name),
    KeyFamily(number=18, name="dwelling", cap=40, values=_dwelling),
    KeyFamily(number=21, name="date parts", cap=15, values=_date_parts),
)
