"""Postal addresses: the street's core words, house number, unit; city, region, postcode, country."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from customer_identity.normalise.placeholders import is_placeholder
from customer_identity.normalise.text import CACHE_SIZE, fold, word_set, words

# Words of street kinds and directions become one spelling, so that 'North Main Street' equals 'N Main St'.
_SPELLINGS: Final = (
    "st street str|ave avenue av|rd road|dr drive drv dve|ln lane|blvd boulevard|ct court crt|pl place|ter terrace|"
    "cir circle|sq square|hwy highway|pkwy parkway pky|trl trail|cres crescent cr|cl close|gr grove gve|n north|"
    "s south|e east|w west|ne northeast|nw northwest|se southeast|sw southwest|mt mount|ft fort|rte route|fwy freeway|"
    "aly alley|xing crossing"
)
_SHORT: Final = {word: line.split()[0] for line in _SPELLINGS.split("|") for word in line.split()}
_KINDS: Final = word_set(
    """
    st ave rd dr ln blvd ct pl ter cir sq hwy pkwy trl cres cl gr aly way strasse
    """
)
_UNIT_WORDS: Final = word_set(
    """
    apt apartment unit suite ste flat floor rm room bldg
    """
)
_STATE_CODES: Final = (
    "al:alabama|ak:alaska|az:arizona|ar:arkansas|ca:california|co:colorado|ct:connecticut|de:delaware|"
    "dc:district of columbia|fl:florida|ga:georgia|hi:hawaii|id:idaho|il:illinois|in:indiana|ia:iowa|ks:kansas|"
    "ky:kentucky|la:louisiana|me:maine|md:maryland|ma:massachusetts|mi:michigan|mn:minnesota|ms:mississippi|"
    "mo:missouri|mt:montana|ne:nebraska|nv:nevada|nh:new hampshire|nj:new jersey|nm:new mexico|ny:new york|"
    "nc:north carolina|nd:north dakota|oh:ohio|ok:oklahoma|or:oregon|pa:pennsylvania|ri:rhode island|"
    "sc:south carolina|sd:south dakota|tn:tennessee|tx:texas|ut:utah|vt:vermont|va:virginia|wa:washington|"
    "wv:west virginia|wi:wisconsin|wy:wyoming|nsw:new south wales|vic:victoria|qld:queensland|tas:tasmania|"
    "on:ontario|qc:quebec|bc:british columbia|ab:alberta"
)
_STATES: Final = {entry.partition(":")[2]: entry.partition(":")[0] for entry in _STATE_CODES.split("|")}
_COUNTRIES: Final = {
    "usa": "us", "united states": "us", "united states of america": "us", "u.s.": "us", "u.s.a.": "us",
    "uk": "gb", "united kingdom": "gb", "great britain": "gb", "england": "gb", "canada": "ca", "australia": "au",
    "germany": "de", "france": "fr", "spain": "es", "italy": "it", "mexico": "mx", "india": "in", "ireland": "ie",
    "new zealand": "nz",
}  # fmt: skip


class Street(NamedTuple):
    """A street line: `core` words in one spelling, the house `number`, the `unit` within it."""

    core: str
    number: str
    unit: str


@lru_cache(maxsize=CACHE_SIZE)
def parse_street(raw: str) -> Street:
    """Takes number and unit out of a street line; an empty core means that nothing can be compared."""
    if is_placeholder(fold(raw)):
        return Street("", "", "")
    text, _, hashed = fold(raw).partition("#")
    tokens = [_SHORT.get(word, word) for word in words(text)]
    unit = "".join(words(hashed))[:8]
    kept: list[str] = []
    number = ""
    skip_unit = False
    for position, token in enumerate(tokens):
        if skip_unit:
            unit, skip_unit = unit or token, False
        elif token in _UNIT_WORDS and position and position + 1 < len(tokens):
            skip_unit = True
        elif not number and token[0].isdigit() and not token.endswith(("st", "nd", "rd", "th")):
            number = token
        else:
            kept.append(token)
    if len(kept) > 1:
        kept = [word for position, word in enumerate(kept) if position == 0 or word not in _KINDS]
    return Street(" ".join(kept), number, unit)


@lru_cache(maxsize=CACHE_SIZE)
def parse_city(raw: str) -> str:
    """City name as folded words."""
    return "" if is_placeholder(fold(raw)) else " ".join(words(raw))


@lru_cache(maxsize=CACHE_SIZE)
def parse_region(raw: str) -> str:
    """State or region, by its short code where one is known."""
    text = " ".join(words(raw))
    return "" if is_placeholder(text) else _STATES.get(text, text)


@lru_cache(maxsize=CACHE_SIZE)
def parse_postcode(raw: str) -> str:
    """Letters and digits of a postcode; a US ZIP+4 keeps its first five digits; all zeros or nines are none."""
    text = re.sub(r"[^a-z0-9]", "", fold(re.sub(r"^(\d{5})-\d{4}$", r"\1", raw.strip())))
    return "" if not text or set(text) <= {"0"} or set(text) <= {"9"} or is_placeholder(text) else text


@lru_cache(maxsize=CACHE_SIZE)
def parse_country(raw: str) -> str:
    """Country as a lower-case alpha-2 code where it is known."""
    text = fold(raw).strip()
    return "" if is_placeholder(text) else _COUNTRIES.get(text, text)
