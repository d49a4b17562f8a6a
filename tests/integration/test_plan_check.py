"""What `plan check` says about a plan that does not fit its database: file, line, fault and remedy."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from merge_engine import MergeEngine, PlanError
from rig.fixtures import Connected

PLAN = """\
name: shop
revision: 1
customer:
  table: shop.customers
  key: {column: id, type: integer}
  version: version
disposition: {kind: inactivate, set: {active: false}}
fields:
  name: WINNER_THEN_FILL
  note: CONCAT
children:
  - {table: shop.orders, customer: customer_id, move: repoint}
  - table: shop.tags
    customer: customer_id
    move: repoint_unique
    unique: [tag]
    collision: {policy: newest, column: at}
  - {table: shop.points, customer: customer_id, move: sum_into_winner, sum: [balance]}
ignore:
  shop.log: it tells what was, and is never changed
"""

TABLES = """
CREATE SCHEMA shop;
CREATE TABLE shop.customers (
  id integer PRIMARY KEY, version integer, active boolean, name text, note text, score integer);
CREATE TABLE shop.orders (id serial PRIMARY KEY, customer_id integer REFERENCES shop.customers, day date);
CREATE TABLE shop.tags (
  id serial PRIMARY KEY, customer_id integer REFERENCES shop.customers, tag text, at timestamptz,
  UNIQUE (customer_id, tag));
CREATE TABLE shop.points (customer_id integer PRIMARY KEY REFERENCES shop.customers, balance integer, label text);
CREATE TABLE shop.log (customer_id integer REFERENCES shop.customers);
"""


@pytest.fixture
def shop(connected: Connected) -> Engine:
    engine = connected("merge_worker")
    with engine.begin() as connection:
        connection.exec_driver_sql(TABLES)
    return engine


def _faults(shop: Engine, path: Path, plan: str, ddl: str = "") -> list[str]:
    path.write_text(plan, encoding="utf-8")
    with shop.connect() as connection:
        if ddl:
            connection.exec_driver_sql(ddl)
        faults = MergeEngine.load(path).check(connection)
        connection.rollback()
    return [fault.removeprefix(str(path)) for fault in faults]


def test_a_plan_that_fits_has_no_faults(shop: Engine, tmp_path: Path) -> None:
    assert _faults(shop, tmp_path / "plan.yaml", PLAN) == []


@pytest.mark.parametrize(
    ("ddl", "expected"),
    [
        (
            "CREATE TABLE shop.calls (by_id integer REFERENCES shop.customers)",
            (
                ":12: shop.calls (by_id): foreign key calls_by_id_fkey reaches the customers and nothing moves "
                "its rows; "
                "add it under children, or under ignore as shop.calls.by_id with the reason"
            ),
        ),
        (
            "ALTER TABLE shop.orders ADD COLUMN ship_to integer REFERENCES shop.customers",
            (
                ":12: shop.orders (ship_to): foreign key orders_ship_to_fkey reaches the customers and nothing "
                "moves its rows; "
                "add it under children, or under ignore as shop.orders.ship_to with the reason"
            ),
        ),
        (
            "ALTER TABLE shop.customers ADD COLUMN parent integer REFERENCES shop.customers",
            (
                ":12: shop.customers (parent): foreign key customers_parent_fkey reaches the customers and "
                "nothing moves its "
                "rows; add it under children, or under ignore as shop.customers.parent with the reason"
            ),
        ),
        (
            "CREATE TABLE shop.calls (client_no bigint)",
            (
                ":12: shop.calls.client_no: named like a customer id, though no foreign key says so; add it "
                "under children, or "
                "under ignore as shop.calls.client_no with the reason"
            ),
        ),
        (
            "CREATE TABLE shop.files (about_type text, about_id integer)",
            (
                ":12: shop.files.about_id beside about_type: the id of a polymorphic pair, though no foreign "
                "key says so; add it "
                "under children, or under ignore as shop.files.about_id with the reason"
            ),
        ),
        (
            "CREATE UNIQUE INDEX one_a_day ON shop.orders (customer_id, day)",
            ":12: shop.orders: one_a_day makes moved rows collide; use repoint_unique with a collision policy",
        ),
        (
            "CREATE UNIQUE INDEX one_at ON shop.tags (customer_id, at)",
            ":16: shop.tags: one_at is over at; the plan's unique columns must be among them",
        ),
        (
            "ALTER TABLE shop.points DROP CONSTRAINT points_pkey",
            ":18: shop.points: sum_into_winner needs one row a customer; add a unique key on customer_id",
        ),
        (
            "ALTER TABLE shop.orders DROP CONSTRAINT orders_pkey",
            ":12: shop.orders: id does not tell its rows apart; add a primary key",
        ),
        (
            "CREATE TABLE shop.notes (tag_id integer REFERENCES shop.tags)",
            (
                ":15: shop.tags: rows that are put aside may be referred to by shop.notes (tag_id); use losing_rows: "
                "keep_on_loser, or put shop.notes.tag_id under ignore with the reason"
            ),
        ),
        (
            "ALTER TABLE shop.tags ADD COLUMN upper_tag text GENERATED ALWAYS AS (upper(tag)) STORED",
            ":15: shop.tags: rows with generated columns (upper_tag) cannot be put aside",
        ),
        ("DROP TABLE shop.log", ":20: shop.log: there is no such table or column; take it out of ignore"),
        (
            "ALTER TABLE shop.orders RENAME TO sales",
            ":12: shop.orders: there is no such table; correct the name, or grant this role the right to see it",
        ),
        (
            "ALTER TABLE shop.tags RENAME COLUMN at TO added",
            ":17: shop.tags.at: there is no such column; one of: added, customer_id, id, tag",
        ),
    ],
)
def test_a_schema_that_changed_is_told_with_line_and_remedy(
    shop: Engine, tmp_path: Path, ddl: str, expected: str
) -> None:
    assert _faults(shop, tmp_path / "plan.yaml", PLAN, ddl) == [expected]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "name: WINNER_THEN_FILL",
            "score: CONCAT",
            ":9: shop.customers.score: CONCAT needs character or character varying or text, the column is integer",
        ),
        (
            "name: WINNER_THEN_FILL",
            "name: MOST_RESTRICTIVE",
            ":9: shop.customers.name: MOST_RESTRICTIVE needs boolean, the column is text",
        ),
        (
            "name: WINNER_THEN_FILL",
            "name: {strategy: RECENCY, time: score}",
            ":9: shop.customers.score: RECENCY needs a time, the column is integer",
        ),
        (
            "name: WINNER_THEN_FILL",
            "name: {strategy: RECENCY, time: name_at}",
            ":9: shop.customers.name_at: there is no such column; one of: active, id, name, note, score, version",
        ),
        ("sum: [balance]", "sum: [label]", ":18: shop.points.label: only numbers can be summed"),
        (
            "version: version",
            "version: name",
            ":6: shop.customers.name: a version must be a whole number; leave it out to go by a hash of the row",
        ),
        ("type: integer", "type: text", ":5: shop.customers.id: the plan says text, the column is integer"),
        ("policy: newest, column: at", "policy: newest, column: tag", ":17: shop.tags.tag: newest needs "),
        (
            "policy: newest, column: at",
            "policy: most_restrictive, column: at",
            ":17: shop.tags.at: most_restrictive needs boolean, the column is timestamp with time zone",
        ),
        ("set: {active: false}", "set: {inactive: true}", ":7: shop.customers.inactive: there is no such column; "),
    ],
)
def test_a_plan_that_asks_the_impossible_is_told_so(
    shop: Engine, tmp_path: Path, old: str, new: str, expected: str
) -> None:
    faults = _faults(shop, tmp_path / "plan.yaml", PLAN.replace(old, new, 1))
    assert faults[0].startswith(expected), faults
    assert len(faults) == 1 or "type: text" in new


@pytest.mark.parametrize(
    ("ddl", "change", "expected"),
    [
        (
            (
                "ALTER TABLE shop.orders DROP CONSTRAINT orders_customer_id_fkey, "
                "ADD CONSTRAINT gone FOREIGN KEY (customer_id) REFERENCES shop.customers ON DELETE CASCADE"
            ),
            ("", ""),
            (
                ":7: shop.orders: foreign key gone is ON DELETE CASCADE: with a loser its rows would go; make "
                "it ON DELETE "
                "RESTRICT, or use disposition inactivate or link"
            ),
        ),
        (
            "",
            ("customer: customer_id, move: repoint}", "customer: customer_id, move: keep_on_loser}"),
            (
                ":12: shop.orders: keep_on_loser leaves rows on a loser that disposition delete takes away; use "
                "another of both"
            ),
        ),
        (
            "",
            ("column: at}", "column: at, losing_rows: keep_on_loser}"),
            (
                ":15: shop.tags: losing_rows: keep_on_loser leaves rows on a loser that disposition delete "
                "takes away; use "
                "another of both"
            ),
        ),
    ],
)
def test_deleting_losers_must_lose_no_row(
    shop: Engine, tmp_path: Path, ddl: str, change: tuple[str, str], expected: str
) -> None:
    deleting = PLAN.replace("disposition: {kind: inactivate, set: {active: false}}", "disposition: {kind: delete}")
    assert _faults(shop, tmp_path / "plan.yaml", deleting.replace(*change, 1), ddl) == [expected]


CONVERTING = (
    PLAN.replace(
        "  version: version\n", "  version: version\n  type: {column: note, individual: IND, organisation: ORG}\n"
    )
    + """\
conversion:
  clear: [name]
  keep_contact: {table: shop.orders, customer: customer_id, contact: contact_id, role: {column: role, value: MAIN}}
erasure: {clear: [note]}
"""
)
CONTACTS = "ALTER TABLE shop.orders ADD contact_id integer, ADD role text; "


@pytest.mark.parametrize(
    ("ddl", "change", "expected"),
    [
        ("", ("", ""), []),
        ("ALTER TABLE shop.customers ADD CONSTRAINT e CHECK (true)", ("column: note", "column: score"), [
            ":7: shop.customers.score: cannot hold IND, the column is integer",
            ":7: shop.customers.score: cannot hold ORG, the column is integer",
        ]),
        ("", ("individual: IND, organisation: ORG", "individual: 1, organisation: 2"), [
            ":7: shop.customers.note: cannot hold 1, the column is text",
            ":7: shop.customers.note: cannot hold 2, the column is text",
        ]),
        ("ALTER TABLE shop.customers ALTER name SET NOT NULL", ("", ""), [
            ":24: shop.customers.name: cannot be emptied, it is NOT NULL; drop that constraint, or take it out",
        ]),
        ("ALTER TABLE shop.customers ALTER note SET NOT NULL", ("", ""), [
            ":26: shop.customers.note: cannot be emptied, it is NOT NULL; drop that constraint, or take it out",
        ]),
        ("ALTER TABLE shop.customers ADD n text GENERATED ALWAYS AS (upper(name)) STORED", ("[name]", "[n]"), [
            ":24: shop.customers.n: the database computes it; take it out, its sources are what is emptied",
        ]),
        ("ALTER TABLE shop.orders ALTER contact_id TYPE text", ("", ""), [
            ":25: shop.orders.contact_id: must hold ids of customers (integer), the column is text",
        ]),
        ("ALTER TABLE shop.orders ALTER role TYPE boolean USING true", ("", ""), [
            ":25: shop.orders.role: cannot hold MAIN, the column is boolean",
        ]),
    ],
    ids=["fits", "type", "type-number", "clear", "erase", "generated", "contact", "role"],
)  # fmt: skip
def test_what_a_conversion_or_an_erasure_writes_must_fit_its_columns(
    shop: Engine, tmp_path: Path, ddl: str, change: tuple[str, str], expected: list[str]
) -> None:
    ignored = CONVERTING.replace("ignore:\n", "ignore:\n  shop.orders.contact_id: a contact follows by itself\n")
    plan = ignored.replace(*change, 1) if change[0] else ignored
    assert _faults(shop, tmp_path / "plan.yaml", plan, CONTACTS + ddl) == expected


def test_a_rule_of_python_must_be_importable(shop: Engine, tmp_path: Path) -> None:
    rule = "rules:\n  - {rule: OWN, side: PAIR, python: 'nowhere.at_all:check', message: m, remediation: r}\n"
    with pytest.raises(PlanError, match=r"nowhere.at_all:check cannot be imported: No module named 'nowhere'"):
        _faults(shop, tmp_path / "plan.yaml", PLAN + rule)
