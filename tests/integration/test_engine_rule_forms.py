"""The forms in which a plan binds rules, on a schema with tenants, several keys in one table and hostile values."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from customer_identity.merging import ActorRef, Merged, MergeOrder, Refused
from merge_engine import MergeEngine
from rig.fixtures import Connected

DDL = (
    'CREATE SCHEMA "odd ""schema"',
    """CREATE TABLE "odd ""schema"."cust%s" (org integer, no integer, rev integer NOT NULL DEFAULT 1, see integer,
    note text, weight numeric, seen timestamptz, on_off boolean, kind char(4), PRIMARY KEY (org, no))""",
    """CREATE TABLE "odd ""schema".sales (org integer, sold_to integer, bill_to integer,
    id integer GENERATED ALWAYS AS IDENTITY, state text, due date)""",
    """CREATE TABLE "odd ""schema".settings (company integer, name text, value text)""",
    """CREATE TABLE "odd ""schema".seats (org integer, no integer, id integer GENERATED ALWAYS AS IDENTITY,
    area text, place integer, UNIQUE (org, no, area, place))""",
)
HEAD = """
name: odd
revision: 1
customer:
  table: 'odd "schema.cust%s'
  key: {column: "no", type: integer}
  tenant: {column: org, type: integer}
  version: rev
disposition: {kind: link, column: see}
fields: {note: WINNER_STRICT}
children:
  - {table: 'odd "schema.sales', customer: sold_to, move: repoint}
  - {table: 'odd "schema.sales', customer: bill_to, move: repoint}
  - table: 'odd "schema.seats'
    move: repoint_unique
    unique: [area, place]
    collision: {policy: block}
"""
RULE = "  - {rule: R, message: m, remediation: r, "
SALES = """'odd "schema.sales'"""
SETTINGS = """'odd "schema.settings'"""


@pytest.fixture
def database(connected: Connected) -> Engine:
    engine = connected("merge_worker")
    with engine.begin() as connection:
        for statement in DDL:
            connection.exec_driver_sql(statement.replace("%", "%%"))
    return engine


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], MergeEngine]:
    def engine(rule: str = "") -> MergeEngine:
        path = tmp_path / "odd.yaml"
        path.write_text(HEAD + (f"rules:\n{RULE}{rule}}}\n" if rule else ""), encoding="utf-8")
        return MergeEngine.load(path)

    return engine


def _customer(connection: Connection, org: int, no: int, **columns: object) -> None:
    names = "".join(f", {name}" for name in columns)
    values = "".join(f", %({name})s" for name in columns)
    connection.exec_driver_sql(
        f'INSERT INTO "odd ""schema"."cust%%s" (org, no{names}) VALUES (%(org)s, %(no)s{values})',
        {"org": org, "no": no, **columns},
    )


def _insert(connection: Connection, table: str, **columns: object) -> None:
    values = ", ".join(f"%({name})s" for name in columns)
    connection.exec_driver_sql(f'INSERT INTO "odd ""schema".{table} ({", ".join(columns)}) VALUES ({values})', columns)


def _order(winner_id: int = 1, loser_id: int = 2, org: int = 7) -> MergeOrder:
    return MergeOrder(
        tenant_id=str(org),
        command_id=f"{org}-{winner_id}-{loser_id}",
        winner_id=str(winner_id),
        loser_ids=(str(loser_id),),
        requested_by=ActorRef(id="ann", roles=("merge",)),
        reason="test",
    )


CONDITIONS: list[tuple[str, dict[str, object], dict[str, object]]] = [
    ("note: x", {"note": "x"}, {"note": "X"}),
    ('note: "\'; DROP TABLE x; --"', {"note": "'; DROP TABLE x; --"}, {"note": "x"}),
    ("note: '100%s %(ids)s'", {"note": "100%s %(ids)s"}, {"note": "100"}),
    ("note: 'back\\slash'", {"note": "back\\slash"}, {"note": "backslash"}),
    ('note: {one_of: [a, "b\'c", 5]}', {"note": "B'C"}, {"note": "b"}),
    ("note: {one_of: [a, 5]}", {"note": "5"}, {"note": None}),
    ("note: {not: [a, b]}", {"note": None}, {"note": "B"}),
    ("note: {not: a}", {"note": "b"}, {"note": "a"}),
    ("weight: 5", {"weight": "5.00"}, {"weight": "5.01"}),
    ("weight: {above: 4.5}", {"weight": 5}, {"weight": 4.5}),
    ("weight: {below: -1}", {"weight": -2}, {"weight": None}),
    ("on_off: true", {"on_off": True}, {"on_off": None}),
    ("on_off: false", {"on_off": False}, {"on_off": None}),
    ("kind: AB", {"kind": "AB"}, {"kind": "ABC"}),
    ("note: {present: true}", {"note": "x"}, {"note": " "}),
    ("note: {present: false}", {"note": ""}, {"note": "x"}),
    ("seen: {within_days: 2}", {"seen": "now"}, {"seen": "2020-01-01"}),
]


def test_every_condition_means_what_it_says_whatever_stands_in_it(
    database: Engine, load: Callable[[str], MergeEngine]
) -> None:
    for condition, holds, does_not in CONDITIONS:
        column, _, value = condition.partition(": ")
        engine = load(f"side: LOSER, flag: {{column: {column}, equals: {value}}}")
        for columns, fails in ((holds, True), (does_not, False)):
            with database.connect() as connection:
                _customer(connection, 7, 1)
                _customer(connection, 7, 2, **columns)
                preview = engine.preview(connection, _order())
            assert preview.eligible is not fails, (condition, columns)


def test_rows_are_a_customers_by_any_key_of_their_table_or_by_the_one_that_is_named(
    database: Engine, load: Callable[[str], MergeEngine]
) -> None:
    by_any = load(f"side: LOSER, exists: {{table: {SALES}, where: {{state: OPEN}}}}")
    by_one = load(f"side: LOSER, exists: {{table: {SALES}, customer: bill_to, where: {{state: OPEN}}}}")
    with database.begin() as connection:
        for no in (1, 2, 3):
            _customer(connection, 7, no)
        _customer(connection, 8, 2)
        _insert(connection, "sales", org=7, sold_to=2, bill_to=3, state="OPEN")
        _insert(connection, "sales", org=8, sold_to=1, bill_to=1, state="OPEN")
        for engine, loser, eligible in ((by_any, 2, False), (by_any, 3, False), (by_one, 2, True), (by_one, 3, False)):
            assert engine.preview(connection, _order(1, loser)).eligible is eligible
        (figure,) = next(one for one in by_any.preview(connection, _order()).rules if one.rule == "R").figures
        assert (figure.customer_id, figure.value) == ("2", "1")
        assert by_any.preview(connection, _order(2, 1)).eligible, "the row of the other tenant is another customer's"


def test_a_state_of_the_system_holds_for_everybody_and_one_of_a_tenant_for_that_tenant(
    database: Engine, load: Callable[[str], MergeEngine]
) -> None:
    where = "where: {name: closing, value: 'yes'}"
    of_all = load(f"flag: {{table: {SETTINGS}, {where}}}")
    of_tenant = load(f"flag: {{table: {SETTINGS}, {where}, per: tenant, tenant: company}}")
    with database.begin() as connection:
        for org in (7, 8):
            for no in (1, 2):
                _customer(connection, org, no)
        assert of_all.preview(connection, _order()).eligible
        _insert(connection, "settings", company=8, name="closing", value="no")
        _insert(connection, "settings", company=8, name="other", value="yes")
        assert of_all.preview(connection, _order()).eligible, "both conditions must hold for one row"
        _insert(connection, "settings", company=8, name="closing", value="yes")
        for engine, org, eligible in (
            (of_all, 7, False),
            (of_all, 8, False),
            (of_tenant, 7, True),
            (of_tenant, 8, False),
        ):
            preview = engine.preview(connection, _order(org=org))
            assert preview.eligible is eligible
            if not eligible:
                assert [(one.side.value, one.customer_ids) for one in preview.failures] == [("SYSTEM", ())]


def test_rows_that_would_take_the_same_place_stop_a_merge_where_the_plan_says_block(
    database: Engine, load: Callable[[str], MergeEngine]
) -> None:
    engine = load("")
    with database.begin() as connection:
        for no in (1, 2, 3):
            _customer(connection, 7, no)
        for no, area, place in ((1, "A", 1), (2, "A", 1), (2, "B", 2), (3, "A", 3), (3, None, 1), (1, None, 1)):
            _insert(connection, "seats", org=7, no=no, area=area, place=place)
        refused, merged = engine.merge(connection, [_order(1, 2), _order(1, 3)])
        assert isinstance(refused, Refused)
        (error,) = refused.errors
        assert (error.rule, error.side.value, error.customer_ids) == ("ROWS_COLLIDE", "PAIR", ("1", "2"))
        assert "area, place" in error.message
        assert isinstance(merged, Merged)


def test_nobody_slips_past_a_rule_behind_somebody_else(database: Engine, load: Callable[[str], MergeEngine]) -> None:
    engine = load("side: LOSER, flag: {column: on_off}")
    with database.begin() as connection:
        for no in (1, 2, 3):
            _customer(connection, 7, no)
        (first,) = engine.merge(connection, [_order(2, 3)])
        assert isinstance(first, Merged)
        connection.exec_driver_sql('UPDATE "odd ""schema"."cust%%s" SET on_off = true WHERE no = 3')
        (refused,) = engine.merge(connection, [_order(1, 2)])
    assert isinstance(refused, Refused)
    assert [(error.rule, error.customer_ids) for error in refused.errors] == [("R", ("3",))]
