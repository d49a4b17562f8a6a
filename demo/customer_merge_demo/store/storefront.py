"""The sample storefront: owns the reference store and tells the world of each new customer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, text

from customer_events import Attributes, CustomerCreated
from customer_merge_demo.bulk import insert_rows
from customer_merge_demo.customers import TENANT_ID, Customer
from customer_merge_demo.store.rows import TABLES, flag, rows_of
from event_runtime.outbox import Outbox
from event_runtime.publisher import Publisher

SCHEMA = "store"
# A chunk is one transaction: small enough to show progress, large enough that statements do not count.
CHUNK_CUSTOMERS = 250
_FLAGS = frozenset({"email_verified", "phone_verified"})


class Storefront:
    """Takes customers in: their rows and their events in one transaction, or neither."""

    def __init__(self, engine: Engine, publisher: Publisher) -> None:
        """For the database that holds schema `store`."""
        self._engine = engine
        self._publisher = publisher
        self._outbox = Outbox(SCHEMA)

    def take_in(self, customers: Sequence[Customer]) -> None:
        """Store these customers and everything that hangs on them, and publish a CustomerCreated for each."""
        with self._engine.begin() as connection:
            now = connection.execute(text("SELECT clock_timestamp()")).scalar_one().astimezone(UTC)
            self._insert(connection, customers, now)
            drafts = [self._publisher.draft(created(customer, now)) for customer in customers]
            self._outbox.append(connection, drafts)

    def _insert(self, connection: Connection, customers: Sequence[Customer], now: datetime) -> None:
        for table, rows in rows_of(customers, now).items():
            insert_rows(connection, f"{SCHEMA}.{table}", TABLES[table], rows)


def created(customer: Customer, now: datetime) -> CustomerCreated:
    """The event that tells of a new customer record."""
    values = {name: flag(value) if name in _FLAGS else value for name, value in customer.attributes.items()}
    return CustomerCreated(
        tenant_id=TENANT_ID,
        customer_id=customer.customer_id,
        version=1,
        occurred_at=now,
        source=customer.source or "import",
        attributes=Attributes.model_validate(values),
    )
