"""Rows of the order management system: every test makes its own."""

import itertools
from typing import Any

from rig.profile_world import ProfileWorld

LOB = 10
_NUMBERS = itertools.count(6000)
_ORDERS = itertools.count(80000)


def account(world: ProfileWorld, **columns: Any) -> int:
    """A new account; its number."""
    number = next(_NUMBERS)
    world.insert("infoplus.customers", lob_id=LOB, customer_no=number, **{"company_name": f"Café {number}"} | columns)
    return number


def order(world: ProfileWorld, payer: int, receiver: int, **columns: Any) -> int:
    """A new order; its number."""
    given = {"status": "SHIPPED", "total": 10, "ordered_on": "2025-01-01"} | columns
    parties = {"lob_id": LOB, "bill_to_no": payer, "ship_to_no": receiver}
    return int(world.insert_returning("infoplus.orders", "order_no", order_no=next(_ORDERS), **parties, **given))


def address(world: ProfileWorld, owner: int, key: str, *, is_default: bool = False) -> int:
    """A new ship-to address; its id."""
    place = {"address_key": key, "street": key, "city": "Ashby", "zip": "05501", "is_default": is_default}
    whose = {"lob_id": LOB, "customer_no": owner}
    return int(world.insert_returning("infoplus.ship_to_addresses", "address_id", **whose, **place))


def subscribe(world: ProfileWorld, owner: int, *, wanted: bool, catalogue: str = "SPRING") -> None:
    """A subscription of a catalogue, or the refusal of one."""
    told = {"catalogue": catalogue, "wanted": wanted, "asked_how": "web form"}
    world.insert("infoplus.catalogue_subscriptions", lob_id=LOB, customer_no=owner, **told)


def merged(world: ProfileWorld, winner: int, *losers: int) -> dict[str, Any]:
    """Merge accounts; the outcome."""
    return world.merged(winner, *losers, tenant_id=str(LOB))


def parties(world: ProfileWorld, order_no: int) -> tuple[int, int]:
    """Who pays for an order, and who receives it."""
    query = "SELECT bill_to_no, ship_to_no FROM infoplus.orders WHERE order_no = :n"
    ((bill_to, ship_to),) = world.sql(query, n=order_no)
    return bill_to, ship_to


def record(world: ProfileWorld, number: int) -> Any:
    """An account's record."""
    (row,) = world.sql("SELECT * FROM infoplus.customers WHERE lob_id = :lob AND customer_no = :n", lob=LOB, n=number)
    return row


def mailing(world: ProfileWorld, *numbers: int) -> list[tuple[str, int]]:
    """What the mailing house is sent for these accounts."""
    query = (
        "SELECT catalogue, customer_no FROM infoplus.catalogue_mailing"
        " WHERE lob_id = :lob AND customer_no = ANY (:numbers) ORDER BY 1, 2"
    )
    return [tuple(row) for row in world.sql(query, lob=LOB, numbers=list(numbers))]
