"""Customers of the reference store, with ids of their own in every test."""

import itertools
from typing import Any

from rig.profile_world import TENANT, ProfileWorld

_numbers = itertools.count(1)


def shopper(world: ProfileWorld, *, points: int = 0, orders: int = 0, **columns: Any) -> str:
    """Insert a customer with a loyalty account and orders; its id."""
    id_ = f"shopper-{next(_numbers)}"
    owned = {"tenant_id": TENANT, "customer_id": id_}
    world.insert("store.customers", **owned, **{"full_name": f"Name of {id_}", **columns})
    for number in range(orders):
        order(world, id_, f"{id_}-{number}")
    if points:
        world.insert("store.loyalty_ledger", **owned, points=points, reason="welcome")
        world.insert("store.loyalty_accounts", **owned, program="stars", points=points)
    return id_


def shoppers(world: ProfileWorld, count: int) -> list[str]:
    """Insert customers, each with an order; their ids."""
    return [shopper(world, orders=1) for _ in range(count)]


def order(world: ProfileWorld, id_: str, number: str) -> None:
    """Insert an order."""
    world.insert("store.orders", tenant_id=TENANT, customer_id=id_, order_number=number, status="PAID", total_cents=100)


def orders_of(world: ProfileWorld, id_: str) -> list[str]:
    """The numbers of a customer's orders."""
    rows = world.sql("SELECT order_number FROM store.orders WHERE customer_id = :id ORDER BY 1", id=id_)
    return [row.order_number for row in rows]


def points_of(world: ProfileWorld, id_: str) -> int | None:
    """The balance of a customer's loyalty account."""
    rows = world.sql("SELECT points FROM store.loyalty_accounts WHERE customer_id = :id", id=id_)
    return rows[0].points if rows else None


def spend(world: ProfileWorld, id_: str, points: int) -> None:
    """The store takes points for something."""
    owned = {"tenant_id": TENANT, "customer_id": id_}
    world.insert("store.loyalty_ledger", **owned, points=-points, reason="redeemed")
    world.sql("UPDATE store.loyalty_accounts SET points = points - :p WHERE customer_id = :id", p=points, id=id_)


def image(world: ProfileWorld, *ids: str) -> list[str]:
    """Everything the store holds of these customers, as text; without what any write changes."""
    tables = ("customers", "orders", "loyalty_ledger", "loyalty_accounts", "consents")
    return [
        f"{table}: {row[0]}"
        for table in tables
        for row in world.sql(
            f"SELECT (to_jsonb(t) - ARRAY['version', 'updated_at'])::text FROM store.{table} t"
            " WHERE customer_id = ANY(:ids) ORDER BY 1",
            ids=list(ids),
        )
    ]
