"""The first records of any base: nothing that shows two people is ever certain, whatever junk they hold."""

import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_identity.matching.grades import Grade
from customer_identity.matching.stream import Stream
from customer_identity.records import CustomerRecord
from dedupe_detector.adapters.files import shipped_model
from rig.examples import examples

FIRST = [
    "James",
    "Mary",
    "Robert",
    "Patricia",
    "John",
    "Jennifer",
    "Michael",
    "Linda",
    "David",
    "Elizabeth",
    "William",
    "Barbara",
    "Richard",
    "Susan",
    "Joseph",
    "Jessica",
    "Thomas",
    "Sarah",
    "Charles",
    "Karen",
]
LAST = ["Smith", "Johnson", "Williams", "Brown", "Jones", "Garcia", "Miller", "Davis", "Rodriguez", "Martinez"]
HOME = {"street": "1 Main Street", "city": "Seattle", "postal_code": "98101"}
SHARED = {**HOME, "phone": "206-555-0100", "email": "qa@company.com", "date_of_birth": "1990-01-01"}
ALIKE = (
    ("Daniel", "Danielle"), ("Michael", "Michelle"), ("Patrick", "Patricia"), ("Mark", "Mary"), ("Tim", "Tom"),
    ("Jon", "Joan"), ("Erin", "Eric"), ("Paul", "Paula"), ("Julian", "Juliana"), ("Jaden", "Jayden"),
)  # fmt: skip


def _certain(rows: Iterable[dict[str, str]], *, batch: int = 100) -> list[tuple[int, int]]:
    """Positions of the pairs that may be merged without a person."""
    stream = Stream(shipped_model(), tenant_id="t")
    records = [
        CustomerRecord.of({name: value for name, value in row.items() if value}, tenant_id="t", customer_id=str(at))
        for at, row in enumerate(rows)
    ]
    found = [pair for at in range(0, len(records), batch) for pair in stream.match(records[at : at + batch])]
    return [(int(pair.a), int(pair.b)) for pair in found if pair.grade == Grade.CERTAIN]


def _people(count: int) -> list[tuple[str, str]]:
    return [(FIRST[at % len(FIRST)], LAST[at // len(FIRST) % len(LAST)]) for at in range(count)]


BASES: dict[str, list[dict[str, str]]] = {
    "everybody with the tester's address, phone and birthday": [
        {"given_name": one, "family_name": other, **SHARED} for one, other in _people(200)
    ],
    "load test data, numbered": [
        {
            "given_name": f"First{n}", "family_name": f"Last{n}", "email": f"user{n}@loadtest.io",
            "phone": f"206555{n:04d}", "date_of_birth": "1980-01-01", "street": "100 Load Street", "city": "Loadtown",
        }
        for n in range(200)
    ],
    "test users of one name": [
        {"given_name": "Test", "family_name": f"User{n}", "email": f"qa+{n}@company.com", "date_of_birth": "1990-01-01"}
        for n in range(150)
    ],
    "keys pressed at random": [
        {
            "given_name": draw.choice(["asdf", "qwer", "foo", "aaa"]), "family_name": draw.choice(["asdf", "bar", "x"]),
            "email": draw.choice(["a@a.aa", "asdf@asdf.com"]), "phone": draw.choice(["1234567890", "1111111111"]),
            "date_of_birth": draw.choice(["1900-01-01", "1970-01-01", "2000-01-01"]),
        }
        for draw in [random.Random(5)]  # noqa: S311 - test data, the same at each run
        for _ in range(200)
    ],
    "one household, all born on one day": [
        {"given_name": one, "family_name": "Smith", **SHARED, "email": ""} for one in FIRST
    ],
    "twins and couples of names alike": [
        {
            "given_name": one, "family_name": LAST[at], "street": f"{at} Oak Avenue", "city": "Dover",
            "postal_code": "19901", "phone": f"302-555-01{at:02d}", "email": f"the{LAST[at].lower()}s@gmail.com",
            "date_of_birth": f"2001-02-{at + 1:02d}",
        }
        for at, names in enumerate(ALIKE)
        for one in names
    ],
    "fathers and sons": [
        {
            "given_name": "John", "family_name": family, "street": f"{at} Oak Avenue", "city": "Dover",
            "phone": f"302-555-01{at:02d}", "date_of_birth": born,
        }
        for at, family in enumerate(LAST)
        for born in (f"19{50 + at}-03-04", f"19{80 + at}-07-09")
    ],
    "a wife behind her husband's initial": [
        {
            "given_name": one, "family_name": family, "street": f"{at} Oak Avenue", "city": "Dover",
            "phone": f"302-555-01{at:02d}", "email": f"{family.lower()}family@gmail.com",
        }
        for at, family in enumerate(LAST)
        for one in ("J", "Jane")
    ],
    "one office": [
        {"given_name": one, "family_name": other, "email": f"{one}.{other}@acme.com", "phone": "206-555-0000", **HOME}
        for one, other in _people(200)
    ],
    "guests": [{"full_name": "Guest", "email": f"guest{n % 30}@shop.com", "city": "Seattle"} for n in range(200)],
    "a birthday that a migration filled in": [
        {"given_name": "Maria", "family_name": "Garcia", "date_of_birth": "1970-01-01", "city": "Kent"}
        for _ in range(40)
    ],
    "namesakes of two": [{"given_name": "John", "family_name": "Smith", "date_of_birth": "1990-01-01"}] * 2,
    "numbers in a row": [
        {"given_name": "Maria", "family_name": "Garcia", "national_id": f"{100_000_000 + n}", **HOME} for n in range(50)
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", BASES)
def test_no_two_people_of_a_young_base_are_certainly_one(name: str) -> None:
    assert _certain(BASES[name]) == []


def test_records_that_are_equal_are_certain_from_the_start() -> None:
    one = {
        "given_name": "Wilhelmina", "family_name": "Okonkwo", "email": "w.okonkwo@example.org",
        "date_of_birth": "1951-11-27", "phone": "360-555-7781", "street": "77 Wharf Lane", "city": "Anacortes",
    }  # fmt: skip
    others = [{"given_name": a, "family_name": b, "phone": f"206-555-{n:04d}"} for n, (a, b) in enumerate(_people(40))]
    assert _certain([one, *others, one]) == [(41, 0)]


_WORDS = st.sampled_from(
    ["", "a", "x", "Anna", "Ana", "test", "N/A", "0", "1990-01-01", "12345", "a@b.co", "anna@b.co"]
)
_FIELDS = ("given_name", "family_name", "email", "phone", "date_of_birth", "street", "city", "postal_code")


@settings(max_examples=examples(40))
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(_FIELDS, _WORDS)), min_size=2, max_size=60))
def test_junk_is_certain_only_where_given_name_and_identifiers_are_equal(rows: list[dict[str, Any]]) -> None:
    for later, earlier in _certain(rows, batch=10):
        a, b = rows[later], rows[earlier]
        assert a["given_name"]
        equal = {name for name in _FIELDS if a[name] and a[name] == b[name]}
        assert "email" in equal or len(equal & {"phone", "date_of_birth", "street"}) >= 2
