"""Large merges that are taken apart where the plan deletes losers, and rows have ids of several columns."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from customer_identity.merging import Merged, Refused, RowsReturning, Unmerged
from event_runtime.database import create_engine
from merge_engine import MergeEngine
from rig.customer_rows import order, rows
from rig.large_customers import Mover, Returner
from rig.taking_apart import begun

DDL = """
CREATE SCHEMA shop;
CREATE TABLE shop.customers (
    number bigint PRIMARY KEY, company text NOT NULL, name text {name}, email text UNIQUE, version integer NOT NULL);
CREATE TABLE shop.lines (
    company text NOT NULL, order_no integer, line_no integer, customer_no bigint NOT NULL REFERENCES shop.customers,
    PRIMARY KEY (company, order_no, line_no));
CREATE INDEX lines_customer ON shop.lines (customer_no);
CREATE TABLE shop.visits (
    customer_no bigint NOT NULL REFERENCES shop.customers, seen integer, PRIMARY KEY (customer_no, seen));
CREATE TABLE shop.phones (
    id serial PRIMARY KEY, customer_no bigint NOT NULL REFERENCES shop.customers, phone text NOT NULL,
    UNIQUE (customer_no, phone));
INSERT INTO shop.customers VALUES (1, 'acme', 'Ada', 'ada@example.com', 1), (2, 'acme', 'Ada L.', NULL, 1),
  (3, 'acme', 'A. L.', NULL, 1), (4, 'acme', 'Eve', NULL, 1);
INSERT INTO shop.lines SELECT 'acme', n / 3, n, 2 FROM generate_series(1, 70) n;
INSERT INTO shop.lines SELECT 'acme', n / 3, n, 1 FROM generate_series(101, 105) n;
INSERT INTO shop.visits SELECT 2, n FROM generate_series(1, 30) n;
INSERT INTO shop.visits SELECT 1, n FROM generate_series(101, 103) n;
INSERT INTO shop.phones (customer_no, phone) VALUES (1, '1'), (2, '1'), (2, '2');
"""

PLAN = """
name: shop
revision: 1
inline_rows: 20
customer:
  table: shop.customers
  key: {column: number, type: bigint}
  tenant: {column: company, type: text}
  version: version
disposition: {kind: delete}
fields: {name: WINNER_THEN_FILL, email: WINNER_THEN_FILL}
children:
  - {table: shop.lines, customer: customer_no, row_id: [company, order_no, line_no], move: repoint}
  - {table: shop.visits, customer: customer_no, tenant: false, row_id: [customer_no, seen], move: repoint}
  - table: shop.phones
    customer: customer_no
    tenant: false
    move: repoint_unique
    unique: [phone]
    collision: {policy: keep_winner}
"""
TABLES = ("customers", "lines", "visits", "phones")


@pytest.fixture
def name_is() -> str:
    """What is asked of a name."""
    return ""


@pytest.fixture
def database(migrated: Callable[..., str], name_is: str) -> Iterator[Engine]:
    engine = create_engine(migrated("merge_worker"))
    with engine.begin() as connection:
        connection.exec_driver_sql(DDL.format(name=name_is))
    yield engine
    engine.dispose()


@pytest.fixture
def engine(tmp_path: Path) -> MergeEngine:
    (tmp_path / "plan.yaml").write_text(PLAN, "utf-8")
    return MergeEngine.load(tmp_path / "plan.yaml")


@pytest.fixture
def before(database: Engine) -> dict[str, list[str]]:
    with database.connect() as connection:
        return _contents(connection)


@pytest.fixture
def merges(database: Engine, engine: MergeEngine, before: dict[str, list[str]]) -> tuple[str, str]:
    """The large merge of 2 into 1, and that of 1 into 3, which took the address of 1 and most of the rows of 2."""
    with database.begin() as connection:
        (large,) = engine.merge(connection, [order("1", "2")])
    mover = Mover(engine, database, chunk_rows=8)
    mover.list_rows()
    mover.chunk()
    with database.begin() as connection:
        (small,) = engine.merge(connection, [order("3", "1")])
    assert isinstance(large, Merged)
    assert isinstance(small, Merged)
    assert (large.rows, small.rows) == ("MOVING", "COMPLETE")
    mover.to_the_end()
    with database.connect() as connection:
        assert _emails(connection) == [(3, "ada@example.com"), (4, None)]
    return large.merge_id, small.merge_id


@pytest.fixture
def merge_id(merges: tuple[str, str]) -> str:
    """The merge of 1 into 3."""
    return merges[1]


def _contents(connection: Connection) -> dict[str, list[str]]:
    return {
        table: sorted(str(line) for (line,) in rows(connection, f"SELECT to_jsonb(t) - 'version' FROM shop.{table} t"))
        for table in TABLES
    }


def _emails(connection: Connection) -> list[tuple[object, ...]]:
    return list(rows(connection, "SELECT number, email FROM shop.customers ORDER BY number"))


def _owned(connection: Connection, customer: int) -> dict[str, object]:
    counts = ", ".join(
        f"(SELECT count(*) FROM shop.{table} WHERE {'number' if table == 'customers' else 'customer_no'} = {customer})"
        for table in TABLES
    )
    return dict(zip(TABLES, rows(connection, f"SELECT {counts}")[0], strict=True))


def test_a_deleted_record_stands_there_without_what_its_winner_took_until_that_is_free(
    database: Engine, engine: MergeEngine, before: dict[str, list[str]], merges: tuple[str, str]
) -> None:
    large, small = merges
    assert isinstance(begun(engine, database, small), RowsReturning)
    with database.connect() as connection:
        assert _emails(connection) == [(1, None), (3, "ada@example.com"), (4, None)]
    undone = Returner(engine, database).to_the_end()
    assert isinstance(undone, Unmerged)
    assert (undone.kept, undone.conflicts) == ((), ())
    with database.connect() as connection:
        assert _emails(connection) == [(1, "ada@example.com"), (3, None), (4, None)]
        assert [*engine.verify(connection)] == []
        told = {one.id: one.version for one in undone.restored}
        assert rows(connection, "SELECT version FROM shop.customers WHERE number = 1") == [(told["1"],)]
    assert isinstance(begun(engine, database, large), RowsReturning)
    assert isinstance(Returner(engine, database).to_the_end(), Unmerged)
    with database.connect() as connection:
        assert _contents(connection) == before
        assert [*engine.verify(connection)] == []


def test_a_value_taken_while_rows_go_back_refuses_the_undo_and_they_go_to_the_winner_again(
    database: Engine, engine: MergeEngine, merge_id: str
) -> None:
    with database.connect() as connection:
        merged = _contents(connection)
    assert isinstance(begun(engine, database, merge_id), RowsReturning)
    returner = Returner(engine, database)
    returner.chunk()
    with database.begin() as connection:
        # Somebody corrects the winner's address and gives the old one to another customer.
        connection.exec_driver_sql("UPDATE shop.customers SET email = NULL WHERE number = 3")
        connection.exec_driver_sql("UPDATE shop.customers SET email = 'ada@example.com' WHERE number = 4")
    while returner.chunk().line:
        pass
    assert returner.finish() is None
    with database.connect() as connection:
        assert _owned(connection, 1)["lines"] == 62  # of 70 and 5; the others moved in the merge itself
    refused = returner.to_the_end()
    assert isinstance(refused, Refused)
    assert [error.rule for error in refused.errors] == ["VALUE_TAKEN"]
    with database.begin() as connection:
        assert _owned(connection, 1) == dict.fromkeys(TABLES, 0)
        assert [*engine.verify(connection)] == []
        connection.exec_driver_sql("UPDATE shop.customers SET email = NULL WHERE number = 4")
        connection.exec_driver_sql("UPDATE shop.customers SET email = 'ada@example.com' WHERE number = 3")
        assert _contents(connection) == merged
    assert isinstance(begun(engine, database, merge_id), RowsReturning)
    assert isinstance(Returner(engine, database).to_the_end(), Unmerged)
    with database.connect() as connection:
        assert _owned(connection, 1)["lines"] == 75


def test_a_value_that_is_taken_before_refuses_the_undo_before_any_row_moves(
    database: Engine, engine: MergeEngine, merge_id: str
) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE shop.customers SET email = NULL WHERE number = 3")
        connection.exec_driver_sql("UPDATE shop.customers SET email = 'ada@example.com' WHERE number = 4")
    refused = begun(engine, database, merge_id)
    assert isinstance(refused, Refused)
    assert [error.rule for error in refused.errors] == ["VALUE_TAKEN"]
    with database.connect() as connection:
        assert engine.large.still_moving(connection) == []
        assert _owned(connection, 1) == dict.fromkeys(TABLES, 0)


@pytest.mark.parametrize("name_is", ["NOT NULL"])
def test_a_record_stands_there_without_the_value_that_the_winner_has_and_with_all_others(
    database: Engine, engine: MergeEngine, merge_id: str
) -> None:
    assert isinstance(begun(engine, database, merge_id), RowsReturning)
    with database.connect() as connection:
        assert list(rows(connection, "SELECT name, email FROM shop.customers WHERE number = 1")) == [("Ada", None)]
    assert isinstance(Returner(engine, database).to_the_end(), Unmerged)
    with database.connect() as connection:
        assert _owned(connection, 1)["lines"] == 75
        assert _emails(connection)[0] == (1, "ada@example.com")


def test_a_record_that_cannot_stand_there_without_a_field_comes_back_with_all_its_rows_at_once(
    database: Engine, engine: MergeEngine, merge_id: str
) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION shop.reachable() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF NEW.email IS NULL THEN RAISE 'nobody without an address' USING ERRCODE = 'check_violation'; END IF; "
            "RETURN NEW; END $$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER reachable BEFORE INSERT ON shop.customers FOR EACH ROW EXECUTE FUNCTION shop.reachable()"
        )
    assert isinstance(begun(engine, database, merge_id), Unmerged)
    with database.connect() as connection:
        assert _owned(connection, 1)["lines"] == 75


def test_a_value_that_only_one_record_may_hold_is_the_winners_before_the_losers_record_is_deleted(
    database: Engine, engine: MergeEngine
) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE shop.customers SET email = 'al@example.com' WHERE number = 2")
        before = _contents(connection)
        (merged,) = engine.merge(connection, [order("4", "2")])
        assert isinstance(merged, Merged)
        assert _emails(connection) == [(1, "ada@example.com"), (2, None), (3, None), (4, "al@example.com")]
    Mover(engine, database, chunk_rows=8).to_the_end()
    with database.connect() as connection:
        assert _emails(connection) == [(1, "ada@example.com"), (3, None), (4, "al@example.com")]
        assert [*engine.verify(connection)] == []
    assert isinstance(begun(engine, database, merged.merge_id), RowsReturning)
    assert isinstance(Returner(engine, database).to_the_end(), Unmerged)
    with database.connect() as connection:
        assert _contents(connection) == before


def test_a_chunk_on_its_way_back_is_found_by_the_rows_own_key(
    database: Engine, engine: MergeEngine, merge_id: str
) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql("ANALYZE shop.lines")
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for table, index in (("lines", "lines_pkey"), ("visits", "visits_pkey")):
            ids = rows(connection, f"SELECT row_ids::text FROM merge.journal WHERE table_name LIKE 'shop.{table}%'")
            tables = engine.large._compiled.chunks.tables.values()
            (statement,) = (entry.give for entry in tables if entry.table == f"shop.{table}")
            parties = {"ids": ids[0][0], "tenant": "acme", "holder": "3", "taker": "1"}
            plan = "\n".join(str(line) for (line,) in connection.exec_driver_sql(f"EXPLAIN {statement}", parties))
            assert index in plan, plan
