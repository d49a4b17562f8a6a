"""Dates of birth in the formats people type."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from customer_identity.normalise.text import CACHE_SIZE, fold

_MONTH_NAMES: Final = "jan feb mar apr may jun jul aug sep oct nov dec"
_MONTHS: Final = {name: number for number, name in enumerate(_MONTH_NAMES.split(), start=1)}
_PLACEHOLDERS: Final = frozenset({"19000101", "19010101", "19700101", "99991231", "00010101", "11111111", "18000101"})
_MONTH_FIRST_COUNTRIES: Final = frozenset({"us", "usa", "united states", "ca", "canada", "ph", ""})
_OLDEST_YEAR: Final = 1000
_PIVOT: Final = 30  # a two-digit year up to this one is of this century


class BirthDate(NamedTuple):
    """`ymd` is YYYYMMDD, empty when unknown; `ambiguous` when day and month could as well be the other way round.

    A month or day that no calendar has is kept: it is a slip of one, and the digits around it still tell.
    """

    ymd: str
    ambiguous: bool


_NONE: Final = BirthDate("", ambiguous=False)


@lru_cache(maxsize=CACHE_SIZE)
def parse_date(raw: str, country: str) -> BirthDate:
    """A date, or nothing when the text is none; the country decides 4/5 only where the text does not."""
    text = fold(raw).split("t")[0] if re.match(r"\d{4}-\d\d-\d\dt", fold(raw)) else fold(raw)
    numbers = re.findall(r"\d+", text)
    month_word = next((_MONTHS[w[:3]] for w in re.findall(r"[a-z]{3,}", text) if w[:3] in _MONTHS), 0)
    if month_word and len(numbers) == 2:
        year_first = len(numbers[0]) == 4
        year, day = (numbers[0], numbers[1]) if year_first else (numbers[1], numbers[0])
        return _checked(_year(year), month_word, int(day), ambiguous=False)
    if len(numbers) == 1 and len(numbers[0]) == 8:
        return _compact(numbers[0])
    if len(numbers) < 3 or len(numbers) > 6:
        return _NONE
    a, b, c = numbers[:3]
    if len(a) == 4:
        return _year_first(int(a), int(b), int(c))
    return _year_last(int(a), int(b), _year(c), month_first=fold(country) in _MONTH_FIRST_COUNTRIES and "." not in text)


def _compact(text: str) -> BirthDate:
    """Eight digits: the year first, unless only the year last gives a date of the calendar."""
    found = _year_first(int(text[:4]), int(text[4:6]), int(text[6:]))
    if found.ymd and _in_calendar(found.ymd):
        return found
    other = _year_last(int(text[:2]), int(text[2:4]), int(text[4:]), month_first=False)
    return other if other.ymd and _in_calendar(other.ymd) else found


def _year_first(year: int, second: int, third: int) -> BirthDate:
    """ISO order; a month above twelve means that day and month were exchanged."""
    if 12 < second <= 31 and third <= 12:
        return _checked(year, third, second, ambiguous=False)
    return _checked(year, second, third, ambiguous=False)


def _year_last(first: int, second: int, year: int, *, month_first: bool) -> BirthDate:
    if first > 12:
        return _checked(year, second, first, ambiguous=False)
    if second > 12:
        return _checked(year, first, second, ambiguous=False)
    month, day = (first, second) if month_first else (second, first)
    return _checked(year, month, day, ambiguous=month != day)


def _year(text: str) -> int:
    year = int(text)
    if len(text) > 2:
        return year
    return year + (2000 if year <= _PIVOT else 1900)


def _checked(year: int, month: int, day: int, *, ambiguous: bool) -> BirthDate:
    ymd = f"{year:04d}{month:02d}{day:02d}"
    known = _OLDEST_YEAR <= year <= 9999 and (month or day) and month <= 99 and day <= 99
    return BirthDate(ymd, ambiguous) if known and ymd not in _PLACEHOLDERS else _NONE


def _in_calendar(ymd: str) -> bool:
    return 1 <= int(ymd[4:6]) <= 12 and 1 <= int(ymd[6:]) <= 31
