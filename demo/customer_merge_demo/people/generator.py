"""The seeded data set: a retail shop's customer records, and who they really are."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from customer_merge_demo.customers import Customer, CustomerSet
from customer_merge_demo.people.history import history_of
from customer_merge_demo.people.population import Person, Population
from customer_merge_demo.people.records import channels, observe

# Records a person leaves behind: most leave one.
_RECORDS_A_PERSON = (1, 2, 3, 4)
_RECORDS_WEIGHTS = (61, 26, 9, 4)
MAX_RECORDS = 30_000  # the invented telephone numbers would run short beyond


@dataclass(frozen=True, slots=True, kw_only=True)
class _Observed:
    person_id: str
    attributes: dict[str, str]
    has_login: bool


def generate(*, records: int, seed: int) -> CustomerSet:
    """Make `records` customer records (1 to MAX_RECORDS) with known truth; deterministic by seed.

    Raises:
        ValueError: `records` is out of range.
    """
    if not 1 <= records <= MAX_RECORDS:
        raise ValueError(f"records must lie between 1 and {MAX_RECORDS}, not {records}")
    rng = random.Random(seed)  # noqa: S311 - made-up data, not a secret
    observed: list[_Observed] = []
    for person in _people(rng):
        observed.extend(_records_of(rng, person))
        if len(observed) >= records:
            break
    observed = observed[:records]
    rng.shuffle(observed)
    numbers = rng.sample(range(100_000, 1_000_000), records)
    customers = tuple(_customer(rng, seed, f"C{number}", seen) for number, seen in zip(numbers, observed, strict=True))
    truth = {customer.customer_id: seen.person_id for customer, seen in zip(customers, observed, strict=True)}
    return CustomerSet(name=f"generated retail data (seed {seed})", customers=customers, truth=truth)


def _people(rng: random.Random) -> Iterator[Person]:
    for household in Population(rng).households():
        yield from household


def _records_of(rng: random.Random, person: Person) -> Iterator[_Observed]:
    count = rng.choices(_RECORDS_A_PERSON, _RECORDS_WEIGHTS)[0]
    for nth, channel in enumerate(channels(rng, count)):
        attributes = observe(rng, person, channel, nth=nth, of=count)
        yield _Observed(person_id=person.person_id, attributes=attributes, has_login=channel == "web")


def _customer(rng: random.Random, seed: int, customer_id: str, seen: _Observed) -> Customer:
    history = history_of(seed, customer_id, source=seen.attributes.get("source"))
    history = replace(history, has_login=seen.has_login and rng.random() < 0.25, legal_hold=rng.random() < 0.006)
    return Customer(
        customer_id=customer_id,
        source=seen.attributes.get("source"),
        attributes={name: value for name, value in seen.attributes.items() if name != "source"},
        history=history,
    )
