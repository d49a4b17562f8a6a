"""Rows of the reference store for tests of the merge engine: one tenant, ids given by the test."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, text

from customer_identity.merging import ActorRef, ApprovalRef, MergeOrder

TENANT = "acme"
ACTOR = ActorRef(id="test", roles=("merge",))
PLACED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def order(winner_id: str | None, *loser_ids: str, **more: object) -> MergeOrder:
    """A merge order with what a test does not care about filled in."""
    values: dict[str, object] = {
        "tenant_id": TENANT,
        "command_id": f"merge-{winner_id}-{'-'.join(loser_ids)}",
        "winner_id": winner_id,
        "loser_ids": loser_ids,
        "requested_by": ACTOR,
        "reason": "test",
    }
    return MergeOrder(**{**values, **more})  # type: ignore[arg-type]  # tests name the fields


def approved(**versions: int) -> dict[str, object]:
    """What an order needs that follows redirects: an approval, and the reviewed version of every root."""
    return {"approvals": (ApprovalRef(by="eve", at=PLACED_AT),), "expected_versions": versions}


def customer(connection: Connection, customer_id: str, tenant_id: str = TENANT, **columns: object) -> None:
    """Insert a customer."""
    insert(connection, "customers", tenant_id=tenant_id, customer_id=customer_id, **columns)


def rich_customer(connection: Connection, customer_id: str, **columns: Any) -> None:
    """Insert a customer with rows in every child table; points add up."""
    customer(connection, customer_id, full_name=f"Name of {customer_id}", **columns)
    owner = {"tenant_id": TENANT, "customer_id": customer_id}
    address = f"{customer_id}@example.com"
    insert(connection, "emails", **owner, email=address, email_key=address.lower(), verified=True, is_primary=True)
    insert(connection, "emails", **owner, email="shared@example.com", email_key="shared@example.com")
    insert(connection, "phones", **owner, phone="+1 555 0100", phone_key="15550100", is_primary=True)
    insert(connection, "customer_tags", **owner, tag="vip")
    insert(connection, "customer_tags", **owner, tag=f"tag-{customer_id}")
    insert(connection, "addresses", **owner, street=f"{customer_id} street", postal_code="12345")
    insert(connection, "external_ids", **owner, system="crm", external_id=f"crm-{customer_id}")
    insert(connection, "tickets", **owner, subject="Help", status="OPEN", opened_at=PLACED_AT)
    for number in range(2):
        insert(
            connection,
            "orders",
            **owner,
            order_number=f"{customer_id}-{number}",
            status="PAID",
            total_cents=100,
            placed_at=PLACED_AT,
        )
    for points in (70, 30):
        insert(connection, "loyalty_ledger", **owner, points=points, reason="order", at=PLACED_AT)
    insert(connection, "loyalty_accounts", **owner, program="stars", points=100)


def insert(connection: Connection, table: str, **columns: object) -> None:
    """Insert one row into a table of the store."""
    names, values = ", ".join(columns), ", ".join(f":{name}" for name in columns)
    connection.execute(text(f"INSERT INTO store.{table} ({names}) VALUES ({values})"), columns)


def rich_customers(database: Engine, customer_ids: str) -> None:
    """Insert a rich customer for each letter."""
    with database.begin() as connection:
        for customer_id in customer_ids:
            rich_customer(connection, customer_id)


def rows(connection: Connection, sql: str, **parameters: object) -> Sequence[tuple[Any, ...]]:
    """What a query answers."""
    return [tuple(row) for row in connection.execute(text(sql), parameters)]


def contents(connection: Connection, *, but: Sequence[str] = ("version", "updated_at")) -> dict[str, list[str]]:
    """Every row of every table of the store, as text and sorted; without the columns that may differ."""
    tables = rows(
        connection,
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'store'::regnamespace AND c.relkind = 'r' "
        "AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'customer_id')",
    )
    return {
        str(table): [
            str(row[0])
            for row in rows(
                connection, f"SELECT (to_jsonb(t) - :but)::text FROM store.{table} t ORDER BY 1", but=[*but]
            )
        ]
        for (table,) in sorted(tables)
    }


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction that commits."""
    with engine.begin() as connection:
        yield connection
