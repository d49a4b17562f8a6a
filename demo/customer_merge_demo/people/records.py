"""What a channel writes down about a person: web account, guest checkout, store counter, call centre."""

from __future__ import annotations

import random

from customer_merge_demo.people.noise import (
    birth_format,
    letter_case,
    misheard,
    phone_format,
    street_line,
    typing_error,
)
from customer_merge_demo.people.population import Address, Person

_CHANNELS = ("web", "guest", "store", "phone")
_CHANNEL_WEIGHTS = (42, 26, 16, 16)
_TYPING_ERROR_SHARE = 0.03
_NICKNAME_SHARE = 0.18


def channels(rng: random.Random, count: int) -> list[str]:
    """The channels of one person's records; nobody opens more than two web accounts."""
    drawn = rng.choices(_CHANNELS, _CHANNEL_WEIGHTS, k=count)
    while drawn.count("web") > 2:
        drawn[drawn.index("web")] = "guest"
    return drawn


def observe(rng: random.Random, person: Person, channel: str, *, nth: int, of: int) -> dict[str, str]:
    """The non-empty input columns of the person's record number `nth` (0 first) of `of`."""
    attributes = {"source": "web" if channel == "guest" else channel}
    attributes |= _names(rng, person, channel)
    attributes |= _contact(rng, person, channel, age=(nth + rng.random()) / of)
    if channel in {"web", "store"} and rng.random() < (0.45 if channel == "web" else 0.6):
        attributes["date_of_birth"] = birth_format(rng, person.born, at_the_counter=channel == "store")
    if channel == "web" and rng.random() < 0.3:
        attributes["gender"] = "female" if person.female else "male"
    return {name: value for name, value in attributes.items() if value}


def _names(rng: random.Random, person: Person, channel: str) -> dict[str, str]:
    given, family = person.given_name, person.family_name
    if person.nicknames and rng.random() < _NICKNAME_SHARE:
        given = rng.choice(person.nicknames)
    if channel == "phone":
        given = misheard(rng, given) if rng.random() < 0.08 else given
        family = misheard(rng, family) if rng.random() < 0.14 else family
    given = typing_error(rng, given) if rng.random() < _TYPING_ERROR_SHARE else given
    family = typing_error(rng, family) if rng.random() < _TYPING_ERROR_SHARE else family
    if person.suffix and rng.random() < 0.7:
        family = f"{family} {person.suffix}"
    if channel == "guest":
        middle = f"{person.middle_initial}. " if person.middle_initial and rng.random() < 0.15 else ""
        return {"full_name": letter_case(rng, f"{given} {middle}{family}")}
    if rng.random() < 0.01:
        given, family = family, given
    middle = person.middle_initial if rng.random() < 0.35 else ""
    return {
        "given_name": letter_case(rng, given),
        "middle_name": middle,
        "family_name": letter_case(rng, family),
    }


def _contact(rng: random.Random, person: Person, channel: str, *, age: float) -> dict[str, str]:
    """E-mail, phone and address of that time of the person's life (`age` 0 oldest, 1 newest)."""
    contact: dict[str, str] = {}
    if channel in {"web", "guest"} or rng.random() < 0.55:
        email = person.emails[int(age * len(person.emails) * 0.999)]
        contact["email"] = (
            typing_error(rng, email.split("@")[0]) + "@" + email.split("@")[1] if rng.random() < 0.01 else email
        )
        if channel == "web":  # only an account asks its owner to confirm the address
            contact["email_verified"] = "true" if rng.random() < 0.9 else "false"
    if rng.random() < {"web": 0.7, "guest": 0.5, "store": 0.9, "phone": 0.95}[channel]:
        mobile = person.phones[int(age * len(person.phones) * 0.999)]
        at_home = person.landline is not None and rng.random() < 0.2
        contact["phone"] = phone_format(rng, person.landline if at_home and person.landline else mobile)
        if channel == "store" and not at_home and rng.random() < 0.5:  # a code sent to the mobile at the counter
            contact["phone_verified"] = "true"
    if rng.random() < {"web": 0.85, "guest": 0.75, "store": 0.4, "phone": 0.6}[channel]:
        contact |= _address(rng, person.addresses[int(age * len(person.addresses) * 0.999)])
    return contact


def _address(rng: random.Random, address: Address) -> dict[str, str]:
    street = street_line(rng, address)
    return {
        "street": typing_error(rng, street) if rng.random() < 0.03 else street,
        "city": address.town.city,
        "region": address.town.region,
        "postal_code": address.postal_code,
        "country": "US",
    }
