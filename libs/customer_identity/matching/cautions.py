"""What must hold beside the score before two records count as one person: households, shared contacts, namesakes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import JaroWinkler, Levenshtein

from customer_identity.comparison import fields as f
from customer_identity.normalise.record import NormalisedRecord

Flags = NDArray[np.bool_]
_UNLIKE: Final = 0.6  # Jaro-Winkler
KNOWN_NAME_HOLDERS: Final = 3  # a given name seen this often is a name and no slip of another


@dataclass(frozen=True, slots=True)
class Cautions:
    """Flags of n pairs."""

    contested: Flags
    other_given_name: Flags
    suffix_conflict: Flags
    name_only: Flags
    weak_given_name: Flags
    doubtful_given_name: Flags
    contradicted: Flags
    look_alike: Flags

    def limited(self, logit: NDArray[np.float64], levels: NDArray[np.int8]) -> NDArray[np.float64]:
        """The scores under the limits these flags set."""
        same_household = (
            (levels[:, f.ADDRESS] >= 2)
            | (levels[:, f.PHONE] == f.EXACT[f.PHONE])
            | (levels[:, f.EMAIL] >= f.EXACT[f.EMAIL] - 1)
            | ((levels[:, f.POSTCODE] == f.EXACT[f.POSTCODE]) & (levels[:, f.BIRTH_DATE] == f.MISSING))
        )
        two_people = self.other_given_name & same_household & (levels[:, f.NATIONAL_ID] != f.EXACT[f.NATIONAL_ID])
        out = np.where(two_people, np.minimum(logit, -2.0), logit)
        out = np.where(self.contested | self.name_only, np.minimum(out, 2.2), out)
        return np.where(self.suffix_conflict, np.minimum(out, -2.2), out)


def other_given_name(
    a: NormalisedRecord, b: NormalisedRecord, level: int, *, known_a: bool, known_b: bool, same_family: bool
) -> bool:
    """True when the given names are two names and not two spellings of one (the people of one household have them).

    `level` is the given-name level; `known_…` that the name is in a nickname group or was seen often enough.
    """
    x, y = a.given, b.given
    if not x or not y or x == y or level >= 3:
        return False
    if 1 in (len(x), len(y)):
        return x[0] != y[0]
    if x.startswith(y) or y.startswith(x):
        return False
    distance = Levenshtein.distance(x, y)
    if known_a and known_b and min(len(x), len(y)) >= 3 and distance >= 2 and x[:3] != y[:3]:
        return True
    return same_family and distance >= 2 and JaroWinkler.similarity(x, y) < 0.75


def unlike_given_names(a: NormalisedRecord, b: NormalisedRecord) -> bool:
    """True when the given names are hardly two spellings of one, nor given and family name exchanged."""
    if not (a.given and b.given):
        return False
    if a.roots and b.roots and not set(a.roots.split()).isdisjoint(b.roots.split()):
        return False
    if 1 in (len(a.given), len(b.given)) and a.given[0] == b.given[0]:
        return False
    straight = JaroWinkler.similarity(a.given, b.given)
    crossed = min(JaroWinkler.similarity(a.given, b.family), JaroWinkler.similarity(a.family, b.given))
    return max(straight, crossed) < _UNLIKE


def unlike_family_names(a: NormalisedRecord, b: NormalisedRecord) -> bool:
    """True when both are known and hardly two spellings of one."""
    return bool(a.family and b.family) and JaroWinkler.similarity(a.family, b.family) < _UNLIKE


def flags(
    levels: NDArray[np.int8],
    pairs: Sequence[tuple[NormalisedRecord, NormalisedRecord]],
    contested: Flags,
    known_left: Flags,
    known_right: Flags,
) -> Cautions:
    """Everything the grades look at beside the score; `known_…`: that side's given name is a name and no slip."""
    count = len(pairs)
    given_weak = np.fromiter((min(len(a.given), len(b.given)) <= 1 for a, b in pairs), bool, count=count)
    anchored = (
        (levels[:, f.BIRTH_DATE] == f.EXACT[f.BIRTH_DATE])
        | (levels[:, f.NATIONAL_ID] == f.EXACT[f.NATIONAL_ID])
        | (levels[:, f.EMAIL] == f.EXACT[f.EMAIL])
    )
    names = (f.GIVEN, f.FAMILY, f.MIDDLE, f.SUFFIX, f.GENDER, f.REGION)
    besides = [column for column in range(len(f.FIELDS)) if column not in names]
    agrees: Flags = levels[:, besides] >= np.array([2, 3, 2, 2, 2, 2, 2, 2])
    return Cautions(
        contested=contested,
        other_given_name=_other_given_names(levels, pairs, known_left, known_right),
        suffix_conflict=levels[:, f.SUFFIX] == 0,
        name_only=np.logical_not(agrees.any(axis=1)),
        weak_given_name=given_weak & ~anchored,
        doubtful_given_name=np.fromiter((_two_slips_apart(a.given, b.given) for a, b in pairs), bool, count=count)
        & (levels[:, f.GIVEN] < 3)
        & (levels[:, f.FAMILY] == f.EXACT[f.FAMILY]),
        contradicted=(levels[:, f.BIRTH_DATE] == 0) | (levels[:, f.NATIONAL_ID] == 0),
        look_alike=np.fromiter((bool(a.look_alike or b.look_alike) for a, b in pairs), bool, count=count),
    )


def _other_given_names(
    levels: NDArray[np.int8],
    pairs: Sequence[tuple[NormalisedRecord, NormalisedRecord]],
    known_left: Flags,
    known_right: Flags,
) -> Flags:
    rows = zip(
        pairs,
        levels[:, f.GIVEN].tolist(),
        known_left.tolist(),
        known_right.tolist(),
        (levels[:, f.FAMILY] == f.EXACT[f.FAMILY]).tolist(),
        strict=True,
    )
    return np.fromiter(
        (
            other_given_name(a, b, level, known_a=one, known_b=other, same_family=same)
            for (a, b), level, one, other, same in rows
        ),
        bool,
        count=len(pairs),
    )


def _two_slips_apart(a: str, b: str) -> bool:
    """Mark and Marsha, of one family: twins share all but such names. Initials and beginnings are no slips."""
    return bool(a and b) and not a.startswith(b) and not b.startswith(a) and Levenshtein.distance(a, b) >= 2
