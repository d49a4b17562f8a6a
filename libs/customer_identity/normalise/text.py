"""Letters: case, marks, scripts and look-alikes, for comparison only; the raw value is kept elsewhere."""

# ruff: noqa: RUF001 - letters of other scripts that look like Latin ones are what this file is about

import re
import unicodedata
from functools import lru_cache
from typing import Final

CACHE_SIZE: Final = 65_536  # values, not records: names and cities repeat, so a bounded cache by value hits often

_LATIN_SPECIAL: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ħ": "h", "ŋ": "n"}
    | dict.fromkeys("\u2018\u2019\u0060\u00b4", "'")
    | {"\u0131": "i"}
)
# Passport-style transliteration: enough to compare a name written in two scripts, not to print it.
_SPELLINGS: Final = (
    "а:a б:b в:v г:g д:d е:e ё:e ж:zh з:z и:i й:i к:k л:l м:m н:n о:o п:p р:r с:s т:t у:u ф:f х:kh ц:ts ч:ch ш:sh "
    "щ:shch ъ: ы:y ь: э:e ю:yu я:ya і:i ї:i є:ie ґ:g ў:u "
    "α:a β:v γ:g δ:d ε:e ζ:z η:i θ:th ι:i κ:k λ:l μ:m ν:n ξ:x ο:o π:p ρ:r σ:s ς:s τ:t υ:y φ:f χ:ch ψ:ps ω:o"
)
_TRANSLITERATION: Final = str.maketrans({entry[0]: entry[2:] for entry in _SPELLINGS.split(" ")})
# Letters of other scripts that look like Latin ones: read so only inside a word that mixes scripts (a trick or a slip).
_CONFUSABLE: Final = str.maketrans("аеорсухіјѕԁвнкмтαορνικτυ", "aeopcyxijsdbhkmtaopviktu")
_OTHER_SCRIPT: Final = re.compile("[Ͱ-Ͽа-яА-ЯЀ-ӿԀ-ԯ]")
_LATIN: Final = re.compile("[a-zA-Z]")
_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")


@lru_cache(maxsize=CACHE_SIZE)
def fold(value: str) -> str:
    """Lower-case Latin letters, digits and punctuation with marks removed; other scripts transliterated where known."""
    if value.isascii():
        return value.lower().strip()
    plain = unicodedata.normalize("NFKD", _INVISIBLE.sub("", value)).casefold()
    plain = "".join(c for c in plain if not unicodedata.combining(c)).translate(_LATIN_SPECIAL)
    if _OTHER_SCRIPT.search(plain):
        plain = " ".join(
            word.translate(_CONFUSABLE if _LATIN.search(word) else _TRANSLITERATION) for word in plain.split(" ")
        )
    return plain.strip()


@lru_cache(maxsize=CACHE_SIZE)
def looks_like_another(value: str) -> bool:
    """True for invisible or compatibility characters, or a word that mixes scripts: it may propose, never approve."""
    if value.isascii():
        return False
    if _INVISIBLE.search(value) or unicodedata.normalize("NFKC", value) != unicodedata.normalize("NFC", value):
        return True
    return any(_OTHER_SCRIPT.search(word) and _LATIN.search(word) for word in value.split())


@lru_cache(maxsize=CACHE_SIZE)
def digits_of(value: str) -> str:
    """The digits of a value, in their order."""
    return "".join(filter(str.isdigit, value))


def word_set(text: str) -> frozenset[str]:
    """The words of a table written as text."""
    return frozenset(text.split())


@lru_cache(maxsize=CACHE_SIZE)
def words(value: str) -> tuple[str, ...]:
    """The folded words of a value: letters and digits only, apostrophes closed up (O'Brien is one word)."""
    return tuple(re.sub(r"[^\w]+|_", " ", fold(value).replace("'", "")).split())
