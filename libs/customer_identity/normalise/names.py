"""Person names: one given name, the middle ones, one family name, a suffix; nicknames as shared roots."""

import re
import unicodedata
from functools import lru_cache
from itertools import takewhile
from typing import Final, NamedTuple

from customer_identity.normalise.nicknames import nickname_roots
from customer_identity.normalise.placeholders import is_placeholder
from customer_identity.normalise.scripts import FAMILY_FIRST
from customer_identity.normalise.text import CACHE_SIZE, fold, word_set, words

# Words that are titles wherever they stand, and words that are titles before a name and names elsewhere.
_TITLES: Final = word_set(
    """
    mr mrs ms miss mx dr prof professor sir dame lady lord rev reverend revd sister hon honourable
    honorable capt captain gen maj lt lieutenant sgt sergeant cpl adm admiral cmdr
    commander baroness countess viscount viscountess marquess princess
    imam archbishop herr frau madame monsieur señor senor senora srta sra mme mlle dott dottssa sig mevr dhr doctor
    """
)
_TITLES_BEFORE_NAMES: Final = word_set(
    """
    duchess st saint col colonel fr father general count rabbi bishop cardinal canon sr
    """
)
# More often given names: titles only before a whole name. Dean Martin is no dean, Dean John Martin is one.
_TITLES_BEFORE_WHOLE_NAMES: Final = word_set("dean major earl duke don dona prince justice marshal baron judge")
_AFTER_A_TITLE: Final = word_set("med jur rer habil ing dipl mag hc")  # Dr. med., Prof. Dr. h.c.
_SUFFIXES: Final = dict.fromkeys(("jr", "junior", "jnr"), "jr") | dict.fromkeys(("sr", "senior", "snr"), "sr")
_SUFFIXES.update({"ii": "ii", "2nd": "ii", "iii": "iii", "3rd": "iii", "iv": "iv", "4th": "iv"})
_POST_NOMINALS: Final = word_set(
    """
    phd md dds esq obe mbe cbe kbe qc kc mp jp bt baronet rn cpa dvm
    """
)
_PARTICLES: Final = word_set(
    """
    de da do dos das del della di du la le van von der den ten ter al el bin ibn mc mac o st san dela
    """
)


# In names of several people at once; 'e' and 'y' join the two family names of one person.
_JOINT: Final = re.compile(r"(?:^|\s)(?:&|\+|and|und|et)\s|[a-z]{2,}/[a-z]{2,}")
_HOUSEHOLD: Final = word_set("family household familie famille familia fam")
_NO_NAMES: Final = _TITLES | _HOUSEHOLD | {"the"}
# Together they tell that the family name comes first: Phan Van Lan; in the other order the last word is a family name.
_VIETNAMESE_FAMILIES: Final = word_set(
    "nguyen tran le pham hoang huynh phan vu vo dang bui do ho ngo duong ly truong dinh"
)
_VIETNAMESE_MIDDLE: Final = word_set("van thi huu duc ngoc minh thanh kim quoc xuan thu dinh anh hong")
_IRISH: Final = word_set(
    """
    brien connor neill neil reilly donnell sullivan hara keefe leary malley shea toole dwyer rourke grady callaghan
    connell donoghue driscoll gorman hagan halloran mahony mahoney meara riordan
    """
)
_MOST_WORDS: Final = 12  # of a name; what is longer is a sentence

_Words = tuple[str, ...]


class PersonName(NamedTuple):
    """A name ready to compare; every part lower-case ASCII where that is possible, empty when unknown."""

    given: str
    middle: str
    family: str
    suffix: str
    roots: str
    """Nickname groups of the given name, space separated."""
    several: bool
    """Whether it names several people or a household: it has a family name and no given one then."""


class _Parts(NamedTuple):
    given: _Words
    middle: _Words
    family: _Words
    suffix: str


@lru_cache(maxsize=CACHE_SIZE)
def parse_name(given: str, middle: str, family: str, full: str) -> PersonName:
    """Parts from their own columns; the full name is only taken apart when the columns leave nothing to compare."""
    parts = _parts(given, middle, family, full)
    several = _of_several(given) or _of_several(family) or (not given and _of_several(full))
    given_words, middle_words = _first_given(parts.given, parts.middle)
    family_words = parts.family
    if several:
        family_words = (family_words or given_words)[-1:]
        given_words, middle_words = (), ()
    if len(family_words) > 1 and family_words[0] == "o" and family_words[1] in _IRISH:
        family_words = ("o" + family_words[1], *family_words[2:])
    if given_words and len(family_words) > 1 and len(family_words[0]) == 1 and family_words[0].isascii():
        family_words, middle_words = family_words[1:], (*middle_words, family_words[0])
    first = given_words[0] if given_words else ""
    family_words = tuple(half for word in family_words for half in word.split("-"))
    return PersonName(
        first,
        " ".join(middle_words),
        _close_particles(family_words),
        parts.suffix,
        " ".join(nickname_roots(first)),
        several,
    )


def _parts(given: str, middle: str, family: str, full: str) -> _Parts:
    given_words, suffix_a = _clean(given)
    family_words, suffix_b = _clean(family, titles_before=False)
    middle_words, _ = _clean(middle)
    if full and not given_words and not family_words:
        split = _split_full(full)
        return split if split.suffix else split._replace(suffix=suffix_a or suffix_b)
    full_words, suffix_c = _clean(full) if full else ((), "")
    if not given_words and len(full_words) > 1 and family_words and full_words[0] != family_words[0]:
        given_words, middle_words = full_words[:1], full_words[1 : -len(family_words)]
    elif not middle_words and len(given_words) == 1 and len(full_words) > 1 + len(family_words):
        middle_words = tuple(w for w in full_words if w not in given_words and w not in family_words)
    return _Parts(given_words, middle_words, family_words, suffix_a or suffix_b or suffix_c)


def _first_given(given: _Words, middle: _Words) -> tuple[_Words, _Words]:
    """One given name; all others are middle names."""
    halves = tuple(half for word in given for half in word.split("-"))
    return halves[:1], halves[1:] + middle


@lru_cache(maxsize=CACHE_SIZE)
def _of_several(value: str) -> bool:
    folded = fold(value)
    return bool(_JOINT.search(folded)) or not _HOUSEHOLD.isdisjoint(folded.split())


@lru_cache(maxsize=CACHE_SIZE)
def _clean(value: str, *, titles_before: bool = True) -> tuple[_Words, str]:
    """Words without titles, letters after the name and suffixes; the suffix beside them."""
    value = " ".join(piece for piece in value.split() if not is_placeholder(fold(piece)))
    if not value or is_placeholder(fold(value)):
        return (), ""
    suffix = "i" if value.endswith(" I") else ""  # 'Morris I'; with a full stop it would be an initial
    value = value.removesuffix(" I")
    kept: list[str] = []
    parts = tuple(
        "-".join(words(piece))
        for piece in re.split(r"[\s,./]+", value)
        if words(piece) and not is_placeholder(fold(piece))
    )[:_MOST_WORDS]
    for position, word in enumerate(parts):
        if position and word in _SUFFIXES:
            suffix = _SUFFIXES[word]
        elif word in _NO_NAMES or (not kept and titles_before and _is_title_before(parts, position)):
            continue
        elif word not in _POST_NOMINALS and not is_placeholder(word) and not word.isdigit():
            kept.append("st" if word == "saint" else word)
    return tuple(kept), suffix


def _is_title_before(parts: _Words, position: int) -> bool:
    """A title that is a name elsewhere: more of the name comes after it."""
    word, after = parts[position], len(parts) - position - 1
    if word in _TITLES_BEFORE_WHOLE_NAMES:
        return after >= 2
    return after >= 1 and (word in _TITLES_BEFORE_NAMES or (position > 0 and word in _AFTER_A_TITLE))


def _split_full(full: str) -> _Parts:
    """Given, middle and family words of a free-form name, by nameparser, after titles and suffixes are off."""
    if is_placeholder(fold(full)):
        return _Parts((), (), (), "")
    if FAMILY_FIRST.search(full):
        return _split_family_first(full)
    if "," in full:
        before, _, after = full.partition(",")
        if fold(after).strip(" .") in _SUFFIXES:
            return _split_full(before)._replace(suffix=_SUFFIXES[fold(after).strip(" .")])
        family, suffix_a = _clean(before, titles_before=False)
        rest, suffix_b = _clean(after)
        while len(rest) > 1 and rest[-1] in _PARTICLES:  # 'Beethoven, Ludwig van'
            family, rest = (rest[-1], *family), rest[:-1]
        return _Parts(rest[:1], rest[1:], family, suffix_a or suffix_b)
    if found := _family_in_capitals(full):
        return _split_full(", ".join(found))
    kept, suffix = _clean(full)
    if len(kept) == 3 and kept[0] in _VIETNAMESE_FAMILIES and kept[1] in _VIETNAMESE_MIDDLE:
        return _Parts(kept[2:], kept[1:2], kept[:1], suffix)
    if len(kept) <= 2:
        return _Parts(kept[:1], (), kept[1:], suffix)
    if kept[-2] == "o" and kept[-1] in _IRISH:
        kept = (*kept[:-2], "o" + kept[-1])
    return _Parts(*_parse_free(" ".join(kept)), suffix)


def _family_in_capitals(full: str) -> tuple[str, str] | None:
    """(family, the rest) of DUPONT Jean, as in passports and in France: what comes after it has small letters."""
    pieces = full.split()
    capitals = list(takewhile(str.isupper, pieces))
    rest = pieces[len(capitals) :]
    if not capitals or not rest or not rest[0][0].isupper() or min(map(len, capitals)) < 2:
        return None
    family = " ".join(capitals)
    return (family, " ".join(rest)) if len(family) > 2 and words(family)[0] not in _TITLES else None


def _split_family_first(full: str) -> _Parts:
    """Chinese, Japanese and Korean order; without a space the lengths that nearly all names there have."""
    text = unicodedata.normalize("NFKC", full)
    if "・" in text:  # how names from elsewhere are written in kana, in their own order
        given, _, family = text.partition("・")
    else:
        family, _, given = text.strip().partition(" ")
    given, family = _HONORIFICS.sub("", given.strip()), family.strip()
    if not given and not _KANA_ALONE.fullmatch(family):
        whole = _HONORIFICS.sub("", family)
        at = 2 if len(whole) >= 4 else 1
        family, given = (whole[:at], whole[at:]) if len(whole) <= _LONGEST_UNSPACED else ("", whole)
    if not given:
        family, given = "", family
    return _Parts(words(given), (), words(family), "")


_HONORIFICS: Final = re.compile("(?<=.)(?:様|さま|さん|殿|氏|先生|씨|님)$")
_KANA_ALONE: Final = re.compile("[\u3040-\u30ff]+")
_LONGEST_UNSPACED: Final = 5


@lru_cache(maxsize=CACHE_SIZE)
def _parse_free(plain: str) -> tuple[_Words, _Words, _Words]:
    from nameparser import HumanName  # noqa: PLC0415 - loading its tables costs 50 ms that --help should not pay

    parsed = HumanName(plain)
    return tuple(str(parsed.first).split()), tuple(str(parsed.middle).split()), tuple(str(parsed.last).split())


def _close_particles(family: tuple[str, ...]) -> str:
    """'de la cruz' and 'delacruz' become one spelling; a double family name keeps its space."""
    out: list[str] = []
    pending = ""
    for word in family:
        pending += word
        if word not in _PARTICLES:
            out.append(pending)
            pending = ""
    if pending:
        out.append(pending)
    return " ".join(out)


_BEFORE: Final = re.compile(
    "(?:dela|delos|delas|vander|vanden|vonder|del|dos|das|de|da|do|di|du|van|von|ten|ter|al|el|bin|ibn|san)(?=.{4})"
)
_VOWELS: Final = re.compile("[aeiouyhw]")
# Spellings that sound alike, longer ones first.
_ALIKE: Final = "ph:f gh:g ck:k sch:s sh:s ch:k th:t wr:r kn:n x:ks q:k c:k z:s v:f d:t b:p g:k j:k"
_SOUND: Final = tuple(entry.split(":") for entry in _ALIKE.split(" "))


@lru_cache(maxsize=CACHE_SIZE)
def without_particles(family: str) -> str:
    """What is left of a closed-up family name without what stands before it: beethoven of vonbeethoven."""
    found = _BEFORE.match(family)
    return family[found.end() :] if found else family


@lru_cache(maxsize=CACHE_SIZE)
def sound(name: str) -> str:
    """A rough sound key: the first letter's class, then consonants by class without doubles (Kirby equals Kerby)."""
    plain = name.replace(" ", "")
    for written, heard in _SOUND:
        plain = plain.replace(written, heard)
    if not plain:
        return ""
    head = "a" if plain[0] in "aeiouyh" else plain[0]
    body = _VOWELS.sub("", plain[1:])
    out = head
    for letter in body:
        if letter != out[-1]:
            out += letter
    return out[:6]
