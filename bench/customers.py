"""A customer base of any size, made number by number: record 123,456 is the same whoever asks for it, and when.

Names, streets and towns follow Zipf's law, as those of real bases do, and there are no more of them in a larger base:
it has more people of one name. One record in seven is another record of somebody who was there before: with a slip,
with another phone or after a move.
"""

import csv
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate, product
from pathlib import Path
from typing import Final

from customer_events import Attributes, CustomerCreated
from customer_events.csv_columns import INPUT_COLUMNS
from customer_merge_demo.people.names import FAMILY, FEMALE, MALE

TENANT: Final = "bench"
_SEED: Final = 20_261_123
_AGAIN: Final = 7
_PEOPLE: Final = 10_000_019  # prime: so many people have e-mail addresses of their own
_SPREAD: Final = 7_654_321
_FIRST_BIRTH: Final = date(1940, 1, 1)
_WHEN: Final = datetime(2026, 1, 1, tzinfo=UTC)


def _words(text: str) -> list[str]:
    return text.split()


_STARTS: Final = _words(
    "bar bren cal dor el fal gar hal ing jes kel lan mar nor ol pen quin ros sal tor ul van wes yar zan"
)
_MIDDLES: Final = _words("a ber cin de en fi go hu ke la mo ne or pa ri so ta vi")
_ENDS: Final = _words("ley man ton son ski field well ard berg court dale ford ham ini lock mere nell ott rich stein")
_DOMAINS: Final = tuple(f"{name}.example" for name in ("mail", "post", "inbox", "letter", "webmail", "home", "net"))


def _zipf(values: list[str]) -> tuple[list[str], list[float]]:
    return values, list(accumulate(1.0 / (rank + 5) for rank in range(len(values))))


_INVENTED: Final = ["".join(parts) for parts in product(_STARTS, _MIDDLES, _ENDS)]
_GIVEN: Final = _zipf([*FEMALE, *MALE, *_INVENTED[3::31]])
_FAMILY: Final = _zipf([*FAMILY, *_INVENTED])
_TOWNS: Final = _zipf([f"{name.title()}ville" for name in _INVENTED[::7]])
_STREETS: Final = _zipf([f"{name.title()} {kind}" for name in _INVENTED[1::5] for kind in ("Street", "Ave", "Lane")])


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What a share of the records have in common, whoever they are: none of it by default."""

    share: float = 0.0
    phone: str = ""
    family_name: str = ""


NOTHING_SHARED: Final = Shared()


def write(path: Path, numbers: Iterable[int]) -> None:
    """The records of these numbers as a file that the detector's commands read."""
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, [*INPUT_COLUMNS, "version"], restval="", extrasaction="ignore")
        writer.writeheader()
        for event in map(customer, numbers):
            values = event.attributes.model_dump(exclude_none=True)
            writer.writerow({"customer_id": event.customer_id, "version": event.version, **values})


def person_of(number: int) -> int:
    """Who the record of this number is about: the number of that person's first record."""
    return _earlier(_draw(number), number) if number % _AGAIN == _AGAIN - 1 else number


def customer(number: int, shared: Shared = NOTHING_SHARED) -> CustomerCreated:
    """The record of this number."""
    draw = _draw(number)
    again = number % _AGAIN == _AGAIN - 1
    values = _person(_earlier(draw, number)) if again else _person(number)
    if again:
        _written_again(draw, values)
    if draw.random() < shared.share:
        values["phone"] = shared.phone or values["phone"]
        values["family_name"] = shared.family_name or values["family_name"]
    return CustomerCreated(
        tenant_id=TENANT,
        customer_id=f"C{number:08d}",
        version=1,
        occurred_at=_WHEN,
        source="web",
        attributes=Attributes(**{name: value for name, value in values.items() if value}),
    )


def _draw(number: int) -> random.Random:
    return random.Random(_SEED + number)  # noqa: S311 - made-up data


def _earlier(draw: random.Random, number: int) -> int:
    """The number of an earlier record that is somebody's first."""
    found = draw.randrange(number)
    return found - 1 if found % _AGAIN == _AGAIN - 1 else found


def _person(number: int) -> dict[str, str]:
    draw = random.Random(-_SEED - number)  # noqa: S311 - made-up data
    given, family = _one(draw, _GIVEN), _one(draw, _FAMILY)
    digits = draw.randrange(10**10)
    known = draw.random()
    return {
        "given_name": given,
        "family_name": family,
        "email": f"{given}.{family}{number * _SPREAD % _PEOPLE}@{_DOMAINS[digits % 7]}".lower() if known < 0.8 else "",
        "phone": f"{201 + digits % 700}-{200 + digits // 701 % 800}-{digits // 560_800 % 10_000:04d}",
        "date_of_birth": str(_FIRST_BIRTH + timedelta(days=draw.randrange(23_000))) if known > 0.45 else "",
        **_address(draw),
    }


def _address(draw: random.Random) -> dict[str, str]:
    town = _one(draw, _TOWNS)
    return {
        "street": f"{draw.randrange(1, 900)} {_one(draw, _STREETS)}",
        "city": town,
        "postal_code": f"{10_000 + (hash_of(town) * 7 + draw.randrange(6)) % 89_000}",
        "country": "US",
    }


def _written_again(draw: random.Random, values: dict[str, str]) -> None:
    """Other days, other forms: each change happens now and then."""
    if draw.random() < 0.2:
        name = draw.choice(("given_name", "family_name"))
        at = draw.randrange(1, len(values[name]))
        values[name] = values[name][:at] + draw.choice("aeinrst") + values[name][at + 1 :]
    if draw.random() < 0.25:
        values["email"] = ""
    if draw.random() < 0.3:
        values["phone"] = draw.choice(("", f"555-{draw.randrange(200, 999)}-{draw.randrange(10_000):04d}"))
    if draw.random() < 0.2:
        values |= _address(draw)
    if draw.random() < 0.3:
        values["date_of_birth"] = ""


def _one(draw: random.Random, among: tuple[list[str], list[float]]) -> str:
    return draw.choices(among[0], cum_weights=among[1])[0]


def hash_of(text: str) -> int:
    """A number of a text that is the same in every process."""
    return int.from_bytes(text.encode()[-6:])
