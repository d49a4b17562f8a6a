"""The storefront on a real database: rows and events in one transaction."""

from typing import Any

import pytest
from sqlalchemy import Engine, Row, text
from sqlalchemy.exc import IntegrityError

from customer_events import CATALOGUE, CustomerCreated, schemas_directory
from customer_merge_demo.customers import TENANT_ID, Customer, History
from customer_merge_demo.people.generator import generate
from customer_merge_demo.store.storefront import Storefront
from event_runtime.codec import Codec, SchemaStore
from event_runtime.publisher import Publisher
from rig.fixtures import Connected


@pytest.fixture
def codec() -> Codec:
    return Codec(SchemaStore(schemas_directory()), CATALOGUE)


@pytest.fixture
def engine(connected: Connected) -> Engine:
    return connected("customer_merge_demo.store")


@pytest.fixture
def storefront(engine: Engine, codec: Codec) -> Storefront:
    return Storefront(engine, Publisher(codec, CATALOGUE, source="storefront"))


def rows(engine: Engine, query: str, **values: Any) -> list[Row[Any]]:
    with engine.connect() as connection:
        return list(connection.execute(text(query), values))


def test_customers_come_with_everything_that_hangs_on_them_and_one_event_each(
    engine: Engine, codec: Codec, storefront: Storefront
) -> None:
    made = generate(records=400, seed=2)
    storefront.take_in(made.customers)

    count = {
        table: rows(engine, f"SELECT count(*) FROM store.{table}")[0][0] for table in ("customers", "orders", "tickets")
    }
    assert count == {
        "customers": 400,
        "orders": sum(len(c.history.orders) for c in made.customers),
        "tickets": sum(len(c.history.tickets) for c in made.customers),
    }
    found = [codec.decode(row.body) for row in rows(engine, "SELECT body FROM store.outbox ORDER BY position")]
    events = [event for event in found if isinstance(event, CustomerCreated) and event.tenant_id == TENANT_ID]
    assert [event.customer_id for event in events] == [c.customer_id for c in made.customers]
    first, record = events[0].attributes, made.customers[0].attributes
    assert (first.email, first.phone, first.family_name) == tuple(map(record.get, ("email", "phone", "family_name")))


def test_the_points_of_an_account_are_the_sum_of_its_ledger(engine: Engine, storefront: Storefront) -> None:
    storefront.take_in(generate(records=400, seed=2).customers)
    wrong = rows(
        engine,
        """SELECT a.customer_id FROM store.loyalty_accounts a
            WHERE a.points <> (SELECT sum(points) FROM store.loyalty_ledger l
                                WHERE l.tenant_id = a.tenant_id AND l.customer_id = a.customer_id)""",
    )
    assert wrong == []
    assert rows(engine, "SELECT sum(points) FROM store.loyalty_accounts")[0][0] > 0


def test_a_customer_that_is_there_already_leaves_neither_rows_nor_events_of_the_whole_chunk(
    engine: Engine, storefront: Storefront
) -> None:
    one, two = (customer(customer_id) for customer_id in ("C1", "C2"))
    storefront.take_in([one])
    with pytest.raises(IntegrityError):
        storefront.take_in([two, one])
    assert rows(engine, "SELECT customer_id FROM store.customers") == [("C1",)]
    assert rows(engine, "SELECT count(*) FROM store.outbox") == [(1,)]


@pytest.mark.parametrize("customer_id", ["o'Hara; DROP TABLE store.orders", "ключ:1", '"', "%s :name {x}"])
def test_ids_are_only_ever_values(engine: Engine, storefront: Storefront, customer_id: str) -> None:
    storefront.take_in([customer(customer_id)])
    assert rows(engine, "SELECT customer_id FROM store.customers") == [(customer_id,)]


def test_a_merged_record_must_say_into_whom(engine: Engine, storefront: Storefront) -> None:
    storefront.take_in([customer("C1")])
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text("UPDATE store.customers SET status = 'MERGED'"))


def test_nobody_said_whether_an_address_is_verified_stays_unknown(engine: Engine, storefront: Storefront) -> None:
    said = [customer("C1", email_verified="true"), customer("C2", email_verified="FALSE"), customer("C3")]
    storefront.take_in(said)
    assert rows(engine, "SELECT verified FROM store.emails ORDER BY customer_id") == [(True,), (False,), (None,)]


def customer(customer_id: str, **attributes: str) -> Customer:
    return Customer(
        customer_id=customer_id,
        source=None,
        attributes={"email": f"{abs(hash(customer_id))}@example.com", **attributes},
        history=History(),
    )
