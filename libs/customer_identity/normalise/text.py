"""Letters: case, marks, scripts and look-alikes, for comparison only; the raw value is kept elsewhere."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

from customer_identity.normalise.scripts import OTHER, latin, mixes_scripts

# Values, not records: names and cities repeat and hit. In a larger cache what is seen once costs more than it saves.
CACHE_SIZE: Final = 8_192

_LATIN_SPECIAL: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ħ": "h", "ŋ": "n"}
    | dict.fromkeys("\u2018\u2019\u0060\u00b4\u02bc\u02bb", "'")
    | {"\u0131": "i", "\u0259": "a"}
)
_INVISIBLE: Final = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff]")
NO_DIVIDERS: Final = str.maketrans("", "", "._-")
"""For str.translate: what parts the words of an e-mail address."""
_WORD: Final = re.compile(r"\w+")


@lru_cache(maxsize=CACHE_SIZE)
def fold(value: str) -> str:
    """Lower-case Latin letters, digits and punctuation with marks removed; other scripts transliterated where known."""
    if value.isascii():
        return value.lower().strip()
    folded = _folded(value)
    while not folded.isascii() and (again := _folded(folded)) != folded:  # some letters come apart in two steps
        folded = again
    return folded


@lru_cache(maxsize=CACHE_SIZE)
def looks_like_another(value: str) -> bool:
    """True for invisible or compatibility characters, or a word that mixes scripts: it may propose, never approve."""
    if value.isascii():
        return False
    if _INVISIBLE.search(value) or unicodedata.normalize("NFKC", value) != unicodedata.normalize("NFC", value):
        return True
    return any(map(mixes_scripts, value.split()))


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


def _folded(value: str) -> str:
    plain = unicodedata.normalize("NFKC", _INVISIBLE.sub("", value)).casefold()
    if OTHER.search(plain):
        # Marks go first, since they would part a word; but in kana they make another letter
        plain = _WORD.sub(lambda found: latin(found[0]), plain if _has_kana(plain) else _unmarked(plain))
    return _unmarked(plain).translate(_LATIN_SPECIAL).strip()


def _has_kana(text: str) -> bool:
    return any("\u3041" <= letter <= "\u30fa" for letter in text)


def _unmarked(text: str) -> str:
    """Without marks, and with the digits of all scripts as 0 to 9."""
    kept = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    plain = "".join(c if c.isascii() else str(unicodedata.decimal(c, c)) for c in kept)
    return unicodedata.normalize("NFC", plain)  # Hangul whole again
