"""How a person's data comes to be written differently: typing errors, mishearing, formats."""

from __future__ import annotations

import random
from datetime import date

from customer_merge_demo.people.places import STREET_TYPES
from customer_merge_demo.people.population import Address

_KEYBOARD = """
a:sqz b:vgn c:xvd d:sfe e:wrd f:dgr g:fht h:gjy i:uok j:hku k:jli l:ko m:n n:mb o:ipl p:o q:wa r:etf s:adw t:ryg
u:yij v:cbf w:qes x:zcs y:tuh z:xa
"""
# Each letter with those beside it on the keyboard.
_NEIGHBOURS = {letter: beside for letter, _, beside in (word.partition(":") for word in _KEYBOARD.split())}
# What is said, and how it is written by somebody who only hears it.
_HEARD = """
ph:f ck:k c:k ee:ea ie:y y:ie s:z sch:sh tt:t ll:l nn:n d:t b:p m:n er:ar on:en ks:x v:w
"""
_MISHEARD = tuple((heard, written) for heard, _, written in (word.partition(":") for word in _HEARD.split()))


def typing_error(rng: random.Random, text: str) -> str:
    """One slip of the keyboard: a letter swapped, dropped, doubled or hit beside."""
    if len(text) < 4:
        return text
    at = rng.randrange(1, len(text) - 1)
    match rng.randrange(4):
        case 0:
            return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        case 1:
            return text[:at] + text[at + 1 :]
        case 2:
            return text[:at] + text[at] + text[at:]
        case _:
            return text[:at] + rng.choice(_NEIGHBOURS.get(text[at].lower(), text[at])) + text[at + 1 :]


def misheard(rng: random.Random, text: str) -> str:
    """The name as somebody at the other end of the line would spell it."""
    options = [(heard, written) for heard, written in _MISHEARD if heard in text[1:].lower()]
    if not options:
        return text
    heard, written = rng.choice(options)
    at = text.lower().index(heard, 1)
    return text[:at] + written + text[at + len(heard) :]


def phone_format(rng: random.Random, digits: str) -> str:
    """Ten digits as people write them."""
    area, exchange, line = digits[:3], digits[3:6], digits[6:]
    forms = (
        f"({area}) {exchange}-{line}",
        f"{area}-{exchange}-{line}",
        f"{area}.{exchange}.{line}",
        digits,
        f"+1 {area} {exchange} {line}",
    )
    return rng.choice(forms)


def birth_format(rng: random.Random, born: date, *, at_the_counter: bool) -> str:
    """ISO on the web, month/day/year at the counter."""
    if at_the_counter and rng.random() < 0.6:
        return born.strftime("%m/%d/%Y")
    return born.isoformat()


def street_line(rng: random.Random, address: Address) -> str:
    """Number, street and unit, the street type spelt as it comes."""
    kind = rng.choice(STREET_TYPES[address.street_type][1])
    unit = address.unit if rng.random() < 0.85 else ""
    if unit and rng.random() < 0.4:
        unit = unit.replace("Apt ", "#")
    return " ".join(part for part in (address.number, address.street, kind, unit) if part)


def letter_case(rng: random.Random, text: str) -> str:
    """Mostly as it should be; sometimes all small or all capitals."""
    share = rng.random()
    if share < 0.05:
        return text.lower()
    return text.upper() if share < 0.08 else text
