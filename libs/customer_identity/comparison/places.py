"""Levels of places. Where both records have a street, the address is ONE field: its parts are no separate evidence."""

import numpy as np
from rapidfuzz.distance import JaroWinkler, Levenshtein
from rapidfuzz.fuzz import ratio

from customer_identity.comparison.fields import MISSING
from customer_identity.comparison.pairs import Flags, Levels, Pairs, Places, similarity

_SAME_CITY = 0.88


def address_levels(pairs: Pairs) -> Levels:
    """Levels of whole addresses; -1 where either has no street."""
    streets = pairs.both("street")
    out: Levels = np.where(streets, np.int8(0), np.int8(MISSING))
    near, same_area = _near(pairs, streets)
    rows = np.flatnonzero(near)
    columns = (column for name in ("street", "number", "unit") for column in pairs.values(name, rows))
    out[rows] = [_address(*row) for row in zip(*columns, same_area[rows].astype(int).tolist(), strict=True)]
    return out


def edit_levels(pairs: Pairs, column: str, wanted: Flags) -> Levels:
    """3 equal, then one and two edits: postcodes and identity numbers."""
    both = wanted & pairs.both(column)
    out: Levels = np.where(both, np.int8(3), np.int8(MISSING))
    rows = np.flatnonzero(both & ~pairs.equal(column))
    x, y = pairs.values(column, rows)
    out[rows] = [max(0, 3 - Levenshtein.distance(p, q, score_cutoff=2)) for p, q in zip(x, y, strict=True)]
    return out


def city_levels(pairs: Pairs, wanted: Flags) -> Levels:
    """3 equal, 2 a slip, 1 alike, 0 another city."""
    both = wanted & pairs.both("city")
    out: Levels = np.where(both, np.int8(3), np.int8(MISSING))
    rows = np.flatnonzero(both & ~pairs.equal("city"))
    alike = similarity(*pairs.values("city", rows), JaroWinkler.similarity)
    out[rows] = (alike > np.float32(_SAME_CITY)).astype(np.int8) + (alike > np.float32(0.75))
    return out


def _near(pairs: Pairs, streets: Flags) -> tuple[Flags, Flags]:
    """(within one postcode slip or in the same city, or nothing known of either; some part of it equal)."""
    postcodes, cities = streets & pairs.both("postcode"), streets & pairs.both("city")
    same_area = (postcodes & pairs.equal("postcode")) | (cities & pairs.equal("city"))
    near = same_area | (streets & ~postcodes & ~cities)
    close = _chosen(postcodes & ~near)
    x, y = pairs.values("postcode", close)
    slips = [
        len(p) - len(q) in {-1, 0, 1} and Levenshtein.distance(p, q, score_cutoff=1) <= 1
        for p, q in zip(x, y, strict=True)
    ]
    near[close[np.array(slips, bool)]] = True
    rest = _chosen(cities & ~near)
    alike = similarity(*pairs.values("city", rest), JaroWinkler.similarity)
    near[rest[alike > np.float32(_SAME_CITY)]] = True
    return near, same_area


def _chosen(rows: Flags) -> Places:
    return np.flatnonzero(rows)


def _address(  # noqa: PLR0917 - mapped over seven columns
    street_a: str, street_b: str, number_a: str, number_b: str, unit_a: str, unit_b: str, same_area: int
) -> int:
    """Of two addresses that are near each other."""
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
