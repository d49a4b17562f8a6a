"""Person names: one given name, the middle ones, one family name, a suffix; nicknames as shared roots."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from customer_identity.normalise.nicknames import nickname_roots
from customer_identity.normalise.placeholders import is_placeholder
from customer_identity.normalise.text import CACHE_SIZE, fold, word_set, words

_TITLES: Final = word_set(
    """
    mr mrs ms miss mx dr prof professor sir dame lady lord rev reverend revd fr father sister hon honourable
    honorable capt captain col colonel gen general maj major lt lieutenant sgt sergeant cpl adm admiral cmdr
    commander baron baroness count countess earl duke duchess viscount viscountess marquess prince princess
    judge justice rabbi imam bishop archbishop cardinal canon dean saint st herr frau madame monsieur señor
    senor senora don dona doctor
    """
)
_SUFFIXES: Final = dict.fromkeys(("jr", "junior", "jnr"), "jr") | dict.fromkeys(("sr", "senior", "snr"), "sr")
_SUFFIXES.update({"ii": "ii", "2nd": "ii", "iii": "iii", "3rd": "iii", "iv": "iv", "4th": "iv"})
_TITLES_THAT_ARE_NAMES: Final = word_set("dean major earl duke don prince justice st col fr")
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


class PersonName(NamedTuple):
    """A name ready to compare; every part lower-case ASCII where that is possible, empty when unknown."""

    given: str
    middle: str
    family: str
    suffix: str
    roots: str
    """Nickname groups of the given name, space separated."""


@lru_cache(maxsize=CACHE_SIZE)
def parse_name(given: str, middle: str, family: str, full: str) -> PersonName:
    """Parts from their own columns; the full name is only taken apart when the columns leave nothing to compare."""
    given_words, suffix_a = _clean(given)
    family_words, suffix_b = _clean(family)
    middle_words, _ = _clean(middle)
    full_words: tuple[str, ...] = ()
    suffix_c = ""
    if full and not given_words and not family_words:
        given_words, middle_words, family_words, suffix_c = _split_full(full)
    elif full:
        full_words, suffix_c = _clean(full)
    if not given_words and len(full_words) > 1 and family_words and full_words[0] != family_words[0]:
        given_words, middle_words = full_words[:1], full_words[1 : -len(family_words)]
    elif not middle_words and len(given_words) == 1 and len(full_words) > 1 + len(family_words):
        middle_words = tuple(w for w in full_words if w not in given_words and w not in family_words)
    given_words = tuple(half for word in given_words for half in word.split("-"))
    if len(given_words) > 1:
        given_words, middle_words = given_words[:1], given_words[1:] + middle_words
    if given_words and family_words and len(family_words) > 1 and len(family_words[0]) == 1:
        family_words, middle_words = family_words[1:], (*middle_words, family_words[0])
    first = given_words[0] if given_words else ""
    family_words = tuple(half for word in family_words for half in word.split("-"))
    return PersonName(
        first,
        " ".join(middle_words),
        _close_particles(family_words),
        suffix_a or suffix_b or suffix_c,
        " ".join(nickname_roots(first)),
    )


def _clean(value: str) -> tuple[tuple[str, ...], str]:
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
    )
    for position, word in enumerate(parts):
        if position and word in _SUFFIXES:
            suffix = _SUFFIXES[word]
        elif word in _TITLES and (
            len(parts) > 1
            or word not in {"dean", "major", "earl", "duke", "don", "prince", "justice", "st", "col", "fr"}
        ):
            continue
        elif word not in _POST_NOMINALS and not is_placeholder(word) and not (word.isdigit()):
            kept.append(word)
    return tuple(kept), suffix


def _split_full(full: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], str]:
    """Given, middle and family words of a free-form name, by nameparser, after titles and suffixes are off."""
    if is_placeholder(fold(full)):
        return (), (), (), ""
    if "," in full:
        before, _, after = full.partition(",")
        family, suffix_a = _clean(before)
        rest, suffix_b = _clean(after)
        if fold(after).strip(" .") in _SUFFIXES:
            given, middle, family, _ = _split_full(before)
            return given, middle, family, _SUFFIXES[fold(after).strip(" .")]
        return rest[:1], rest[1:], family, suffix_a or suffix_b
    kept, suffix = _clean(full)
    if len(kept) <= 2:
        return kept[:1], (), kept[1:], suffix
    return *_parse_free(" ".join(kept)), suffix


@lru_cache(maxsize=CACHE_SIZE)
def _parse_free(plain: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
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


_VOWELS: Final = re.compile("[aeiouyhw]")
# Spellings that sound alike, longer ones first.
_ALIKE: Final = "ph:f gh:g ck:k sch:s sh:s ch:k th:t wr:r kn:n x:ks q:k c:k z:s v:f d:t b:p g:k j:k"
_SOUND: Final = tuple(entry.split(":") for entry in _ALIKE.split(" "))


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
