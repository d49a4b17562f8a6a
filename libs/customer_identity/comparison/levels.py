"""Levels of agreement of many pairs at once (numpy and rapidfuzz; about 3 microseconds a pair).

Every function takes columns (one tuple of strings a side) and returns one int8 level a pair, -1 where either is absent.
"""

from collections.abc import Callable, Sequence
from operator import eq
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import JaroWinkler, Levenshtein
from rapidfuzz.fuzz import ratio
from rapidfuzz.process import cpdist

from customer_identity.comparison.fields import EXACT, FIELDS, MISSING
from customer_identity.comparison.places import address_levels, city_levels, postcode_levels, region_levels
from customer_identity.normalise.record import NormalisedRecord
from customer_identity.normalise.text import digits_of

Levels = NDArray[np.int8]
Column = Sequence[str]
Columns = NormalisedRecord
"""A record whose values are columns, one tuple of strings a field (to the type checker a string is such a sequence)."""


def compare(lefts: Sequence[NormalisedRecord], rights: Sequence[NormalisedRecord]) -> Levels:
    """Level matrix (pairs x fields) of pairs given as two equally long lists of records."""
    out = np.full((len(lefts), len(FIELDS)), MISSING, dtype=np.int8)
    if not lefts:
        return out
    a, b = _columns(lefts), _columns(rights)
    out[:, 0], out[:, 1] = _names(a, b)
    out[:, 2] = _middle(a.middle, b.middle)
    out[:, 3] = np.where(_both(a.suffix, b.suffix), _equal(a.suffix, b.suffix), MISSING)
    out[:, 4] = _gender(a.gender, b.gender)
    out[:, 5] = _birth_date(a, b)
    out[:, 6] = _email(a, b)
    out[:, 7] = _phone(a, b)
    out[:, 8] = address_levels(a, b)
    both_streets = out[:, 8] != MISSING
    out[:, 9] = np.where(both_streets, MISSING, postcode_levels(a.postcode, b.postcode))
    out[:, 10] = np.where(both_streets, MISSING, city_levels(a.city, b.city))
    out[:, 11] = np.where(both_streets, MISSING, region_levels(a.region, b.region))
    out[:, 12] = postcode_levels(a.national_id, b.national_id)
    out[:, 13] = _occupation(a.occupation, b.occupation)
    return out


def _columns(records: Sequence[NormalisedRecord]) -> Columns:
    return Columns(*zip(*records, strict=True))  # type: ignore[arg-type]  # see Columns


def _both(a: Column, b: Column) -> NDArray[np.bool_]:
    lengths = (np.fromiter(map(len, column), np.intp, count=len(column)) for column in (a, b))
    return np.logical_and(*lengths)


def _equal(a: Column, b: Column) -> NDArray[np.bool_]:
    return np.fromiter(map(eq, a, b), dtype=bool, count=len(a))


def _rows(mask: NDArray[np.bool_], *columns: Column) -> tuple[NDArray[np.intp], list[list[str]]]:
    rows = np.flatnonzero(mask)
    chosen = rows.tolist()
    return rows, [[column[i] for i in chosen] for column in columns]


def _similarity(a: Column, b: Column, scorer: Callable[..., Any]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = cpdist(a, b, scorer=scorer, dtype=np.float32) if a else np.zeros(0, np.float32)
    return found


def _graded(values: NDArray[np.float32], *bounds: float) -> NDArray[np.int8]:
    """How many of the rising bounds each value exceeds."""
    return np.searchsorted(np.asarray(bounds, np.float32), values, side="left").astype(np.int8)


def _names(a: Columns, b: Columns) -> tuple[Levels, Levels]:
    """Given and family name together, because people write one where the other belongs."""
    given = np.where(_both(a.given, b.given), EXACT[0], MISSING).astype(np.int8)
    family = np.where(_both(a.family, b.family), EXACT[1], MISSING).astype(np.int8)
    rows, (ga, gb, ra, rb) = _rows((given != MISSING) & ~_equal(a.given, b.given), a.given, b.given, a.roots, b.roots)
    given[rows] = np.maximum(
        _graded(_similarity(ga, gb, JaroWinkler.similarity), 0.7, 0.85, 0.92),
        np.fromiter(map(_related_given, ga, gb, ra, rb), np.int8, count=len(ga)),
    )
    rows, (fa, fb) = _rows((family != MISSING) & ~_equal(a.family, b.family), a.family, b.family)
    family[rows] = np.maximum(
        _graded(_similarity(fa, fb, JaroWinkler.similarity), 0.7, 0.85, 0.92),
        np.fromiter(map(_part_of_family, fa, fb), np.int8, count=len(fa)),
    )
    crossed = (given < 3) & (family < 3) & _both(a.given, b.family) & _both(a.family, b.given)
    rows, (ga, fb, fa, gb) = _rows(crossed, a.given, b.family, a.family, b.given)
    swapped = (_similarity(ga, fb, JaroWinkler.similarity) > 0.85) & (
        _similarity(fa, gb, JaroWinkler.similarity) > 0.85
    )
    given[rows[swapped]] = 4
    family[rows[swapped]] = MISSING
    _one_name(a, b, given, family)
    _one_name(b, a, given, family)
    return given, family


def _one_name(a: Columns, b: Columns, given: Levels, family: Levels) -> None:
    """Where `a` has but one name it may be either of the other's: what column it was put in tells nothing then."""
    for column, other in ((a.given, b.family), (a.family, b.given)):
        lone = _both(column, other) & ~_both(a.given, a.family) & (given < 3) & (family < 3)
        rows, (x, y) = _rows(lone, column, other)
        exchanged = rows[_similarity(x, y, JaroWinkler.similarity) > 0.92]
        given[exchanged], family[exchanged] = 4, MISSING


def _related_given(a: str, b: str, roots_a: str, roots_b: str) -> int:
    """3 for nicknames of one name, 2 for an initial or the beginning of the other, else 0."""
    if roots_a and roots_b and not set(roots_a.split()).isdisjoint(roots_b.split()):
        return 3
    short, long = (a, b) if len(a) < len(b) else (b, a)
    return 2 if long.startswith(short) and len(short) != 2 else 0


def _part_of_family(a: str, b: str) -> int:
    """3 for one name spaced differently, 2 when one is a word of the other (half of a double name), else 0."""
    if a.replace(" ", "") == b.replace(" ", ""):
        return 3
    return 2 if a in b.split() or b in a.split() else 0


def _middle(a: Column, b: Column) -> Levels:
    out = np.where(_both(a, b), EXACT[2], MISSING).astype(np.int8)
    rows, (x, y) = _rows((out != MISSING) & ~_equal(a, b), a, b)
    initials = np.fromiter(
        (p[0] == q[0] and 1 in (len(p), len(q)) for p, q in zip(x, y, strict=True)), bool, count=len(x)
    )
    similar = _similarity(x, y, JaroWinkler.similarity) > 0.8
    out[rows] = np.where(initials, 2, np.where(similar, 1, 0))
    return out


def _gender(a: Column, b: Column) -> Levels:
    """Opposite sexes say more than two different words for something else."""
    out = np.where(_both(a, b), EXACT[4], MISSING).astype(np.int8)
    rows, (x, y) = _rows((out != MISSING) & ~_equal(a, b), a, b)
    out[rows] = np.fromiter(
        (0 if {p, q} == {"m", "f"} else 1 for p, q in zip(x, y, strict=True)), np.int8, count=len(x)
    )
    return out


def _birth_date(a: Columns, b: Columns) -> Levels:
    out = np.where(_both(a.birth_date, b.birth_date), EXACT[5], MISSING).astype(np.int8)
    rows, (x, y, u, v) = _rows(
        (out != MISSING) & ~_equal(a.birth_date, b.birth_date),
        a.birth_date,
        b.birth_date,
        a.birth_date_ambiguous,
        b.birth_date_ambiguous,
    )
    edits = _similarity(x, y, Levenshtein.distance)
    out[rows] = np.fromiter(map(_date_level, x, y, edits.tolist(), u, v), np.int8, count=len(x))
    return out


def _date_level(a: str, b: str, edits: float, unsure_a: str, unsure_b: str) -> int:
    if a[:4] == b[:4] and a[4:6] == b[6:] and a[6:] == b[4:6]:
        return 5 if unsure_a or unsure_b else 4
    if edits <= 1:
        return 3
    equal_parts = (a[:4] == b[:4]) + (a[4:6] == b[4:6]) + (a[6:] == b[6:])
    if equal_parts >= 2 or edits <= 2:
        return 2
    return 1 if a[:4] == b[:4] or edits <= 3 else 0


def _email(a: Columns, b: Columns) -> Levels:
    """Likeness of two addresses, with what the persons' own names explain taken out."""
    out = np.where(_both(a.email_local, b.email_local), 0, MISSING).astype(np.int8)
    same_local = (out != MISSING) & _equal(a.email_local, b.email_local)
    rows, (da, db, ra) = _rows(same_local, a.email_domain, b.email_domain, a.email_rest)
    same_domain = np.fromiter(
        (not x or not y or x == y or Levenshtein.distance(x, y) <= 2 for x, y in zip(da, db, strict=True)),
        bool,
        count=len(da),
    )
    explained = np.fromiter((rest == "-" for rest in ra), bool, count=len(ra))
    out[rows] = np.where(same_domain, 5, np.where(explained, MISSING, 4))
    rows, (la, lb, ra, rb) = _rows(
        (out != MISSING) & ~same_local, a.email_local, b.email_local, a.email_rest, b.email_rest
    )
    whole = _similarity(la, lb, ratio)
    rest = _similarity(ra, rb, ratio)
    out[rows] = np.fromiter(map(_local_level, la, lb, ra, rb, whole.tolist(), rest.tolist()), np.int8, count=len(la))
    return out


def _local_level(  # noqa: PLR0917 - mapped over six columns
    a: str, b: str, rest_a: str, rest_b: str, whole: float, rest: float
) -> int:
    digits_a, digits_b = digits_of(a), digits_of(b)
    level = 3 if whole > 90 else 2 if whole > 80 else 1 if whole > 60 else 0
    if len(digits_a) >= 4 and digits_a == digits_b:
        level = max(level, 3)
    elif min(len(digits_a), len(digits_b)) >= 4 and Levenshtein.distance(digits_a, digits_b) <= 1:
        level = max(level, 2)
    if digits_a == digits_b and digits_a:
        return level
    if rest_a == "-" and rest_b == "-":
        return MISSING
    if len(rest_a) < len(a) or len(rest_b) < len(b):
        return min(level, 3 if rest > 90 else 2 if rest > 80 else 1 if rest > 60 else 0)
    return level


def _phone(a: Columns, b: Columns) -> Levels:
    out = np.where(_both(a.phone, b.phone), EXACT[7], MISSING).astype(np.int8)
    different = ~_equal(a.phone, b.phone) | ~_equal(a.extension, b.extension)
    rows, (x, y, ex, ey) = _rows((out != MISSING) & different, a.phone, b.phone, a.extension, b.extension)
    edits = _similarity(x, y, Levenshtein.distance)
    out[rows] = np.fromiter(map(_phone_level, x, y, ex, ey, edits.tolist()), np.int8, count=len(x))
    return out


def _phone_level(a: str, b: str, extension_a: str, extension_b: str, edits: float) -> int:
    if extension_a and extension_b and extension_a != extension_b:
        edits += Levenshtein.distance(extension_a, extension_b)
    elif min(len(a), len(b)) >= 8 and (a.endswith(b) or b.endswith(a)):
        return 4
    if edits <= 1:
        return 4 if edits == 0 else 3
    if edits <= 2 or (a[-7:] == b[-7:] and extension_a == extension_b):
        return 2
    return 1 if edits <= 4 else 0


def _occupation(a: Column, b: Column) -> Levels:
    out = np.where(_both(a, b), EXACT[13], MISSING).astype(np.int8)
    rows, (x, y) = _rows((out != MISSING) & ~_equal(a, b), a, b)
    out[rows] = _graded(_similarity(x, y, JaroWinkler.similarity), 0.7, 0.9)
    return out
