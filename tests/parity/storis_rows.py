"""Customers of the retailer's back office: every test makes its own."""

from typing import Any

from rig.profile_world import TENANT, ProfileWorld

WRITTEN_ON = "2025-01-02"


def customer(world: ProfileWorld, company: str = TENANT, **columns: Any) -> int:
    """Insert a customer; its number."""
    values = {"company": company, "last_name": "Quimby", "first_name": "Ada", **columns}
    return int(world.insert_returning("storis.customers", "customer_no", **values))


def customers(world: ProfileWorld, count: int, company: str = TENANT) -> list[int]:
    """Insert customers who differ in nothing that a rule looks at; their numbers."""
    return [customer(world, company) for _ in range(count)]


def order(world: ProfileWorld, customer_no: int, company: str = TENANT, status: str = "COMPLETED", **more: Any) -> int:
    """Insert an order that the customer bought and pays; its number."""
    row = {"sold_to": customer_no, "bill_to": customer_no, "total": 100, "written_on": WRITTEN_ON, **more}
    return int(world.insert_returning("storis.sales_orders", "order_no", company=company, status=status, **row))


def company(world: ProfileWorld, name: str, **settings: Any) -> str:
    """Insert a company in that state; its name."""
    world.insert("storis.company_settings", company=name, **settings)
    return name


def owner(world: ProfileWorld, order_no: int) -> tuple[int, int]:
    """Who bought and who pays."""
    ((sold_to, bill_to),) = world.sql(
        "SELECT sold_to, bill_to FROM storis.sales_orders WHERE order_no = :n", n=order_no
    )
    return sold_to, bill_to
