"""Levels of places. Where both records have a street, the address is ONE field: its parts are no separate evidence."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import JaroWinkler, Levenshtein
from rapidfuzz.fuzz import ratio

from customer_identity.comparison.fields import MISSING
from customer_identity.normalise.record import NormalisedRecord


def address_levels(a: NormalisedRecord, b: NormalisedRecord) -> NDArray[np.int8]:
    """Levels of whole addresses (columns in, one level a pair out); -1 where either has no street."""
    columns = zip(
        a.street, b.street, a.number, b.number, a.unit, b.unit, a.postcode, b.postcode, a.city, b.city, strict=True
    )  # fmt: skip
    return np.fromiter(
        (_address(*row) if row[0] and row[1] else MISSING for row in columns), np.int8, count=len(a.street)
    )


def postcode_levels(a: Sequence[str], b: Sequence[str]) -> NDArray[np.int8]:
    """3 equal, then one and two edits; also used for identity numbers."""
    return np.fromiter((_edits(x, y) if x and y else MISSING for x, y in zip(a, b, strict=True)), np.int8, count=len(a))


def city_levels(a: Sequence[str], b: Sequence[str]) -> NDArray[np.int8]:
    """3 equal, 2 a slip, 1 alike, 0 another city."""
    return np.fromiter((_city(x, y) if x and y else MISSING for x, y in zip(a, b, strict=True)), np.int8, count=len(a))


def region_levels(a: Sequence[str], b: Sequence[str]) -> NDArray[np.int8]:
    """1 equal, 0 different."""
    return np.fromiter((int(x == y) if x and y else MISSING for x, y in zip(a, b, strict=True)), np.int8, count=len(a))


def _address(  # noqa: PLR0917 - mapped over ten columns
    street_a: str,
    street_b: str,
    number_a: str,
    number_b: str,
    unit_a: str,
    unit_b: str,
    postcode_a: str,
    postcode_b: str,
    city_a: str,
    city_b: str,
) -> int:
    near, same_area = _near(postcode_a, postcode_b, city_a, city_b)
    if not near:
        return 0
    alike = 100.0 if street_a == street_b else ratio(street_a, street_b)
    number_fits = not number_a or not number_b or number_a == number_b
    other_unit = bool(unit_a and unit_b and unit_a != unit_b)
    if alike >= 97 and number_fits:
        return 3 if other_unit else 4
    if alike >= 80 and number_fits:
        return 3
    if alike > 75 and same_area and Levenshtein.distance(number_a, number_b) <= 1:
        return 3
    return 2 if alike > 60 else 1


def _near(postcode_a: str, postcode_b: str, city_a: str, city_b: str) -> tuple[bool, bool]:
    """(within one postcode slip or in the same city, or nothing known of either; some part of it equal)."""
    postcodes = bool(postcode_a and postcode_b)
    cities = bool(city_a and city_b)
    equal = (postcodes and postcode_a == postcode_b) or (cities and city_a == city_b)
    if equal or not (postcodes or cities):
        return True, equal
    close = postcodes and Levenshtein.distance(postcode_a, postcode_b) <= 1
    return close or (cities and JaroWinkler.similarity(city_a, city_b) > 0.88), False


def _edits(a: str, b: str) -> int:
    return 3 if a == b else max(0, 3 - Levenshtein.distance(a, b, score_cutoff=2))


def _city(a: str, b: str) -> int:
    if a == b:
        return 3
    alike = JaroWinkler.similarity(a, b)
    return 2 if alike > 0.88 else 1 if alike > 0.75 else 0
