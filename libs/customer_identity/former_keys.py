"""Keys that earlier normalisers made of a record and today's does not: they go with it, or when it is read again.

Nothing is found by them. Each entry is kept for good, as nobody knows how old an index is.
"""

from customer_identity.blocking import key_code
from customer_identity.normalise.names import sound
from customer_identity.normalise.record import NormalisedRecord
from customer_identity.normalise.text import digits_of


def former_keys(tenant_id: str, record: NormalisedRecord) -> list[int]:
    """Codes of the keys of a record as an earlier normaliser read it."""
    names = [name for name in (record.given, record.family) if name]
    initials = [name[0] for name in names]
    values = {
        7: [record.email_domain] if record.email_domain else [],
        8: _email_digits(digits_of(record.email_local), initials),
        10: [record.phone[:3] + record.phone[-6:]] if len(record.phone) >= 9 else [],
        14: [f"{sound(record.given)} {record.family[0]}"] if len(names) == 2 else [],
        16: [f"{record.postcode} {sound(name)}" for name in names] if record.postcode else [],
        19: [f"{record.street} {name[:3]}" for name in names] if record.street else [],
        20: _date_parts(record.birth_date, initials),
    }
    return [key_code(tenant_id, family, value) for family, of_family in values.items() for value in of_family]


def _email_digits(digits: str, initials: list[str]) -> list[str]:
    if len(digits) < 3:
        return []
    return [end + initial for initial in initials for end in (digits[:3], digits[-3:])]


def _date_parts(birth_date: str, initials: list[str]) -> list[str]:
    if not birth_date:
        return []
    year, month, day = "y" + birth_date[:4], "m" + birth_date[4:6], "d" + birth_date[6:]
    return [pair + initial for initial in initials for pair in (year + month, year + day, month + day)]
