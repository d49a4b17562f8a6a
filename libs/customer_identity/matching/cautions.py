"""What must hold beside the score before two records count as one person: households, shared contacts, namesakes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import JaroWinkler, Levenshtein

from customer_identity.comparison import fields as f
from customer_identity.normalise.names import sound
from customer_identity.normalise.nicknames import initials, nickname_roots
from customer_identity.normalise.record import NormalisedRecord

Flags = NDArray[np.bool_]
_UNLIKE: Final = 0.6  # Jaro-Winkler
_SOUNDS_ALIKE: Final = 0.8  # Jaro-Winkler of names of one sound: Sophie and Sauphie, not Luke and Leica
_OF_WOMEN: Final = frozenset({"a", "e", "ia", "ina", "ine", "ette", "elle", "le", "la", "na", "ne"})
_SLIP: Final = 3  # level of given names
_EXCHANGED: Final = f.EXACT[f.GIVEN] - 1  # with the family name
_FAMILY_SLIP: Final = f.EXACT[f.FAMILY] - 1
_GENERATIONS: Final = frozenset({"jr", "sr"})  # written where father and son have one name
_NEARLY: Final = 2  # level of birth dates: nobody's partner is born within a slip or two of the day
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
    beyond_what_is_shared: Flags
    """One name, equal in more than what is contested: it may be certain, and a person looks at it all the same."""

    @property
    def unproved(self) -> Flags:
        """Contested, and nothing else proves that it is one person."""
        out: Flags = self.contested & ~self.beyond_what_is_shared
        return out

    def one(self, row: int) -> "Cautions":
        """The flags of one pair."""
        return Cautions(*(getattr(self, name)[[row]] for name in self.__slots__))

    def spread(self, rows: NDArray[np.intp], count: int) -> "Cautions":
        """The same flags, which are of these rows, for `count` pairs; the others have none."""
        out = np.zeros((len(self.__slots__), count), bool)
        for at, name in enumerate(self.__slots__):
            out[at, rows] = getattr(self, name)
        return Cautions(*out)

    def limited(self, logit: NDArray[np.float64], levels: NDArray[np.int8]) -> NDArray[np.float64]:
        """The scores under the limits these flags set."""
        same_household = (
            (levels[:, f.ADDRESS] >= 2)
            | (levels[:, f.PHONE] == f.EXACT[f.PHONE])
            | (levels[:, f.EMAIL] >= f.EXACT[f.EMAIL] - 1)
            | ((levels[:, f.POSTCODE] == f.EXACT[f.POSTCODE]) & (levels[:, f.BIRTH_DATE] == f.MISSING))
        )
        other_id = levels[:, f.NATIONAL_ID] != f.EXACT[f.NATIONAL_ID]
        # of the people of one company two may have one given name; whose name changes keeps the birth date
        colleagues = self.unproved & (levels[:, f.GIVEN] == f.EXACT[f.GIVEN]) & (levels[:, f.FAMILY] == 0)
        colleagues &= levels[:, f.BIRTH_DATE] != f.EXACT[f.BIRTH_DATE]
        two_people = ((self.other_given_name & same_household) | colleagues) & other_id
        out = np.where(two_people, np.minimum(logit, -2.0), logit)
        out = np.where(self.unproved | self.name_only, np.minimum(out, 2.2), out)
        return np.where(self.suffix_conflict, np.minimum(out, -2.2), out)


def other_given_name(
    a: NormalisedRecord, b: NormalisedRecord, level: int, *, known_a: bool, known_b: bool, same_family: bool
) -> bool:
    """True when the given names are two names and not two spellings of one (the people of one household have them).

    `level` is the given-name level; `known_…` that the name is in a nickname group or was seen often enough.
    """
    x, y = a.given, b.given
    if not x or not y or x == y or level >= 3 or x.isascii() != y.isascii():
        return False
    if x.isascii() and 1 in (len(x), len(y)):
        return x[0] != y[0] and min(x, y, key=len) not in initials(a.roots or b.roots)
    if _goes_by_a_middle_name(a, b):
        return False
    if x.startswith(y) or y.startswith(x):
        return False
    if sound(x) == sound(y) and not (a.roots and b.roots) and JaroWinkler.similarity(x, y) >= _SOUNDS_ALIKE:
        return False
    distance = Levenshtein.distance(x, y)
    if known_a and known_b and min(len(x), len(y)) >= 3 and distance >= 2 and x[:3] != y[:3]:
        return True
    return same_family and distance >= 2 and JaroWinkler.similarity(x, y) < 0.75


def unlike_given_names(a: NormalisedRecord, b: NormalisedRecord) -> bool:
    """True when the given names are hardly two spellings of one, nor given and family name exchanged."""
    if not (a.given and b.given) or a.given.isascii() != b.given.isascii():
        return False
    if a.roots and b.roots and not set(a.roots.split()).isdisjoint(b.roots.split()):
        return False
    if 1 in (len(a.given), len(b.given)) and a.given[0] == b.given[0]:
        return False
    if _goes_by_a_middle_name(a, b):
        return False
    straight = JaroWinkler.similarity(a.given, b.given)
    crossed = min(JaroWinkler.similarity(a.given, b.family), JaroWinkler.similarity(a.family, b.given))
    return max(straight, crossed) < _UNLIKE


def _goes_by_a_middle_name(a: NormalisedRecord, b: NormalisedRecord) -> bool:
    """Whether a given name of the two is among the other's middle names."""
    return a.given in b.middle.split() or b.given in a.middle.split()


def unlike_family_names(a: NormalisedRecord, b: NormalisedRecord) -> bool:
    """True when both are known and hardly two spellings of one."""
    if not (a.family and b.family) or a.family.isascii() != b.family.isascii():
        return False
    return JaroWinkler.similarity(a.family, b.family) < _UNLIKE


def flags(
    levels: NDArray[np.int8],
    pairs: Sequence[tuple[NormalisedRecord, NormalisedRecord]],
    contested: Flags,
    known_left: Flags,
    known_right: Flags,
    *,
    own_mail: Flags,
) -> Cautions:
    """Everything the grades look at beside the score.

    `known_…`: that side's given name is a name and no slip. `own_mail`: no other people have the e-mail addresses.
    """
    count = len(pairs)
    given_weak = np.fromiter((_says_little(a.given) or _says_little(b.given) for a, b in pairs), bool, count=count)
    for row in np.flatnonzero((levels[:, f.GIVEN] == f.MISSING) & ~given_weak).tolist():  # one name, the family's
        given_weak[row] = pairs[row][0].given.isascii() == pairs[row][1].given.isascii()
    several = np.fromiter((bool(a.several or b.several) for a, b in pairs), bool, count=count)
    one_suffix = np.fromiter((a.suffix + b.suffix in _GENERATIONS for a, b in pairs), bool, count=count)
    anchored = (levels[:, f.BIRTH_DATE] == f.EXACT[f.BIRTH_DATE]) | (levels[:, f.NATIONAL_ID] == f.EXACT[f.NATIONAL_ID])
    father_or_son = one_suffix & ~anchored & (levels[:, f.EMAIL] != f.EXACT[f.EMAIL])
    for row in np.flatnonzero(given_weak & ~anchored & (levels[:, f.EMAIL] == f.EXACT[f.EMAIL])).tolist():
        anchored[row] = levels[row, f.BIRTH_DATE] >= _NEARLY or _own_address(*pairs[row])
    names = (f.GIVEN, f.FAMILY, f.MIDDLE, f.SUFFIX, f.GENDER, f.REGION)
    besides = [column for column in range(len(f.FIELDS)) if column not in names]
    agrees: Flags = levels[:, besides] >= np.array([2, 3, 2, 2, 2, 2, 2, 2])
    return Cautions(
        contested=contested,
        other_given_name=_other_given_names(levels, pairs, known_left, known_right),
        suffix_conflict=levels[:, f.SUFFIX] == 0,
        name_only=np.logical_not(agrees.any(axis=1)),
        weak_given_name=(given_weak & ~anchored) | several | father_or_son,
        doubtful_given_name=_doubtful_names(levels, pairs),
        contradicted=(levels[:, f.BIRTH_DATE] == 0) | (levels[:, f.NATIONAL_ID] == 0),
        look_alike=np.fromiter((bool(a.look_alike or b.look_alike) for a, b in pairs), bool, count=count),
        beyond_what_is_shared=_beyond_what_is_shared(levels, pairs, own_mail & contested),
    )


def _beyond_what_is_shared(
    levels: NDArray[np.int8], pairs: Sequence[tuple[NormalisedRecord, NormalisedRecord]], own_mail: Flags
) -> Flags:
    """Where two records of one name agree in more than what several people share.

    In an e-mail address with that name in it that is nobody else's, an identity number, or birth date and dwelling.
    """
    given, family = levels[:, f.GIVEN], levels[:, f.FAMILY]
    named = ((given >= _SLIP) & (family >= _FAMILY_SLIP)) | (given == _EXCHANGED)
    mail = own_mail & named & (levels[:, f.EMAIL] == f.EXACT[f.EMAIL])
    for row in np.flatnonzero(mail).tolist():
        mail[row] = _has_its_name(pairs[row][0]) or _has_its_name(pairs[row][1])
    born = (levels[:, f.BIRTH_DATE] == f.EXACT[f.BIRTH_DATE]) & (levels[:, f.ADDRESS] == f.EXACT[f.ADDRESS])
    number = levels[:, f.NATIONAL_ID] == f.EXACT[f.NATIONAL_ID]
    out: Flags = named & (mail | number | born)
    return out


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


def _doubtful_names(levels: NDArray[np.int8], pairs: Sequence[tuple[NormalisedRecord, NormalisedRecord]]) -> Flags:
    """Given names two slips apart in one family, two names however alike (Mark, Mary), numbered names."""
    given, family = levels[:, f.GIVEN], levels[:, f.FAMILY]
    born = levels[:, f.BIRTH_DATE] == f.EXACT[f.BIRTH_DATE]
    unequal = ((given >= 0) & (given < f.EXACT[f.GIVEN])) | ((family >= 0) & (family < f.EXACT[f.FAMILY]))
    rows = np.flatnonzero(unequal)
    out = np.zeros(len(pairs), bool)
    for row in rows.tolist():
        a, b = pairs[row]
        slips = family[row] == f.EXACT[f.FAMILY] and given[row] < _SLIP and _two_slips_apart(a.given, b.given)
        numbered = _numbered(a.given + a.family) and _numbered(b.given + b.family)
        exchanged = given[row] == _EXCHANGED
        out[row] = slips or numbered or (_other_when_exchanged(a, b, born[row]) if exchanged else two_names(a, b))
    return out


def _other_when_exchanged(a: NormalisedRecord, b: NormalisedRecord, born: object) -> bool:
    """Anderson Denise and Dennis Anderson: names that stand crosswise are looked at as if they stood straight.

    Those born on one day may be two slips apart: hardly any twins have names alike that are also exchanged.
    """
    crossed = [(x, y) for x, y in ((a.given, b.family), (a.family, b.given)) if x and y]
    return any(_not_one_name(x, y) or (not born and _two_slips_apart(x, y)) for x, y in crossed)


def two_names(a: NormalisedRecord, b: NormalisedRecord) -> bool:
    """True for given names that are not one, however alike: of two families of names, or of a man and a woman."""
    return _not_one_name(a.given, b.given)


def _not_one_name(one: str, other: str) -> bool:
    x, y = sorted((one, other), key=len)
    if x == y or not x:
        return False
    roots = [nickname_roots(name) for name in (x, y)]
    if all(roots):
        return set(roots[0]).isdisjoint(roots[1])
    return (y.startswith(x) and y[len(x) :] in _OF_WOMEN) or (x[:-1] == y[:-1] and {x[-1], y[-1]} == {"a", "o"})


def _numbered(names: str) -> bool:
    return any(letter.isdigit() for letter in names)


def _own_address(a: NormalisedRecord, b: NormalisedRecord) -> bool:
    """Whether an equal e-mail address is in the given name that one of the two has: a family's may be anybody's."""
    given = max(a.given, b.given, key=len)
    return len(given) >= 3 and (given in a.email_local or given in b.email_local)


def _has_its_name(record: NormalisedRecord) -> bool:
    """Whether the e-mail address has the given or the family name in it."""
    names = (record.given, *record.family.split())
    return any(len(name) >= 3 and name in record.email_local for name in names)


def _says_little(given: str) -> bool:
    """Blank or an initial; a name of one letter is whole in scripts that write words."""
    return not given or (len(given) == 1 and given.isascii())


def _two_slips_apart(a: str, b: str) -> bool:
    """Mark and Marsha, of one family: twins share all but such names. Initials and beginnings are no slips."""
    return bool(a and b) and not a.startswith(b) and not b.startswith(a) and Levenshtein.distance(a, b) >= 2
