"""A plan drafted from a schema that nobody designed for merging, and the merge that it then does."""

import re
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from customer_identity.merging import Merged, Unmerged, UnmergeOrder
from merge_engine import MergeEngine, PlanError
from merge_engine.discovering import draft_plan
from merge_engine.live_schema import load_schema
from rig.customer_rows import ACTOR, order, rows
from rig.fixtures import Connected

SHOP = """
CREATE SCHEMA shop;
CREATE TABLE shop.customers (
  id integer PRIMARY KEY, login text UNIQUE, first_name text, last_name text, email text, street text, city text,
  newsletter boolean, status text, comments text, store_credit numeric NOT NULL DEFAULT 0, created_at timestamptz,
  last_seen timestamptz, referred_by integer REFERENCES shop.customers,
  full_text text GENERATED ALWAYS AS (last_name) STORED);
CREATE TABLE shop.orders (
  order_no bigint PRIMARY KEY, bill_to integer REFERENCES shop.customers, ship_to integer REFERENCES shop.customers);
CREATE TABLE shop.tags (customer_id integer REFERENCES shop.customers, tag text, PRIMARY KEY (customer_id, tag));
CREATE TABLE shop.preferences (customer_id integer PRIMARY KEY REFERENCES shop.customers, colour text);
CREATE TABLE shop.points (id serial PRIMARY KEY, customer_id integer UNIQUE REFERENCES shop.customers, balance integer);
CREATE TABLE shop.addresses (
  id serial PRIMARY KEY, customer_id integer REFERENCES shop.customers, label text, UNIQUE (customer_id, label));
CREATE TABLE shop.shipments (id serial PRIMARY KEY, address_id integer REFERENCES shop.addresses);
CREATE TABLE shop.calls (id serial PRIMARY KEY, customer_no integer);
CREATE TABLE shop.files (id serial PRIMARY KEY, owner_type text, owner_id integer);
CREATE TABLE shop.visits (day date, customer_id integer, id integer, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
CREATE TABLE shop.visits_now PARTITION OF shop.visits FOR VALUES FROM ('2020-01-01') TO ('2040-01-01');
ALTER TABLE shop.visits_now ADD FOREIGN KEY (customer_id) REFERENCES shop.customers;
"""

PEOPLE = """
INSERT INTO shop.customers (id, login, first_name, last_name, street, city, newsletter, comments, store_credit)
  VALUES (1, 'ann', 'Ann', 'Lee', NULL, 'Ghent', true, 'rings twice', 5),
  (2, 'al', 'Ann', 'Lee', 'Dock 1', 'Bruges', false, 'no calls', 7), (3, NULL, 'Bo', 'Ny', NULL, NULL, NULL, NULL, 0);
UPDATE shop.customers SET referred_by = 2 WHERE id = 3;
INSERT INTO shop.orders VALUES (10, 2, 1), (11, 3, 2);
INSERT INTO shop.tags VALUES (1, 'vip'), (2, 'vip'), (2, 'new');
INSERT INTO shop.preferences VALUES (1, 'red'), (2, 'blue');
INSERT INTO shop.points (customer_id, balance) VALUES (1, 20), (2, 30);
INSERT INTO shop.addresses (id, customer_id, label) VALUES (1, 1, 'home'), (2, 2, 'home'), (3, 2, 'work');
INSERT INTO shop.shipments (address_id) VALUES (2);
INSERT INTO shop.calls (customer_no) VALUES (2);
INSERT INTO shop.files (owner_type, owner_id) VALUES ('customer', 2), ('order', 2);
INSERT INTO shop.visits VALUES ('2024-02-01', 2, 1);
"""


@pytest.fixture
def shop(connected: Connected) -> Engine:
    engine = connected("merge_worker")
    with engine.begin() as connection:
        connection.exec_driver_sql(SHOP)
    return engine


def _draft(shop: Engine, table: str | None = None) -> str:
    with shop.connect() as connection:
        return draft_plan(load_schema(connection, without=MergeEngine.own_schemas), customer_table=table)


def _taken_in(draft: str) -> str:
    """The draft as its reader leaves it: a place to note the winner, and both suspects taken in as children."""
    suspects = re.findall(r"^#(  - table: .*(?:\n#    .*)*)", draft, flags=re.MULTILINE)
    children = "\n".join(block.replace("\n#", "\n") for block in suspects).replace("'?'", "customer")
    return draft.replace("children:\n", f"children:\n{children}\n", 1)


def test_the_remedy_in_a_draft_can_be_typed_as_it_stands_where_names_are_written_large(shop: Engine) -> None:
    with shop.begin() as connection:
        connection.exec_driver_sql('CREATE TABLE shop."Clients" ("ClientId" integer PRIMARY KEY, "Email" text)')
    draft = _draft(shop, "shop.Clients")
    (remedy,) = re.findall("ALTER TABLE .*;", draft)
    with shop.begin() as connection:
        connection.exec_driver_sql(remedy)
        connection.exec_driver_sql('SELECT merged_into FROM shop."Clients"')


def test_a_draft_covers_every_declared_key_and_names_every_suspect(shop: Engine, tmp_path: Path) -> None:
    draft = _draft(shop)
    plan = tmp_path / "plan.yaml"
    plan.write_text(draft, encoding="utf-8")
    with shop.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE shop.customers ADD COLUMN merged_into integer")
        connection.exec_driver_sql("ALTER TABLE shop.customers ADD COLUMN at timestamptz")
        faults = MergeEngine.load(plan).check(connection)
    assert [fault.split(": ")[1] for fault in faults] == [
        "shop.calls.customer_no",
        "shop.files.owner_id beside owner_type",
    ], faults
    assert "ALTER TABLE shop.customers ADD COLUMN merged_into integer;" in draft
    assert "login: WINNER_STRICT" in draft
    assert "full_text" not in draft


def test_a_draft_with_its_suspects_taken_in_merges_and_unmerges(shop: Engine, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(_taken_in(_draft(shop)), encoding="utf-8")
    own = MergeEngine.load(plan)
    with shop.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE shop.customers ADD COLUMN merged_into integer")
        connection.exec_driver_sql(PEOPLE)
        assert own.check(connection) == []
        before = _everything(connection)
        (merged,) = own.merge(connection, [order("1", "2")])
        assert isinstance(merged, Merged), merged
        assert rows(
            connection, "SELECT street, city, newsletter, comments, store_credit FROM shop.customers WHERE id = 1"
        ) == [("Dock 1", "Bruges", False, "rings twice\nno calls", 12)]
        assert rows(connection, "SELECT order_no, bill_to, ship_to FROM shop.orders ORDER BY 1") == [
            (10, 1, 1),
            (11, 3, 1),
        ]
        assert rows(connection, "SELECT tag FROM shop.tags WHERE customer_id = 1 ORDER BY 1") == [("new",), ("vip",)]
        assert rows(connection, "SELECT customer_id, balance FROM shop.points") == [(1, 50)]
        assert rows(connection, "SELECT owner_type, owner_id FROM shop.files ORDER BY 1") == [
            ("customer", 1),
            ("order", 2),
        ]
        assert rows(connection, "SELECT customer_no FROM shop.calls") == [(1,)]
        assert rows(connection, "SELECT customer_id FROM shop.visits") == [(1,)]
        assert rows(
            connection, "SELECT referred_by, merged_into FROM shop.customers WHERE id IN (2, 3) ORDER BY id"
        ) == [
            (None, 1),
            (1, None),
        ]
        assert rows(connection, "SELECT id, customer_id FROM shop.addresses ORDER BY id") == [(1, 1), (2, 2), (3, 1)]
        assert list(own.verify(connection)) == []
        undone = own.unmerge(
            connection,
            UnmergeOrder(tenant_id="acme", command_id="u", merge_id=merged.merge_id, requested_by=ACTOR, reason="test"),
        )
        assert isinstance(undone, Unmerged)
        assert undone.conflicts == ()
        assert _everything(connection) == before


def test_the_customer_table_is_found_by_its_name_or_asked_for(shop: Engine) -> None:
    with shop.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA crm; CREATE TABLE crm.contacts (id text PRIMARY KEY)")
        connection.exec_driver_sql("CREATE TABLE crm.calls (contact_id text REFERENCES crm.contacts)")
    assert "table: shop.customers" in _draft(shop), "more keys reach it than crm.contacts"
    assert "table: crm.contacts" in _draft(shop, "contacts")
    with pytest.raises(PlanError, match="there is no table guests"):
        _draft(shop, "guests")
    with pytest.raises(PlanError, match=r"several tables are called calls: crm\.calls, shop\.calls"):
        _draft(shop, "calls")
    with pytest.raises(PlanError, match=r"crm\.calls: the primary key must be one column"):
        _draft(shop, "crm.calls")


def _everything(connection: Connection) -> dict[str, list[str]]:
    tables = (
        "customers",
        "orders",
        "tags",
        "preferences",
        "points",
        "addresses",
        "shipments",
        "calls",
        "files",
        "visits",
    )
    return {table: sorted(map(str, rows(connection, f"SELECT * FROM shop.{table}"))) for table in tables}


def test_the_rights_that_the_guide_names_are_enough(shop: Engine, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(_taken_in(_draft(shop)), encoding="utf-8")
    own = MergeEngine.load(plan)
    with shop.begin() as connection:
        run = connection.exec_driver_sql
        run("ALTER TABLE shop.customers ADD COLUMN merged_into integer")
        run(PEOPLE)
        run("DROP ROLE IF EXISTS shop_merger; CREATE ROLE shop_merger")
        run("GRANT USAGE ON SCHEMA shop, merge TO shop_merger; GRANT ALL ON ALL TABLES IN SCHEMA merge TO shop_merger")
        run("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop TO shop_merger")
        run("REVOKE INSERT, DELETE ON shop.customers FROM shop_merger")
        run("SET ROLE shop_merger")
        assert own.check(connection) == []
        (merged,) = own.merge(connection, [order("1", "2")])
        assert isinstance(merged, Merged)
        assert list(own.verify(connection)) == []
        order_ = UnmergeOrder(
            tenant_id="acme", command_id="u", merge_id=merged.merge_id, requested_by=ACTOR, reason="test"
        )
        assert isinstance(own.unmerge(connection, order_), Unmerged)
        run("RESET ROLE; DROP OWNED BY shop_merger; DROP ROLE shop_merger")
