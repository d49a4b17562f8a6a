"""Tables of rule cases: a winner and a loser in a small schema, and the sides that a rule objects to."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import Connection, text

from customer_identity.merging import ActorRef, Deferred, Merged, MergeOrder, OnIneligible, Refused
from merge_engine import MergeEngine
from merge_engine.plan_file import packs
from rig.fixtures import Connected

SCHEMA = """
CREATE SCHEMA pack;
CREATE TABLE pack.customers (
  id text PRIMARY KEY, version bigint NOT NULL DEFAULT 1, merged_into text, kind text DEFAULT 'I',
  email text, note text, tags text[], secret text, born date, ssn text, cosigner text, score integer, class text,
  joint_holder text, standing text, currency text, locked boolean NOT NULL DEFAULT false,
  held boolean NOT NULL DEFAULT false, has_login boolean NOT NULL DEFAULT false, last_seen timestamptz);
CREATE TABLE pack.items (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id text NOT NULL, kind text NOT NULL,
  status text, amount integer, company text, account text);
CREATE TABLE pack.settings (
  id integer PRIMARY KEY DEFAULT 1, month_end boolean NOT NULL DEFAULT false, open_items boolean NOT NULL DEFAULT false,
  laser_tickets boolean NOT NULL DEFAULT false);
INSERT INTO pack.settings DEFAULT VALUES;
"""
HEAD = """
name: pack
revision: 1
customer: {table: pack.customers, key: {column: id}, version: version}
disposition: {kind: link, column: merged_into}
"""
IDENTITY_RULES = """
  - {rule: LEGAL_HOLD, flag: {column: held}}
  - {rule: BLOCKED_IDENTIFIER_VALUE, flag: {column: id, equals: {one_of: [guest]}}}
  - {rule: LOSER_HAS_LOGIN, flag: {column: has_login}}
  - {rule: CURRENCY_MISMATCH, mismatch: {column: currency}}
  - {rule: LOYALTY_PROGRAM_DIFFERS, mismatch: {table: pack.items, column: account, where: {kind: program}}}
  - {rule: BOTH_ACTIVELY_USED, both_present: {column: last_seen, within_days: 90}}
  - {rule: WINNER_EMAIL_UNCONFIRMED, exists: {table: pack.items, where: {kind: unconfirmed}}}
"""
TENANT = "t"
Row = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Case:
    """`sides` are those on which the rule finds a fault; none: it lets the merge pass.

    `settings` are columns of the system's row, `sql` is run once the customers are there.
    """

    rule: str
    sides: tuple[str, ...] = ()
    winner: Row = field(default_factory=dict)
    loser: Row = field(default_factory=dict)
    winner_items: Sequence[Row] = ()
    loser_items: Sequence[Row] = ()
    settings: Row = field(default_factory=dict)
    sql: tuple[str, ...] = ()
    order: Mapping[str, object] = field(default_factory=dict)


def item(kind: str, **columns: object) -> Row:
    """A row of pack.items."""
    return {"kind": kind, **columns}


def order(winner_id: str, *loser_ids: str, **more: object) -> MergeOrder:
    """An order of somebody who may merge."""
    values: dict[str, object] = {
        "tenant_id": TENANT,
        "command_id": "c",
        "winner_id": winner_id,
        "loser_ids": loser_ids,
        "requested_by": ActorRef(id="ann", roles=("merge",)),
        "reason": "test",
    }
    return MergeOrder(**{**values, **more})  # type: ignore[arg-type]  # tests name the fields


@contextmanager
def tables(connected: Connected) -> Iterator[Connection]:
    """A transaction on a database of its own with the tables."""
    with connected("merge_worker").begin() as connection:
        for statement in SCHEMA.strip().split(";\n"):
            connection.exec_driver_sql(statement)
        yield connection


def load(plan: str, directory: Path) -> MergeEngine:
    """The engine of a plan."""
    path = directory / "pack.yaml"
    path.write_text(plan, encoding="utf-8")
    return MergeEngine.load(path)


def check_each(
    connected: Connected, engine: MergeEngine, cases: Iterable[Case], *, temporary: Collection[str] = ()
) -> None:
    """Check every case; the rules in `temporary` stop a merge for a time."""
    with tables(connected) as connection:
        for case in cases:
            check(connection, engine, case, temporary=case.rule in temporary)


def assert_each_is_shown(pack: str, cases: Iterable[Case], *, elsewhere: Collection[str] = ()) -> None:
    """The cases stop and pass every rule of a pack, but those that are shown elsewhere."""
    rules = {rule.rule for rule in packs()[pack].rules} - set(elsewhere)
    assert {case.rule for case in cases if case.sides} == rules
    assert {case.rule for case in cases if not case.sides} == rules


def insert(connection: Connection, table: str, columns: Row) -> None:
    """Insert a row of the schema."""
    names, values = ", ".join(columns), ", ".join(f":{name}" for name in columns)
    connection.execute(text(f"INSERT INTO pack.{table} ({names}) VALUES ({values})"), dict(columns))


def fill(connection: Connection, case: Case) -> None:
    """Insert the customers `w`, `l` and a bystander `f`, and all that the case says of them."""
    for id_, columns, items in (
        ("w", case.winner, case.winner_items),
        ("l", case.loser, case.loser_items),
        ("f", {}, ()),
    ):
        insert(connection, "customers", {"id": id_, **columns})
        for one in items:
            insert(connection, "items", {"customer_id": id_, **one})
    if case.settings:
        assigned = ", ".join(f"{name} = :{name}" for name in case.settings)
        connection.execute(text(f"UPDATE pack.settings SET {assigned}"), dict(case.settings))
    for statement in case.sql:
        connection.exec_driver_sql(statement)


def check(connection: Connection, engine: MergeEngine, case: Case, *, temporary: bool, warns: bool = False) -> None:
    """Preview and merge: the rule, and no other one, fails on exactly these sides; then roll all of it back."""
    with connection.begin_nested() as savepoint:
        fill(connection, case)
        asked = order("w", "l", **case.order)
        preview = engine.preview(connection, asked)
        faults = [(failure.rule, failure.side.value) for failure in (*preview.failures, *preview.warnings)]
        assert faults == [(case.rule, side) for side in case.sides], case
        (shown,) = [one for one in preview.rules if one.rule == case.rule]
        assert shown.passed is not bool(case.sides), case
        assert preview.eligible is (warns or not case.sides), case
        waiting = replace(asked, on_ineligible=OnIneligible.WAIT)
        results = []
        for one in (waiting, asked):
            with connection.begin_nested() as attempt:
                results += engine.merge(connection, [one])
                attempt.rollback()
        if case.sides and not warns:
            assert [type(one) for one in results] == [Deferred if temporary else Refused, Refused], case
            for result in results:
                assert isinstance(result, Refused | Deferred)
                assert [(error.rule, error.side.value) for error in result.errors] == faults, case
                assert all(error.permanent is not temporary and error.remediation for error in result.errors), case
        else:
            assert [type(one) for one in results] == [Merged, Merged], case
            assert isinstance(results[0], Merged)
            assert [warning.rule for warning in results[0].warnings] == [rule for rule, _ in faults], case
        savepoint.rollback()
