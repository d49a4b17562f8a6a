"""Postal addresses: the street's core words, house number, unit; city, region, postcode, country."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from customer_identity.normalise.countries import COUNTRIES
from customer_identity.normalise.placeholders import is_placeholder
from customer_identity.normalise.text import CACHE_SIZE, fold, word_set, words

# Words of street kinds and directions become one spelling, so that 'North Main Street' equals 'N Main St'.
_SPELLINGS: Final = (
    "st street str strasse straat|"
    "ave avenue av avenida avda|rd road|dr drive drv dve|ln lane|blvd boulevard|ct court crt|pl place|ter terrace|"
    "cir circle|sq square|hwy highway|pkwy parkway pky|trl trail|cres crescent cr|cl close|gr grove gve|n north|"
    "s south|e east|w west|ne northeast|nw northwest|se southeast|sw southwest|mt mount|ft fort|rte route|fwy freeway|"
    "aly alley|xing crossing|ul ulica ulitsa|pz plaza pza|"
    "1st first|2nd second|3rd third|4th fourth|5th fifth|6th sixth|7th seventh|8th eighth|9th ninth|10th tenth"
)
_SHORT: Final = {word: line.split()[0] for line in _SPELLINGS.split("|") for word in line.split()}
_KINDS: Final = word_set(
    """
    st ave rd dr ln blvd ct pl ter cir sq hwy pkwy trl cres cl gr aly way
    """
)
_UNIT_WORDS: Final = word_set(
    """
    apt apartment unit suite ste flat floor fl rm room bldg apto depto dpto piso puerta kv lgh int interno whg wohnung
    top app appt bte
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

_TOKEN: Final = re.compile(r"\d+[a-z]?(?:[-/]\d+[a-z]?)*(?![^\W_])|[^\W_]+")
# Neither a digit nor a #, and nothing that becomes one when it is folded, as ½ and ① do.
_NO_DIGITS: Final = r"[\x00-\x22\x24-\x2f\x3a-\x7f\xc0-\u024f]*"
_ONE_NUMBER: Final = re.compile(rf"({_NO_DIGITS}(?<!\S))([0-9]+)((?![^\s,]){_NO_DIGITS})")
_ANY_NUMBER: Final = "1"
_BLOCK_WORDS: Final = re.compile(
    "(?<=[0-9])(?:丁目|番地の|番地|番|の|[\u30fc\u2010\u2011\u2013\u2212])(?=[0-9])"
)  # 2丁目8番1号 is 2-8-1
_BUILDING: Final = re.compile(
    r"^(?:[^\d,]*\b(?:house|hall|cottage|court|building|towers?|lodge|villa|farm|mansions?|chambers|manor)"
    r"|(?:edificio|batiment|immeuble|residence|residencia)\b[^\d,]*),\s*(?=\d+[a-z]?,?\s+[a-z]{2})"
)
_POSTCODE_LAST: Final = re.compile(
    r"[\s-]+(?:(?P<region>[a-z]{2})\.?\s+(?P<us>\d{5}(?:-\d{4})?)|(?P<gb>[a-z]{1,2}\d[a-z\d]?\s?\d[a-z]{2}))$",
    re.IGNORECASE,
)
_POSTCODE_AND_CITY: Final = re.compile(r"(?:[a-z]{1,2}-)?(?P<before>\d{4,6})\s+(?P<city>\D+)", re.IGNORECASE)
_CITY_AND_POSTCODE: Final = re.compile(r"(?P<city>\D+?)[\s-]+(?P<after>\d{4,6})")
_STREETS: Final = {"c": "calle ", "v": "via ", "r": "rua "}
_SHORT_BEFORE: Final = re.compile(r"^(?:(c)/|([cvr])\.)\s*")
_BLOCKS_BEGIN: Final = re.compile("(?<=[\u3040-\u9fff])(?=[0-9])|(?<=[0-9])(?:号|番地|番)")
_ORDINALS: Final = ("st", "nd", "rd", "th")
_STOREYS: Final = word_set("floor fl piso etage")
_HALVES: Final = word_set("bis ter quater")
_ENDINGS: Final = {"strasse": "str", "straat": "str", "platz": "pl", "str": "str"}
_ENDING: Final = re.compile("(?<=[a-z]{3})(?:strasse|straat|platz)$")
_COUNTRY_BEFORE_POSTCODE: Final = re.compile(r"^(?:d|de|a|at|ch|f|fr|i|it|e|es|b|be|nl|s|se|l|lu|dk|fi|no)-\s*(?=\d)")
_ZIP_PLUS_4: Final = re.compile(r"^(\d{5})[- ]\d{4}$")
_PLACE_WORDS: Final = {"saint": "st", "sainte": "ste", "fort": "ft", "mount": "mt"}


class Street(NamedTuple):
    """A street line: `core` words in one spelling, the house `number`, the `unit` within it."""

    core: str
    number: str
    unit: str


def parse_street(raw: str) -> Street:
    """Takes number and unit out of a street line; an empty core means that nothing can be compared."""
    found = _ONE_NUMBER.fullmatch(raw)
    if not found:
        return _street(raw)
    # Streets repeat, their numbers do not: which number it is makes no difference to how a line is read.
    before, digits, after = found.groups()
    read = _street(f"{before}{_ANY_NUMBER}{after}")
    return Street(read.core, read.number.replace(_ANY_NUMBER, digits), read.unit.replace(_ANY_NUMBER, digits))


@lru_cache(maxsize=CACHE_SIZE)
def _street(raw: str) -> Street:
    folded = fold(raw)
    if is_placeholder(folded):
        return Street("", "", "")
    folded = _SHORT_BEFORE.sub(lambda found: _STREETS[found[1] or found[2]], _BUILDING.sub("", folded))
    text, _, hashed = _BLOCKS_BEGIN.sub(" ", _BLOCK_WORDS.sub("-", folded)).partition("#")
    unit = "".join(words(hashed))[:8]
    kept: list[str] = []
    number = ""
    tokens = _tokens(text)
    position = 0
    while position < len(tokens):
        token, following = tokens[position], tokens[position + 1] if position + 1 < len(tokens) else ""
        position += 1
        if token in _STOREYS and kept and kept[-1].endswith(_ORDINALS):
            unit = unit or kept.pop()
        elif token in _UNIT_WORDS and following and (kept or number or following[0].isdigit()):
            unit = unit or following
            position += 1
        elif not number and token[0].isdigit() and not token.endswith(_ORDINALS):
            number, unit = _number(token, unit, before_street=not kept)
            if kept and (following in _HALVES or (len(following) == 1 and position + 1 == len(tokens))):
                number += following  # Hauptstr. 12 a
                position += 1
        elif number and not kept and token in _HALVES:
            number += token  # 12 bis rue de la Paix
        else:
            kept.append(token)
    if len(kept) > 1:
        kept = [word for position, word in enumerate(kept) if position == 0 or word not in _KINDS]
    return Street(" ".join(kept), number, unit)


class Address(NamedTuple):
    """The parts of an address as they were written."""

    street: str
    city: str
    region: str
    postcode: str


@lru_cache(maxsize=CACHE_SIZE)
def split_address(raw: str) -> Address:
    """Takes city, region and postcode off a street line that holds them all; what is not clear stays the street's."""
    found = _POSTCODE_LAST.search(raw)
    if found and found["region"] and found["region"].lower() not in _STATES.values():
        found = None
    parts = [part.strip() for part in (raw[: found.start()] if found else raw).split(",") if part.strip()]
    region, postcode = (found["region"] or "", found["us"] or found["gb"]) if found else ("", "")
    if not found and len(parts) > 1:
        whole = _POSTCODE_AND_CITY.fullmatch(parts[-1]) or _CITY_AND_POSTCODE.fullmatch(parts[-1])
        if whole:
            return Address(
                ", ".join(parts[:-1]),
                whole["city"].strip(),
                "",
                whole[1] if whole.re is _POSTCODE_AND_CITY else whole[2],
            )
    if len(parts) > 1 and parts[-1].lower() in _STATES.values():
        region = parts.pop()
    if len(parts) > 1:
        city = parts[-1]
        named = not any(map(str.isdigit, city)) and fold(city).split()[0] not in _UNIT_WORDS
        if named and any(map(str.isdigit, ", ".join(parts[:-1]))):
            return Address(", ".join(parts[:-1]), city, region, postcode)
    elif postcode and parts:
        street, city = _after_the_kind(parts[0].split())
        return Address(street, city, region, postcode)
    return Address(", ".join(parts), "", region, postcode) if postcode else Address(raw, "", "", "")


def _after_the_kind(written: list[str]) -> tuple[str, str]:
    """Without a comma a city begins after the word for the kind of street: 12 Mill Lane Great Malvern."""
    for at in range(len(written) - 2, 1, -1):
        if _SHORT.get(written[at].strip(".").lower()) in _KINDS:
            rest = written[at + 1 :]
            clear = all(word.isalpha() and word.lower() not in _UNIT_WORDS for word in rest)
            return (" ".join(written[: at + 1]), " ".join(rest)) if clear else (" ".join(written), "")
    return " ".join(written), ""


def _tokens(folded: str) -> list[str]:
    """Words in one spelling; what is joined by hyphens or a stroke within a number stays one."""
    found = _TOKEN.findall(folded.replace("'", ""))
    return [_SHORT.get(word, _ENDING.sub(lambda end: _ENDINGS[end[0]], word)) for word in found]


def _number(token: str, unit: str, *, before_street: bool) -> tuple[str, str]:
    """3/12 before a street is unit 3 of number 12; after it the unit comes last."""
    first, stroke, second = token.partition("/")
    if not stroke:
        return token, unit
    return (second, unit or first) if before_street else (first, unit or second)


@lru_cache(maxsize=CACHE_SIZE)
def parse_city(raw: str) -> str:
    """City name as folded words."""
    text = " ".join(_PLACE_WORDS.get(word, word) for word in words(raw))
    return "" if is_placeholder(fold(raw)) or is_placeholder(text) else text


@lru_cache(maxsize=CACHE_SIZE)
def parse_region(raw: str) -> str:
    """State or region, by its short code where one is known."""
    text = " ".join(words(raw))
    return "" if is_placeholder(text) else _STATES.get(text, text)


@lru_cache(maxsize=CACHE_SIZE)
def parse_postcode(raw: str) -> str:
    """Letters and digits of a postcode; a US ZIP+4 keeps its first five digits; all zeros or nines are none."""
    written = _ZIP_PLUS_4.sub(r"\1", _COUNTRY_BEFORE_POSTCODE.sub("", fold(raw)))
    text = re.sub(r"[^a-z0-9]", "", written)
    return "" if not text or set(text) <= {"0"} or set(text) <= {"9"} or is_placeholder(text) else text


@lru_cache(maxsize=CACHE_SIZE)
def parse_country(raw: str) -> str:
    """Country as a lower-case alpha-2 code where it is known."""
    text = fold(raw).strip()
    return "" if is_placeholder(text) else COUNTRIES.get(text, text)
