"""Households and the people in them: couples, children, twins, fathers and sons of one name."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from customer_merge_demo.people.names import FAMILY, FEMALE, MALE
from customer_merge_demo.people.places import HANDLES, MAIL_DOMAINS, STREET_TYPES, STREETS, TOWNS, WORK_DOMAINS, Town

# Nobody in the data is born after this day; a fixed date keeps a seed's data the same for ever.
_LATEST_ADULT_BIRTH = date(2004, 6, 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A place; the street type is kept apart so that it can be written in several ways."""

    number: str
    street: str
    street_type: int
    unit: str
    town: Town
    postal_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person, with every e-mail, phone and address of their time as a customer, oldest first."""

    person_id: str
    given_name: str
    middle_initial: str
    family_name: str
    suffix: str
    female: bool
    born: date
    emails: tuple[str, ...]
    phones: tuple[str, ...]
    landline: str | None
    addresses: tuple[Address, ...]

    @property
    def nicknames(self) -> tuple[str, ...]:
        """Short forms of the given name."""
        return (FEMALE if self.female else MALE).get(self.given_name, ())


class Population:
    """Draws households without end; the same seed draws the same people."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._emails: set[str] = set()
        self._phones: set[str] = set()
        self._drawn = 0

    def households(self) -> Iterator[tuple[Person, ...]]:
        """Yield one household after the other: singles, couples, families, twins, Sr. and Jr."""
        while True:
            kind = self._rng.choices(("single", "couple", "family", "twins", "junior"), (50, 30, 12, 4, 4))[0]
            yield self._household(kind)

    def _household(self, kind: str) -> tuple[Person, ...]:
        rng = self._rng
        home = self._address()
        landline = self._phone(home.town) if rng.random() < (0.15 if kind == "single" else 0.55) else None
        family = rng.choice(FAMILY)
        female = rng.random() < 0.5
        born = self._birth()
        first = self._person(family=family, female=female, born=born, home=home, landline=landline)
        if kind == "single":
            return (first,)
        if kind == "couple":
            return (first, self._partner(first, home, landline))
        if kind == "family":
            child_born = _LATEST_ADULT_BIRTH - timedelta(days=rng.randrange(3000))
            child = self._person(
                family=family, female=rng.random() < 0.5, born=child_born, home=home, landline=landline
            )
            return (first, self._partner(first, home, landline), child)
        if kind == "twins":
            other = self._person(family=family, female=female, born=born, home=home, landline=landline, not_named=first)
            return (first, other)
        return (first, self._namesake(first, home, landline))

    def _partner(self, first: Person, home: Address, landline: str | None) -> Person:
        family = first.family_name if self._rng.random() < 0.75 else self._rng.choice(FAMILY)
        born = first.born + timedelta(days=self._rng.randrange(-2500, 2500))
        shared = first.emails[0] if self._rng.random() < 0.06 else None
        return self._person(
            family=family,
            female=not first.female,
            born=min(born, _LATEST_ADULT_BIRTH),
            home=home,
            landline=landline,
            shared_email=shared,
        )

    def _namesake(self, first: Person, home: Address, landline: str | None) -> Person:
        born = min(first.born + timedelta(days=365 * self._rng.randrange(22, 34)), _LATEST_ADULT_BIRTH)
        return self._person(
            family=first.family_name,
            female=first.female,
            born=born,
            home=home,
            landline=landline,
            given=first.given_name,
            suffix="Jr.",
        )

    def _person(
        self,
        *,
        family: str,
        female: bool,
        born: date,
        home: Address,
        landline: str | None,
        given: str | None = None,
        not_named: Person | None = None,
        shared_email: str | None = None,
        suffix: str = "",
    ) -> Person:
        rng = self._rng
        names = [name for name in (FEMALE if female else MALE) if not_named is None or name != not_named.given_name]
        given = given or rng.choice(names)
        emails = [self._email(given, family, born) for _ in range(rng.choices((1, 2, 3), (82, 15, 3))[0])]
        moved = rng.random() < 0.25
        addresses = (self._address(), home) if moved else (home,)
        phones = [self._phone(addresses[0].town)]
        if rng.random() < 0.2:
            phones.append(self._phone(home.town))
        self._drawn += 1
        return Person(
            person_id=f"P{self._drawn:06d}",
            given_name=given,
            middle_initial=rng.choice("ABCDEFGHJKLMNPRSTW") if rng.random() < 0.6 else "",
            family_name=family,
            suffix=suffix,
            female=female,
            born=born,
            emails=((shared_email, *emails) if shared_email else tuple(emails)),
            phones=tuple(phones),
            landline=landline,
            addresses=addresses,
        )

    def _birth(self) -> date:
        return _LATEST_ADULT_BIRTH - timedelta(days=self._rng.randrange(60 * 365))

    def _address(self) -> Address:
        rng = self._rng
        town = rng.choice(TOWNS)
        return Address(
            number=str(rng.randrange(1, 9800)),
            street=rng.choice(STREETS),
            street_type=rng.randrange(len(STREET_TYPES)),
            unit=f"Apt {rng.randrange(1, 40)}" if rng.random() < 0.25 else "",
            town=town,
            postal_code=f"{town.zip_prefix}{rng.randrange(1, 60):02d}",
        )

    def _phone(self, town: Town) -> str:
        """Ten digits; drawn elsewhere when the town's numbers run short."""
        while True:
            number = f"{self._rng.choice(town.area_codes)}5550{self._rng.randrange(100, 900)}"
            if number not in self._phones:
                self._phones.add(number)
                return number
            town = self._rng.choice(TOWNS)

    def _email(self, given: str, family: str, born: date) -> str:
        rng = self._rng
        first, last = given.lower(), family.lower()
        forms = (
            f"{first}.{last}",
            f"{first}{last}",
            f"{first[0]}{last}{born.year % 100:02d}",
            f"{last}.{first}",
            f"{first}_{last}{rng.randrange(1, 99)}",
            f"{rng.choice(HANDLES)}{rng.randrange(10, 9999)}",
            f"{first}{rng.choice(HANDLES)}{rng.randrange(1, 99)}",
        )
        local = rng.choice(forms)
        domain = rng.choice(WORK_DOMAINS) if rng.random() < 0.12 else rng.choice(MAIL_DOMAINS)
        address = f"{local}@{domain}"
        while address in self._emails:
            address = f"{local}{rng.randrange(1, 99999)}@{domain}"
        self._emails.add(address)
        return address
