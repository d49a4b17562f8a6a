"""Large merges in tables of other shapes: composite row keys, keys that hold the customer, records that are deleted."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from customer_identity.merging import Merged, Moved
from merge_engine import MergeEngine
from rig.customer_rows import order, rows
from rig.fixtures import Connected
from rig.large_customers import Mover

DDL = """
CREATE SCHEMA shop;
CREATE TABLE shop.customers (number bigint PRIMARY KEY, company text NOT NULL, name text);
CREATE TABLE shop.lines (
    company text NOT NULL, order_no integer, line_no integer, customer_no bigint NOT NULL REFERENCES shop.customers,
    PRIMARY KEY (company, order_no, line_no));
CREATE INDEX lines_customer ON shop.lines (customer_no);
CREATE TABLE shop.visits (
    customer_no bigint NOT NULL REFERENCES shop.customers, seen timestamptz, PRIMARY KEY (customer_no, seen));
CREATE TABLE shop.notes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), owner_type text NOT NULL, owner_id bigint NOT NULL);
CREATE INDEX notes_owner ON shop.notes (owner_id, owner_type);
CREATE TABLE shop.phones (
    id serial PRIMARY KEY, customer_no bigint NOT NULL REFERENCES shop.customers, phone text NOT NULL,
    UNIQUE (customer_no, phone));
INSERT INTO shop.customers VALUES (1, 'acme', 'Ada'), (2, 'acme', 'Ada L.');
INSERT INTO shop.lines SELECT 'acme', n / 3, n, 2 FROM generate_series(1, 70) n;
INSERT INTO shop.lines SELECT 'acme', n / 3, n, 1 FROM generate_series(101, 105) n;
INSERT INTO shop.visits SELECT 2, now() - n * interval '1 second' FROM generate_series(1, 30) n;
INSERT INTO shop.notes (owner_type, owner_id)
  SELECT kind, 2 FROM generate_series(1, 25), unnest(ARRAY['customer', 'supplier']) AS kind;
INSERT INTO shop.phones (customer_no, phone) VALUES (1, '1'), (2, '2');
"""

PLAN = """
name: shop
revision: 1
inline_rows: 20
customer:
  table: shop.customers
  key: {column: number, type: bigint}
  tenant: {column: company, type: text}
disposition: {kind: delete}
fields: {name: WINNER_THEN_FILL}
children:
  - {table: shop.lines, customer: customer_no, row_id: [company, order_no, line_no], move: repoint}
  - {table: shop.visits, customer: customer_no, tenant: false, row_id: [customer_no, seen], move: repoint}
  - {table: shop.notes, customer: owner_id, tenant: false, where: {owner_type: customer}, move: repoint}
  - table: shop.phones
    customer: customer_no
    tenant: false
    move: repoint_unique
    unique: [phone]
    collision: {policy: keep_winner}
"""


@pytest.fixture
def database(connected: Connected) -> Engine:
    engine = connected("merge_worker")
    with engine.begin() as connection:
        connection.exec_driver_sql(DDL)
    return engine


@pytest.fixture
def mover(database: Engine, tmp_path: Path) -> Mover:
    """The merge of 2 into 1 is done, its rows are listed, and some have moved."""
    (tmp_path / "plan.yaml").write_text(PLAN, "utf-8")
    engine = MergeEngine.load(tmp_path / "plan.yaml")
    with database.begin() as connection:
        (merged,) = engine.merge(connection, [order("1", "2")])
    assert isinstance(merged, Merged)
    assert merged.rows == "MOVING"
    assert merged.moved == (Moved(table="shop.phones", rows=1, collisions=0),)
    mover = Mover(engine, database, chunk_rows=8)
    mover.list_rows()
    mover.chunk()
    return mover


def test_rows_are_found_by_composite_keys_and_by_keys_that_hold_the_customer(database: Engine, mover: Mover) -> None:
    done = mover.to_the_end()
    assert {(one.table, one.rows) for one in done.merge.moved} == {
        ("shop.lines", 70),
        ("shop.visits", 30),
        ("shop.notes", 25),
        ("shop.phones", 1),
    }
    with database.connect() as connection:
        assert _owners(connection) == [
            ("lines", 1, 75),
            ("notes", 1, 25),
            ("notes", 2, 25),  # a supplier's, not the customer's
            ("phones", 1, 2),
            ("visits", 1, 30),
        ]


def test_the_record_is_deleted_when_its_last_row_has_moved(database: Engine, mover: Mover) -> None:
    with database.connect() as connection:
        assert rows(connection, "SELECT number FROM shop.customers ORDER BY number") == [(1,), (2,)]
        assert rows(connection, "SELECT count(*) FROM merge.journal WHERE action = 'LOSER'") == [(0,)]
    mover.to_the_end()
    with database.connect() as connection:
        assert rows(connection, "SELECT number FROM shop.customers ORDER BY number") == [(1,)]
        assert rows(connection, "SELECT before ->> 'name' FROM merge.journal WHERE action = 'LOSER'") == [("Ada L.",)]


def test_rows_of_any_table_written_meanwhile_follow_before_the_record_is_deleted(
    database: Engine, mover: Mover
) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql("INSERT INTO shop.phones (customer_no, phone) VALUES (2, '1'), (2, '3')")
        connection.exec_driver_sql("INSERT INTO shop.lines VALUES ('acme', 900, 1, 2)")
    done = mover.to_the_end()
    assert Moved(table="shop.phones", rows=2, collisions=1) in done.merge.moved
    assert Moved(table="shop.lines", rows=71, collisions=0) in done.merge.moved
    with database.connect() as connection:
        assert rows(connection, "SELECT number FROM shop.customers") == [(1,)]
        assert rows(connection, "SELECT phone FROM shop.phones ORDER BY phone") == [("1",), ("2",), ("3",)]


def test_a_chunk_is_found_by_the_rows_own_key_however_many_rows_the_customer_has(
    database: Engine, mover: Mover
) -> None:
    """The planner knows nothing of this customer: an index over customers would be scanned whole for every chunk."""
    with database.begin() as connection:
        connection.exec_driver_sql("ANALYZE shop.lines")
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for table, index in (("lines", "lines_pkey"), ("visits", "visits_pkey"), ("notes", "notes_pkey")):
            ids = rows(connection, f"SELECT row_ids::text FROM merge.journal WHERE table_name LIKE 'shop.{table}%'")
            statement = next(
                entry.move for entry in mover.large._compiled.chunks.tables.values() if entry.table == f"shop.{table}"
            )
            parameters = {
                "merge_id": mover.lease.merge_id, "chunk": 1, "ids": ids[0][0], "tenant": "acme",
                "loser": "2", "target": "1", "path_merges": [], "path_ids": [],
            }  # fmt: skip
            plan = "\n".join(str(line) for (line,) in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters))
            assert index in plan, plan


def _owners(connection: Connection) -> list[tuple[object, ...]]:
    return [
        (table, *row)
        for table, column in (
            ("lines", "customer_no"),
            ("notes", "owner_id"),
            ("phones", "customer_no"),
            ("visits", "customer_no"),
        )
        for row in rows(connection, f"SELECT {column}, count(*) FROM shop.{table} GROUP BY 1 ORDER BY 1")
    ]
