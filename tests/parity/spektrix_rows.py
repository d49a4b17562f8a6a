"""Rows of the ticket office: every test makes its own."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from rig.profile_world import ProfileWorld

_NUMBERS = itertools.count(5000)
BOX_OFFICE: Mapping[str, Any] = {"id": "ann", "roles": ["merge"]}
DATA_PROTECTION: Mapping[str, Any] = {"id": "dee", "roles": ["merge", "protected-data"]}


def individual(world: ProfileWorld, **columns: Any) -> str:
    """A new person; the id."""
    customer_id = f"I-{next(_NUMBERS)}"
    person = {"first_name": "Robin", "last_name": f"Ash {customer_id}"} | columns
    world.insert("spektrix.customers", customer_id=customer_id, kind="INDIVIDUAL", **person)
    return customer_id


def organisation(world: ProfileWorld, **columns: Any) -> str:
    """A new organisation; the id."""
    customer_id = f"O-{next(_NUMBERS)}"
    body = {"organisation_name": f"School {customer_id}"} | columns
    world.insert("spektrix.customers", customer_id=customer_id, kind="ORGANISATION", **body)
    return customer_id


def order(world: ProfileWorld, customer_id: str, **columns: Any) -> int:
    """A new order; its number."""
    given = {"event": "Giselle", "total": 20} | columns
    return int(world.insert_returning("spektrix.orders", "order_no", customer_id=customer_id, **given))


def tag(world: ProfileWorld, customer_id: str, text: str) -> str:
    """A new tag; its id."""
    return str(world.insert_returning("spektrix.tags", "tag_id", customer_id=customer_id, tag=text))


def address(world: ProfileWorld, customer_id: str, street: str, *, is_postal: bool = False) -> str:
    """A new address; its id."""
    place = {"street": street, "town": "Bath", "postcode": "BA1", "is_postal": is_postal}
    return str(world.insert_returning("spektrix.addresses", "address_id", customer_id=customer_id, **place))


def preference(world: ProfileWorld, customer_id: str, purpose: str, *, agreed: bool) -> str:
    """A new contact preference; its id."""
    said = {"purpose": purpose, "agreed": agreed, "evidence": "booking"}
    return str(world.insert_returning("spektrix.contact_preferences", "preference_id", customer_id=customer_id, **said))


def related(world: ProfileWorld, customer_id: str, other: str, kind: str = "partner") -> str:
    """A new relationship; its id."""
    pair = {"customer_id": customer_id, "related_id": other, "kind": kind}
    return str(world.insert_returning("spektrix.relationships", "relationship_id", **pair))


def attribute(world: ProfileWorld, customer_id: str, name: str, value: str, *, is_protected: bool = False) -> None:
    """A new attribute."""
    world.insert("spektrix.attributes", customer_id=customer_id, name=name, value=value, is_protected=is_protected)


def record(world: ProfileWorld, customer_id: str) -> Any:
    """A customer's record."""
    (row,) = world.sql("SELECT * FROM spektrix.customers WHERE customer_id = :id", id=customer_id)
    return row


def owned(world: ProfileWorld, table: str, column: str, *owners: str) -> list[list[Any]]:
    """The values of a column in each owner's rows, sorted."""
    query = f"SELECT {column} FROM spektrix.{table} WHERE customer_id = :id ORDER BY 1"
    return [[row[0] for row in world.sql(query, id=one)] for one in owners]


def refused(outcome: Mapping[str, Any]) -> Sequence[str]:
    """The rules that an order fails."""
    assert outcome["type"] == "MergeRejected", outcome
    return sorted({error["rule"] for error in outcome["errors"]})
