"""A small customer base with duplicates, couples and shared phones, the same at each run."""

import random
from dataclasses import dataclass

_GIVEN_NAMES = (
    "Anna Bruno Clara David Elena Frank Grace Hugo Irene James Karen Liam Maria Noah Olga Peter Rosa Samuel Tina Victor"
    " William Robert Elizabeth Margaret Thomas Susan Patricia Michael Katherine Edward"
)
_GIVEN = _GIVEN_NAMES.split(" ")
_NICKNAMES = {"William": "Bill", "Robert": "Bob", "Elizabeth": "Liz", "Margaret": "Peggy", "Thomas": "Tom",
              "Susan": "Sue", "Patricia": "Pat", "Michael": "Mike", "Katherine": "Kate", "Edward": "Ted"}  # fmt: skip
_COMMON = ("Smith", "Johnson", "Brown", "Garcia", "Miller")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyCustomers:
    """Records as rows of input columns, in the order they came, and who each of them shows."""

    rows: list[dict[str, str]]
    truth: dict[str, str]


def noisy_customers(households: int = 500, seed: int = 7) -> NoisyCustomers:
    """One or two people a household who share address and, often, phone; two fifths of them are there twice."""
    draw = random.Random(seed)  # noqa: S311 - test data, the same at each run
    records: list[tuple[str, dict[str, str]]] = []
    taken: set[str] = set()  # a provider gives an address to one person
    for household in range(households):
        family = draw.choice(_COMMON) if draw.random() < 0.3 else _word(draw, 3).title()
        home = {
            "street": f"{draw.randint(1, 999)} {_word(draw, 3).title()} Street",
            "city": draw.choice(("Westfir", "Springfield", "Allyn", "Denver")),
            "postal_code": str(draw.randint(10000, 10400)),
            "country": "US",
        }
        shared_phone = _phone(draw)
        for member, given in enumerate(draw.sample(_GIVEN, draw.choice((1, 2)))):
            person = home | {
                "given_name": given,
                "family_name": family,
                "email": _email(draw, given, family, taken),
                "phone": shared_phone if draw.random() < 0.5 else _phone(draw),
                "date_of_birth": f"{draw.randint(1940, 2004)}-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}",
            }
            entity = f"{household}-{member}"
            copies = 2 if draw.random() < 0.4 else 1
            records.extend((entity, _as_written(draw, person)) for _ in range(copies))
    draw.shuffle(records)
    rows = [{"customer_id": f"N{number}", **row} for number, (_, row) in enumerate(records)]
    return NoisyCustomers(rows=rows, truth={f"N{number}": entity for number, (entity, _) in enumerate(records)})


def _as_written(draw: random.Random, person: dict[str, str]) -> dict[str, str]:
    """What one system has of a person: some columns blank, some slips, a nickname, a moved house."""
    row = {column: value for column, value in person.items() if draw.random() > _BLANK.get(column, 0.0)}
    if draw.random() < 0.15:
        row["given_name"] = _NICKNAMES.get(person["given_name"], person["given_name"])
    if draw.random() < 0.1:
        row |= {
            "street": f"{draw.randint(1, 999)} {_word(draw, 3).title()} Street",
            "postal_code": str(draw.randint(10000, 99999)),
        }
    for column in ("family_name", "email", "phone"):
        if column in row and draw.random() < 0.06:
            row[column] = _slip(draw, row[column])
    if "phone" in row and draw.random() < 0.5:
        row["phone"] = row["phone"].replace("-", "")
    return row


_BLANK = {"email": 0.25, "phone": 0.35, "date_of_birth": 0.6, "street": 0.3, "country": 0.5}


def _slip(draw: random.Random, value: str) -> str:
    at = draw.randrange(len(value) - 1)
    return value[:at] + value[at + 1] + value[at] + value[at + 2 :]


def _email(draw: random.Random, given: str, family: str, taken: set[str]) -> str:
    while True:
        name = draw.choice((f"{given}.{family}", f"{given[0]}{family}{draw.randint(1, 99)}", _word(draw, 4)))
        address = f"{name}@{draw.choice(('example.com', 'example.org', 'mail.example.net'))}".lower()
        if address not in taken:
            taken.add(address)
            return address


def _phone(draw: random.Random) -> str:
    return f"{draw.randint(201, 989)}-{draw.randint(201, 989)}-{draw.randint(0, 9999):04d}"


def _word(draw: random.Random, syllables: int) -> str:
    return "".join(draw.choice("bdfgklmnprstvz") + draw.choice("aeiou") for _ in range(syllables))
