"""The compared fields and the names of their levels, in the order of the columns of a level matrix."""

from dataclasses import dataclass
from typing import Final

MISSING: Final = -1
"""Level of a field that one of the two records does not have: no evidence either way."""


@dataclass(frozen=True, slots=True)
class Field:
    """A compared field; `levels` from disagreement (0) up to exact (last)."""

    name: str
    levels: tuple[str, ...]


GIVEN: Final = 0
FAMILY: Final = 1
MIDDLE: Final = 2
SUFFIX: Final = 3
GENDER: Final = 4
BIRTH_DATE: Final = 5
EMAIL: Final = 6
PHONE: Final = 7
ADDRESS: Final = 8
POSTCODE: Final = 9
CITY: Final = 10
REGION: Final = 11
NATIONAL_ID: Final = 12
OCCUPATION: Final = 13

FIELDS: Final = (
    Field(
        "given_name",
        ("different", "alike", "initial or very alike", "nickname or slip", "exchanged with family name", "equal"),
    ),
    Field("family_name", ("different", "alike", "part or very alike", "slip", "equal")),
    Field("middle_name", ("different", "alike", "initial", "equal")),
    Field("suffix", ("different", "equal")),
    Field("gender", ("male against female", "other difference", "equal")),
    Field(
        "date_of_birth",
        ("different", "same year or near", "two parts equal", "one slip", "day and month exchanged", "equal"),
    ),
    Field("email", ("different", "alike", "very alike", "slip or same digits", "same local part", "equal")),
    Field(
        "phone",
        ("different", "up to four digits differ", "last seven equal or two differ", "one digit differs", "equal"),
    ),
    Field("address", ("elsewhere", "same area", "similar street nearby", "nearly the same dwelling", "same dwelling")),
    Field("postal_code", ("different", "two characters differ", "one character differs", "equal")),
    Field("city", ("different", "alike", "slip", "equal")),
    Field("region", ("different", "equal")),
    Field("national_id", ("different", "two characters differ", "one character differs", "equal")),
    Field("occupation", ("different", "alike", "very alike", "equal")),
)
EXACT: Final = tuple(len(field.levels) - 1 for field in FIELDS)
