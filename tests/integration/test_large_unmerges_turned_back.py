"""Large merges whose undo is refused at its end, while something stands in the way of their rows to the winner."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from customer_identity.merging import Merged, Refused, RowsReturning, RuleFailure, Side, Unmerged
from event_runtime.database import create_engine
from merge_engine import FindingKind, MergeEngine
from rig.customer_rows import order, rows
from rig.large_customers import Mover, Returner
from rig.taking_apart import begun

DDL = """
CREATE SCHEMA shop;
CREATE TABLE shop.customers (number bigint PRIMARY KEY, company text NOT NULL, name text, version integer NOT NULL);
CREATE TABLE shop.lines (
    id serial PRIMARY KEY, customer_no bigint NOT NULL REFERENCES shop.customers {reaction}, place integer NOT NULL);
CREATE TABLE shop.visits (
    customer_no bigint NOT NULL REFERENCES shop.customers {reaction}, seen integer, PRIMARY KEY (customer_no, seen));
CREATE TABLE shop.holds (
    id serial PRIMARY KEY, customer_no bigint NOT NULL REFERENCES shop.customers {reaction});
INSERT INTO shop.customers VALUES (1, 'acme', 'Ada', 1), (2, 'acme', 'Ada L.', 1);
INSERT INTO shop.lines (customer_no, place) SELECT 2, n FROM generate_series(1, 30) n;
INSERT INTO shop.visits SELECT 2, n FROM generate_series(1, 30) n;
"""

CUSTOMERS = """
name: shop
revision: 1
inline_rows: 20
customer:
  table: shop.customers
  key: {column: number, type: bigint}
  tenant: {column: company, type: text}
  version: version
disposition: {kind: delete}
fields: {name: WINNER_THEN_FILL}
children:
  - {table: shop.holds, customer: customer_no, tenant: false, row_id: id, move: block_if_exists, rule: ON_HOLD}
"""
LINES = "  - {table: shop.lines, customer: customer_no, tenant: false, row_id: id, move: repoint}\n"
VISITS = "  - {table: shop.visits, customer: customer_no, tenant: false, row_id: [customer_no, seen], move: repoint}\n"
VISITS_AT_ONCE = """\
  - table: shop.visits
    customer: customer_no
    tenant: false
    row_id: [customer_no, seen]
    move: repoint_unique
    unique: [seen]
    collision: {policy: keep_winner}
"""

FAILURE = RuleFailure(
    rule="DATABASE_REFUSED",
    side=Side.SYSTEM,
    customer_ids=(),
    field=None,
    message="refused",
    remediation="look",
    permanent=True,
)


@pytest.fixture
def reaction() -> str:
    """What becomes of a customer's rows when the customer is deleted."""
    return ""


@pytest.fixture
def database(migrated: Callable[..., str], reaction: str) -> Iterator[Engine]:
    engine = create_engine(migrated("merge_worker"))
    with engine.begin() as connection:
        connection.exec_driver_sql(DDL.format(reaction=reaction))
    yield engine
    engine.dispose()


@pytest.fixture
def planned(tmp_path: Path) -> Callable[..., MergeEngine]:
    """An engine whose plan has these children."""

    def load(*children: str) -> MergeEngine:
        (tmp_path / "plan.yaml").write_text(CUSTOMERS + "".join(children), "utf-8")
        return MergeEngine.load(tmp_path / "plan.yaml")

    return load


@pytest.fixture
def engine(planned: Callable[..., MergeEngine]) -> MergeEngine:
    return planned(LINES, VISITS)


@pytest.fixture
def refused(database: Engine, engine: MergeEngine) -> Returner:
    """The undo of 2's merge into 1 has brought all rows back, and is given up."""
    with database.begin() as connection:
        (merged,) = engine.merge(connection, [order("1", "2")])
    assert isinstance(merged, Merged)
    Mover(engine, database, chunk_rows=8).to_the_end()
    assert isinstance(begun(engine, database, merged.merge_id), RowsReturning)
    returner = Returner(engine, database)
    while returner.chunk().line:
        pass
    with database.begin() as connection:
        assert engine.unmerges.refuse(connection, returner.lease, FAILURE)
        assert _owned(connection, 2) == (1, 30, 30)
    return returner


def _again(engine: MergeEngine, database: Engine) -> object:
    """Begin the undo once more."""
    with database.connect() as connection:
        ((merge_id,),) = rows(connection, "SELECT merge_id::text FROM merge.merges WHERE winner_id = '1'")
    return begun(engine, database, str(merge_id))


def _owned(connection: Connection, customer: int) -> tuple[object, ...]:
    """How many records, lines and visits a customer has."""
    (counts,) = rows(
        connection,
        f"SELECT (SELECT count(*) FROM shop.customers WHERE number = {customer}),"
        f" (SELECT count(*) FROM shop.lines WHERE customer_no = {customer}),"
        f" (SELECT count(*) FROM shop.visits WHERE customer_no = {customer})",
    )
    return tuple(counts)


def _late_row_of_somebody_else(engine: MergeEngine, connection: Connection) -> None:
    connection.exec_driver_sql("INSERT INTO shop.customers VALUES (3, 'acme', 'C', 1), (4, 'acme', 'D', 1)")
    (merged,) = engine.merge(connection, [order("3", "4")])
    assert isinstance(merged, Merged)
    connection.exec_driver_sql("ALTER TABLE shop.lines DISABLE TRIGGER ALL")
    connection.exec_driver_sql("INSERT INTO shop.lines (customer_no, place) VALUES (4, 1)")
    connection.exec_driver_sql("ALTER TABLE shop.lines ENABLE TRIGGER ALL")


def _rules(result: object) -> list[str]:
    assert isinstance(result, Refused)
    return [error.rule for error in result.errors]


def _do(database: Engine, statement: str) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize("reaction", ["", "ON DELETE CASCADE"])
def test_rows_written_under_the_losers_id_meanwhile_follow_to_the_winner_before_its_record_goes(
    database: Engine, engine: MergeEngine, refused: Returner
) -> None:
    _do(database, "INSERT INTO shop.lines (customer_no, place) VALUES (2, 31), (2, 32)")
    _do(database, "INSERT INTO shop.visits VALUES (2, 31)")
    assert _rules(refused.to_the_end()) == ["DATABASE_REFUSED"]
    with database.connect() as connection:
        assert (_owned(connection, 1), _owned(connection, 2)) == ((1, 32, 31), (0, 0, 0))
        assert [*engine.verify(connection)] == []
    assert isinstance(_again(engine, database), RowsReturning)
    assert isinstance(Returner(engine, database).to_the_end(), Unmerged)
    with database.connect() as connection:
        assert (_owned(connection, 1), _owned(connection, 2)) == ((1, 0, 0), (1, 32, 31))
        assert [*engine.verify(connection)] == []


@pytest.mark.parametrize("reaction", ["", "ON DELETE CASCADE"])
def test_a_row_whose_place_with_the_winner_is_taken_stays_with_the_losers_record_and_the_undo_ends(
    database: Engine, engine: MergeEngine, refused: Returner
) -> None:
    _do(database, "INSERT INTO shop.visits VALUES (1, 5)")
    told = refused.to_the_end()
    assert _rules(told) == ["DATABASE_REFUSED", "ROWS_LEFT_ON_LOSER"]
    assert isinstance(told, Refused)
    assert told.errors[1].message.startswith("1 rows ")
    with database.connect() as connection:
        assert (_owned(connection, 1), _owned(connection, 2)) == ((1, 30, 30), (1, 0, 1))
        assert {finding.kind for finding in engine.verify(connection)} == {
            FindingKind.ROWS_LEFT_ON_LOSER,
            FindingKind.RECORD_DIFFERS_FROM_MAP,
        }
    with database.begin() as connection:
        # The sweep takes everybody else's rows along, and leaves this one as often as it comes by.
        _late_row_of_somebody_else(engine, connection)
        assert [engine.reconcile(connection, 100) for _ in range(2)] == [1, 0]
        assert (_owned(connection, 1), _owned(connection, 2)) == ((1, 30, 30), (1, 0, 1))
        assert _owned(connection, 3) == (1, 1, 0)
    _do(database, "DELETE FROM shop.visits WHERE customer_no = 1 AND seen = 5")
    assert isinstance(_again(engine, database), Unmerged)
    with database.connect() as connection:
        assert (_owned(connection, 1), _owned(connection, 2)) == ((1, 0, 0), (1, 30, 30))
        assert [*engine.verify(connection)] == []


@pytest.mark.parametrize("reaction", ["", "ON DELETE CASCADE"])
def test_a_row_that_a_trigger_holds_back_stays_with_the_losers_record_and_the_undo_ends(
    database: Engine, engine: MergeEngine, refused: Returner
) -> None:
    _do(
        database,
        "CREATE FUNCTION shop.held() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN IF old.place = 7 THEN RAISE 'this line is closed'; END IF; RETURN new; END$$",
    )
    _do(database, "CREATE TRIGGER held BEFORE UPDATE ON shop.lines FOR EACH ROW EXECUTE FUNCTION shop.held()")
    _do(database, "INSERT INTO shop.lines (customer_no, place) VALUES (2, 31)")
    assert _rules(refused.to_the_end()) == ["DATABASE_REFUSED", "ROWS_LEFT_ON_LOSER"]
    with database.connect() as connection:
        # The line that came meanwhile would go with the one that cannot: it is left, too.
        assert (_owned(connection, 1), _owned(connection, 2)) == ((1, 29, 30), (1, 2, 0))


@pytest.mark.parametrize("reaction", ["ON DELETE CASCADE"])
def test_a_row_that_no_merge_takes_along_keeps_the_losers_record(
    database: Engine, engine: MergeEngine, refused: Returner
) -> None:
    _do(database, "INSERT INTO shop.holds (customer_no) VALUES (2)")
    assert _rules(refused.to_the_end()) == ["DATABASE_REFUSED"]
    with database.connect() as connection:
        assert (_owned(connection, 1), _owned(connection, 2)) == ((1, 30, 30), (1, 0, 0))
        assert rows(connection, "SELECT customer_no FROM shop.holds") == [(2,)]


@pytest.mark.parametrize("reaction", ["ON DELETE CASCADE"])
def test_rows_of_a_table_that_no_longer_moves_in_chunks_go_to_the_winner_again(
    database: Engine, planned: Callable[..., MergeEngine], refused: Returner
) -> None:
    engine = planned(LINES, VISITS_AT_ONCE)
    refused.unmerges = engine.unmerges
    assert _rules(refused.to_the_end()) == ["DATABASE_REFUSED"]
    with database.connect() as connection:
        assert (_owned(connection, 1), _owned(connection, 2)) == ((1, 30, 30), (0, 0, 0))
        assert [*engine.verify(connection)] == []


@pytest.mark.parametrize("reaction", ["ON DELETE CASCADE"])
def test_rows_of_a_table_that_the_plan_has_lost_stay_with_the_losers_record(
    database: Engine, planned: Callable[..., MergeEngine], refused: Returner
) -> None:
    refused.unmerges = planned(LINES).unmerges
    assert _rules(refused.to_the_end()) == ["DATABASE_REFUSED", "ROWS_LEFT_ON_LOSER"]
    with database.connect() as connection:
        assert (_owned(connection, 1), _owned(connection, 2)) == ((1, 30, 0), (1, 0, 30))
