"""Thresholds of a plan above which two people approve, on real tables: what counts, and what a plan may not name."""

from pathlib import Path

from sqlalchemy import Connection

from customer_identity.merging import ApprovalRef, Merged, Refused
from merge_engine import MergeEngine
from rig import rule_cases
from rig.fixtures import Connected
from rig.merging_values import NOW
from rig.rule_cases import HEAD, TENANT, Case, fill, item, load, order

CHILD = "children:\n  - {table: pack.items, customer: customer_id, move: repoint}\n"
SUM = "{above: 100, sum: {table: pack.items, column: amount, where: {kind: credit}}}"
COLUMN = "{above: 100, sum: {column: score}}"
ROWS = "{above: 1, rows: {table: pack.items, where: {status: OPEN}}}"
ALL = "{above: 2, rows: all}"
CREDIT = item("credit", amount=60)
OPEN = item("x", status="OPEN")


CASES = (
    (SUM, Case(rule="", winner_items=[CREDIT], loser_items=[CREDIT]), True),
    (SUM, Case(rule="", loser_items=[CREDIT, item("debit", amount=900), item("credit")]), False),
    (COLUMN, Case(rule="", winner={"score": 101}), True),
    (COLUMN, Case(rule="", winner={"score": 100}), False),
    (ROWS, Case(rule="", loser_items=[OPEN, OPEN]), True),
    (ROWS, Case(rule="", winner_items=[OPEN] * 9, loser_items=[OPEN, item("x", status="SHUT")]), False),
    (ALL, Case(rule="", loser_items=[OPEN] * 3), True),
    (ALL, Case(rule="", winner_items=[OPEN] * 9, loser_items=[OPEN] * 2), False),
)


def test_above_a_threshold_one_approval_is_too_few_for_preview_and_merge(connected: Connected, tmp_path: Path) -> None:
    with rule_cases.tables(connected) as connection:
        for threshold, case, needs in CASES:
            engine = load(f"{HEAD}fields: {{}}\n{CHILD}two_people: [{threshold}]\n", tmp_path)
            with connection.begin_nested() as savepoint:
                fill(connection, case)
                check(connection, engine, needs=needs)
                savepoint.rollback()


def check(connection: Connection, engine: MergeEngine, *, needs: bool) -> None:
    by_one = (ApprovalRef(by="ann", at=NOW),)
    one, two = order("w", "l", approvals=by_one), order("w", "l", approvals=(*by_one, ApprovalRef(by="bob", at=NOW)))
    preview = engine.preview(connection, one)
    (shown,) = [rule for rule in preview.rules if rule.rule == "TWO_PEOPLE_REQUIRED"]
    assert (preview.eligible, shown.passed) == (not needs, not needs)
    assert shown.figures
    assert engine.preview(connection, two).eligible
    (result,) = engine.merge(connection, [one])
    if needs:
        assert isinstance(result, Refused)
        assert [(error.rule, error.permanent) for error in result.errors] == [("TWO_PEOPLE_REQUIRED", True)]
        assert connection.exec_driver_sql("SELECT count(*) FROM merge.edges").scalar_one() == 0
        (result,) = engine.merge(connection, [two])
    assert isinstance(result, Merged)
    standing = engine.standing(connection, TENANT, "f")
    assert any(rule.rule == "TWO_PEOPLE_REQUIRED" for rule in standing)


def test_a_threshold_over_what_is_no_number_or_not_there_is_a_fault_of_the_plan(
    connected: Connected, tmp_path: Path
) -> None:
    with rule_cases.tables(connected) as connection:
        for threshold, said in (
            ("{above: 1, sum: {column: note}}", "only numbers can be added up, the column is text"),
            ("{above: 1, sum: {table: pack.items, column: status}}", "only numbers can be added up"),
            ("{above: 1, sum: {column: wealth}}", "pack.customers.wealth: there is no such column"),
            ("{above: 1, rows: {table: pack.coins}}", "pack.coins: there is no such table"),
        ):
            engine = load(f"{HEAD}fields: {{}}\n{CHILD}two_people:\n  - {threshold}\n", tmp_path)
            faults = [str(fault) for fault in engine.check(connection)]
            assert any(said in fault and "pack.yaml:10:" in fault for fault in faults), (said, faults)
