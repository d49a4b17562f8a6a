"""Dates of birth in the formats people type."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from customer_identity.normalise.text import CACHE_SIZE, fold

# The beginnings of the months' names in English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Nordic
# languages, and in Russian as it is transliterated here.
_MONTH_NAMES: Final = (
    "jan ene gen janv sty yan|feb fev fevr lut|mar maa mrt mars|apr avr abr kwi|may mai mei mag maj|jun juin giu cze "
    "iyun|jul juil lug lip iyul|aug aou ago sie avg|sep set wrz sen|"
    "oct okt ott out paz|nov lis noy|dec dez dic gru des dek"
)
_MONTHS: Final = {
    name: number for number, names in enumerate(_MONTH_NAMES.split("|"), start=1) for name in names.split(" ")
}
_ERAS: Final = {"明治": 1867, "大正": 1911, "昭和": 1925, "平成": 1988, "令和": 2018, "m": 1867, "t": 1911, "s": 1925,
                "h": 1988, "r": 2018}  # fmt: skip
_ERA: Final = re.compile(r"(明治|大正|昭和|平成|令和|(?<![a-z])[mtshr](?=\d))\s*(\d{1,2}|元)(?=\D)")
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d")
_BUDDHIST: Final = range(2400, 2600)  # Thai calendars count 543 years more
_PLACEHOLDERS: Final = frozenset({"19000101", "19010101", "19700101", "99991231", "00010101", "11111111", "18000101"})
_MONTH_FIRST_COUNTRIES: Final = frozenset({"us", "usa", "united states", "ca", "canada", "ph", ""})
_OLDEST_YEAR, _LATEST_YEAR = 1000, 9998  # also what is but a slip away from a year
_MOST_NUMBERS: Final = 7  # three of the date, four of a time beside it
_PIVOT: Final = 25  # a two-digit year up to this one is of this century: nobody is born in the future


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
    if _ISO.fullmatch(raw):
        return _year_first(int(raw[:4]), int(raw[5:7]), int(raw[8:]))
    text = fold(raw)
    if re.match(r"\d{4}-\d\d-\d\dt", text):
        text = text.split("t")[0]
    text = _ERA.sub(lambda found: f"{_ERAS[found[1]] + (1 if found[2] == '元' else int(found[2])):04d}", text)
    numbers = re.findall(r"\d+", text)
    if len(numbers) > _MOST_NUMBERS:
        return _NONE
    month = next(filter(None, map(_month, re.findall(r"[a-z]{3,}", text))), 0)
    if month and len(numbers) >= 2:
        return _with_month_name(numbers, month)
    if len(numbers) == 1 and len(numbers[0]) == 8:
        return _compact(numbers[0])
    if len(numbers) < 3 or max(map(len, numbers[:3])) > 4:
        return _NONE
    a, b, c = numbers[:3]
    if len(a) == 4:
        return _year_first(int(a), int(b), int(c))
    if len(a) == 2 and int(a) > 31 and len(c) <= 2:
        return _year_first(_year(a), int(b), int(c))
    return _year_last(int(a), int(b), _year(c), month_first=fold(country) in _MONTH_FIRST_COUNTRIES and "." not in text)


def _month(word: str) -> int:
    return _MONTHS.get(word[:4]) or _MONTHS.get(word[:3], 0)


def _with_month_name(numbers: list[str], month: int) -> BirthDate:
    """Day and year beside a month's name: the year has four digits, or comes last."""
    one, other = numbers[:2]
    year, day = (one, other) if len(one) == 4 else (other, one)
    return _checked(_year(year), month, int(day), ambiguous=False) if len(year) in {2, 4} and len(day) <= 2 else _NONE


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
    year = year - 543 if year in _BUDDHIST else year
    ymd = f"{year:04d}{month:02d}{day:02d}"
    known = _OLDEST_YEAR <= year <= _LATEST_YEAR and (month or day) and month <= 99 and day <= 99
    return BirthDate(ymd, ambiguous) if known and ymd not in _PLACEHOLDERS else _NONE


def _in_calendar(ymd: str) -> bool:
    return 1 <= int(ymd[4:6]) <= 12 and 1 <= int(ymd[6:]) <= 31
