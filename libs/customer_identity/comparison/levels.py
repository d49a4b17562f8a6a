"""Levels of agreement of many pairs at once (numpy and rapidfuzz; about 3 microseconds a pair).

Every function gives one int8 level a pair, -1 where either of the two lacks the field. What is equal, or absent, is
seen for all pairs at once; only what is left is looked at value by value.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import JaroWinkler, Levenshtein
from rapidfuzz.fuzz import ratio

from customer_identity.comparison.fields import EXACT, FIELDS, MISSING
from customer_identity.comparison.pairs import Flags, Levels, Pairs, similarity
from customer_identity.comparison.places import address_levels, city_levels, edit_levels
from customer_identity.normalise.contacts import SHARED_MAILBOXES
from customer_identity.normalise.names import without_particles
from customer_identity.normalise.nicknames import initials
from customer_identity.normalise.record import NormalisedRecord
from customer_identity.normalise.text import digits_of

_UMLAUT: Final = re.compile("([aou])e")


def compare(lefts: Sequence[NormalisedRecord], rights: Sequence[NormalisedRecord]) -> Levels:
    """Level matrix (pairs x fields) of pairs given as two equally long lists of records."""
    places = np.arange(len(lefts))
    records = [*lefts, *rights]
    return compare_pairs(lambda column: [record[column] for record in records], places, places + len(lefts))


def compare_pairs(column: Callable[[int], Sequence[str]], left: NDArray[np.intp], right: NDArray[np.intp]) -> Levels:
    """Level matrix (pairs x fields) of the records at `left[i]` and `right[i]`.

    `column` gives all records' values of a place in NormalisedRecord.
    """
    out = np.full((len(left), len(FIELDS)), MISSING, dtype=np.int8)
    if not len(left):
        return out
    pairs = Pairs(column, left, right)
    out[:, 0], out[:, 1] = _names(pairs)
    out[:, 2] = _middle(pairs)
    out[:, 3] = np.where(pairs.both("suffix"), pairs.equal("suffix"), MISSING)
    out[:, 4] = _gender(pairs)
    out[:, 5] = _birth_date(pairs)
    out[:, 6] = _email(pairs)
    out[:, 7] = _phone(pairs)
    out[:, 8] = address_levels(pairs)
    apart = out[:, 8] == MISSING
    out[:, 9] = edit_levels(pairs, "postcode", apart)
    out[:, 10] = city_levels(pairs, apart)
    out[:, 11] = np.where(apart & pairs.both("region"), pairs.equal("region"), MISSING)
    out[:, 12] = edit_levels(pairs, "national_id", np.ones(len(left), bool))
    out[:, 13] = _occupation(pairs)
    return out


def _start(both: Flags, level: int) -> Levels:
    """This level where both records have the field."""
    out: Levels = np.where(both, np.int8(level), np.int8(MISSING))
    return out


def _graded(values: NDArray[np.float32], *bounds: float) -> Levels:
    """How many of the rising bounds each value exceeds."""
    return np.searchsorted(np.asarray(bounds, np.float32), values, side="left").astype(np.int8)


def _mapped(function: Callable[..., int], *columns: Sequence[Any]) -> Levels:
    return np.fromiter(map(function, *columns), np.int8, count=len(columns[0]))


def _names(pairs: Pairs) -> tuple[Levels, Levels]:
    """Given and family name together, because people write one where the other belongs."""
    given = _start(pairs.both("given"), EXACT[0])
    family = _start(pairs.both("family"), EXACT[1])
    rows = np.flatnonzero((given != MISSING) & ~pairs.equal("given"))
    x, y = pairs.values("given", rows)
    alike = _graded(similarity(x, y, JaroWinkler.similarity), 0.7, 0.85, 0.92)
    given[rows] = np.maximum(alike, _mapped(_related_given, x, y, *pairs.values("roots", rows)))
    _among_middle_names(pairs, given)
    given[rows[_in_two_scripts(x, y)]] = MISSING
    rows = np.flatnonzero((family != MISSING) & ~pairs.equal("family"))
    x, y = pairs.values("family", rows)
    alike = _graded(similarity(x, y, JaroWinkler.similarity), 0.7, 0.85, 0.92)
    several = [at for at, (p, q) in enumerate(zip(x, y, strict=True)) if " " in p or " " in q]
    alike[several] = np.maximum(alike[several], _mapped(_part_of_family, *([c[at] for at in several] for c in (x, y))))
    low = np.flatnonzero(alike < 3)
    names = ([column[at] for at in low.tolist()] for column in (x, y))
    alike[low] = np.maximum(alike[low], _mapped(_family_elsewhere, *names, *pairs.values("middle", rows[low])))
    family[rows] = alike
    family[rows[_in_two_scripts(x, y)]] = MISSING
    _exchange(pairs, given, family)
    _cut_elsewhere(pairs, given, family)
    return given, family


def _among_middle_names(pairs: Pairs, given: Levels) -> None:
    """2 where a given name is among the other's middle names, which people go by; 3 where it is so both ways."""
    middle = pairs.has("middle", 0) | pairs.has("middle", 1)
    rows = np.flatnonzero(middle & (given >= 0) & (given < 3))
    columns = zip(*pairs.values("given", rows), *pairs.values("middle", rows), strict=True)
    either = [_is_word(y, middle_x) + _is_word(x, middle_y) for x, y, middle_x, middle_y in columns]
    given[rows] = np.maximum(given[rows], np.array([0, 2, 3], np.int8)[either])


def _is_word(word: str, words: str) -> bool:
    return word in words and word in words.split()


def _in_two_scripts(x: Sequence[str], y: Sequence[str]) -> list[bool]:
    """Where one name is in letters that have no reading here: nobody can say whether the two are one name."""
    return [p.isascii() != q.isascii() for p, q in zip(x, y, strict=True)]


def _family_elsewhere(a: str, b: str, middle_a: str, middle_b: str) -> int:
    """3 with and without 'von', or Mueller for Müller; 2 for a name among the other's middle names; else 0."""
    short, long = (a, b) if len(a) < len(b) else (b, a)
    if long.endswith(short) and without_particles(long) == short:
        return 3
    if long[0] == short[0] and "e" in long and _UMLAUT.sub(r"\1", long) == _UMLAUT.sub(r"\1", short):
        return 3
    return 2 if _is_word(a, middle_b) or _is_word(b, middle_a) else 0


def _cut_elsewhere(pairs: Pairs, given: Levels, family: Levels) -> None:
    """Names written without a space between them are one when the whole is, wherever it was cut."""
    rows = np.flatnonzero((given >= 0) & (given < EXACT[0]) & (family >= 0) & (family < EXACT[1]))
    ga, gb = pairs.values("given", rows)
    for at, one in enumerate(ga):
        if not one.isascii():
            fa, fb = (side[0] for side in pairs.values("family", rows[[at]]))
            if fa + one == fb + gb[at]:
                given[rows[at]], family[rows[at]] = EXACT[0], EXACT[1]


def _exchange(pairs: Pairs, given: Levels, family: Levels) -> None:
    """Names that fit no better where they stand than crosswise."""
    open_ = (given < 3) & (family < 3)
    crossed = np.flatnonzero(open_ & pairs.crossed("given", "family") & pairs.crossed("family", "given"))
    ga, fb = pairs.values("given", crossed)[0], pairs.values("family", crossed)[1]
    fa, gb = pairs.values("family", crossed)[0], pairs.values("given", crossed)[1]
    first = similarity(ga, fb, JaroWinkler.similarity) > 0.85
    likely = np.flatnonzero(first)
    fa_likely, gb_likely = ([column[at] for at in likely.tolist()] for column in (fa, gb))
    second = similarity(fa_likely, gb_likely, JaroWinkler.similarity) > 0.85
    names = zip(fa, gb, ga, fb, strict=True)
    abbreviated = [at for at, (p, q, r, s) in enumerate(names) if (p == q or r == s) and _initialled(p, q, r, s)]
    for swapped in (crossed[likely[second]], crossed[abbreviated]):
        given[swapped], family[swapped] = 4, MISSING
    for side in (0, 1):
        _one_name(pairs, side, given, family)


def _initialled(family_a: str, given_b: str, given_a: str, family_b: str) -> bool:
    """S. Young and Young Sheila: one of two names that stand crosswise is equal, the other an initial."""
    one, other = (given_a, family_b) if family_a == given_b else (family_a, given_b)
    return one[0] == other[0] and 1 in {len(one), len(other)}


def _one_name(pairs: Pairs, side: int, given: Levels, family: Levels) -> None:
    """Where a side has but one name it may be either of the other's: what column it was put in tells nothing then."""
    for column, other in (("given", "family"), ("family", "given")):
        lone = pairs.has(column, side) & ~pairs.has(other, side) & pairs.has(other, 1 - side)
        rows = np.flatnonzero(lone & (given < 3) & (family < 3))
        x, y = pairs.values(column, rows)[side], pairs.values(other, rows)[1 - side]
        exchanged = rows[similarity(x, y, JaroWinkler.similarity) > 0.92]
        if other == "given":
            given[exchanged], family[exchanged] = 4, MISSING
        else:  # what stands in the given name's column is the family name: of the given name nothing is known
            given[exchanged], family[exchanged] = MISSING, 3


def _related_given(a: str, b: str, roots_a: str, roots_b: str) -> int:
    """3 for nicknames of one name, 2 for an initial or the beginning of the other, else 0."""
    if roots_a and roots_b and (roots_a == roots_b or not set(roots_a.split()).isdisjoint(roots_b.split())):
        return 3
    if a[0] != b[0]:
        return 2 if (len(a) == 1 and a in initials(roots_b)) or (len(b) == 1 and b in initials(roots_a)) else 0
    short, long = (a, b) if len(a) < len(b) else (b, a)
    return 2 if long.startswith(short) and len(short) != 2 else 0


def _part_of_family(a: str, b: str) -> int:
    """3 for one name spaced differently, 2 when one is a word of the other (half of a double name), else 0."""
    if a.replace(" ", "") == b.replace(" ", ""):
        return 3
    return 2 if a in b.split() or b in a.split() else 0


def _middle(pairs: Pairs) -> Levels:
    out = _start(pairs.both("middle"), EXACT[2])
    rows = np.flatnonzero((out != MISSING) & ~pairs.equal("middle"))
    x, y = pairs.values("middle", rows)
    initials = [p[0] == q[0] and 1 in (len(p), len(q)) for p, q in zip(x, y, strict=True)]
    out[rows] = np.where(initials, 2, similarity(x, y, JaroWinkler.similarity) > 0.8)
    return out


def _gender(pairs: Pairs) -> Levels:
    """Opposite sexes say more than two different words for something else."""
    out = _start(pairs.both("gender"), EXACT[4])
    rows = np.flatnonzero((out != MISSING) & ~pairs.equal("gender"))
    out[rows] = [0 if {p, q} == {"m", "f"} else 1 for p, q in zip(*pairs.values("gender", rows), strict=True)]
    return out


def _birth_date(pairs: Pairs) -> Levels:
    out = _start(pairs.both("birth_date"), EXACT[5])
    rows = np.flatnonzero((out != MISSING) & ~pairs.equal("birth_date"))
    x, y = pairs.values("birth_date", rows)
    edits = similarity(x, y, Levenshtein.distance)
    out[rows] = _mapped(_date_level, x, y, edits.tolist(), *pairs.values("birth_date_ambiguous", rows))
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


def _email(pairs: Pairs) -> Levels:
    """Likeness of two addresses, with what the persons' own names explain taken out."""
    out = _start(pairs.both("email_local"), 0)
    same_local = (out != MISSING) & pairs.equal("email_local")
    rows = np.flatnonzero(same_local)
    domains = zip(*pairs.values("email_domain", rows), strict=True)
    same_domain = [not x or not y or x == y or Levenshtein.distance(x, y) <= 2 for x, y in domains]
    explained = ["-" in rests for rests in zip(*pairs.values("email_rest", rows), strict=True)]
    out[rows] = np.where(same_domain, 5, np.where(explained, MISSING, 4))
    rows = np.flatnonzero((out != MISSING) & ~same_local)
    la, lb = pairs.values("email_local", rows)
    ra, rb = pairs.values("email_rest", rows)
    out[rows] = _mapped(_local_level, la, lb, ra, rb, similarity(la, lb, ratio).tolist())
    return out


def _local_level(a: str, b: str, rest_a: str, rest_b: str, whole: float) -> int:
    if (a in SHARED_MAILBOXES) != (b in SHARED_MAILBOXES):
        return MISSING
    digits_a, digits_b = digits_of(a), digits_of(b)
    level = _alike(whole)
    if len(digits_a) >= 4 and len(digits_b) >= 4:
        if digits_a == digits_b:
            level = max(level, 3)
        elif level < 2 and Levenshtein.distance(digits_a, digits_b, score_cutoff=1) <= 1:
            level = 2
    if digits_a == digits_b and digits_a:
        return level
    if rest_a == "-" and rest_b == "-":
        return MISSING
    if level and (len(rest_a) < len(a) or len(rest_b) < len(b)):
        return min(level, _alike(ratio(rest_a, rest_b)))
    return level


def _alike(percent: float) -> int:
    return 3 if percent > 90 else 2 if percent > 80 else 1 if percent > 60 else 0


def _phone(pairs: Pairs) -> Levels:
    out = _start(pairs.both("phone"), EXACT[7])
    rows = np.flatnonzero((out != MISSING) & ~(pairs.equal("phone") & pairs.equal("extension")))
    x, y = pairs.values("phone", rows)
    edits = similarity(x, y, Levenshtein.distance)
    out[rows] = 0
    # Most numbers have nothing in common; the others are looked at one by one.
    near = np.flatnonzero(
        (edits <= 4) | np.fromiter((p[-7:] == q[-7:] for p, q in zip(x, y, strict=True)), bool, len(x))
    )
    numbers = ([column[at] for at in near.tolist()] for column in (x, y))
    extensions = pairs.values("extension", rows[near])
    out[rows[near]] = _mapped(_phone_level, *numbers, *extensions, edits[near].tolist())
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


def _occupation(pairs: Pairs) -> Levels:
    out = _start(pairs.both("occupation"), EXACT[13])
    rows = np.flatnonzero((out != MISSING) & ~pairs.equal("occupation"))
    out[rows] = _graded(similarity(*pairs.values("occupation", rows), JaroWinkler.similarity), 0.7, 0.9)
    return out
