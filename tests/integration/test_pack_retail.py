"""Every rule of the retail pack: what it stops, on which side, for how long, and what it lets pass."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from customer_identity.merging import ActorRef, Refused
from merge_engine import MergeEngine
from merge_engine.plan_file import packs
from rig import rule_cases
from rig.fixtures import Connected
from rig.rule_cases import Case, item, order

PLAN = (
    rule_cases.HEAD
    + """
packs: [retail]
fields: {email: WINNER_THEN_FILL}
children:
  - {table: pack.items, customer: customer_id, move: repoint, where: {kind: {not: refund}}}
  - table: pack.items
    customer: customer_id
    move: block_if_exists
    rule: UNPAID_AR_REFUNDS
    where: {kind: refund}
rules:"""
    + rule_cases.IDENTITY_RULES
    + """  - {rule: SALES_PERIOD_MONTH_END_OVERLAP, flag: {table: pack.settings, where: {month_end: true}}}
  - {rule: OPEN_SALES_ORDERS, exists: {table: pack.items, where: {kind: order, status: {not: [CLOSED, VOID]}}}}
  - {rule: OPEN_AR_CREDIT_APPLICATIONS, exists: {table: pack.items, where: {kind: credit, status: OPEN}}}
  - rule: UNSETTLED_CARD_OR_ECHECK
    exists: {table: pack.items, where: {kind: {one_of: [card, echeck]}, status: OPEN}}
  - {rule: OPEN_CREDIT_REVIEW_ITEM, exists: {table: pack.items, where: {kind: review, status: OPEN}}}
  - {rule: OPEN_3P_FINANCING_TRANSACTION, exists: {table: pack.items, where: {kind: financing, status: OPEN}}}
  - {rule: OPEN_3P_FINANCING_APPLICATION, exists: {table: pack.items, where: {kind: application, status: OPEN}}}
  - rule: UNSETTLED_3P_FINANCING_TRANSACTION
    exists: {table: pack.items, where: {kind: financing, status: HELD}}
  - {rule: PENDING_WEB_DEPOSIT, exists: {table: pack.items, where: {kind: deposit, amount: {above: 0}}}}
  - {rule: REVOLVING_PLAN_OPEN, exists: {table: pack.items, where: {kind: revolving, amount: {above: 0}}}}
  - {rule: INSTALLMENT_PLAN_OPEN, exists: {table: pack.items, where: {kind: installment, amount: {above: 0}}}}
  - {rule: RECORD_LOCKED, flag: {column: locked}}
  - {rule: JOINT_HOLDERS_DIFFER, differs: {column: joint_holder}}
  - rule: FINANCE_ACCOUNT_DIFFERS
    mismatch: {table: pack.items, column: account, by: company, where: {kind: finance}, customer: customer_id}
  - {rule: COLLECTIONS_OR_BAD_DEBT, flag: {column: standing, equals: {one_of: [COLLECTIONS, BAD_DEBT]}}}
  - rule: OPEN_ITEM_STATEMENT_UNPRINTED
    exists: {table: pack.items, customer: customer_id, where: {kind: statement, status: {present: false}}}
  - rule: POS_OPEN_ITEM_LASER_TICKET
    flag: {table: pack.settings, where: {open_items: true, laser_tickets: true}}
  - {rule: BOTH_FINANCED_COAPPLICANTS, both_present: {table: pack.items, where: {kind: financed}}}
  - {rule: BOTH_EXTENDED_AR_COAPPLICANTS, both_present: {table: pack.items, where: {kind: extended}}}
  - {rule: DOB_MISMATCH, mismatch: {column: born}}
  - {rule: SSN_MISMATCH, mismatch: {column: ssn}}
  - {rule: COSIGNER_MISMATCH, mismatch: {column: cosigner}}
  - {rule: BANKRUPTCY_SCORE_MISMATCH, mismatch: {column: score}}
  - {rule: INSTALLMENT_CLASS_MISMATCH, mismatch: {column: class}}
"""
)
TEMPORARY = {
    "SALES_PERIOD_MONTH_END_OVERLAP",
    "MERGE_ALREADY_PENDING",
    "OPEN_SALES_ORDERS",
    "OPEN_AR_CREDIT_APPLICATIONS",
    "UNSETTLED_CARD_OR_ECHECK",
    "UNPAID_AR_REFUNDS",
    "OPEN_CREDIT_REVIEW_ITEM",
    "OPEN_3P_FINANCING_TRANSACTION",
    "OPEN_3P_FINANCING_APPLICATION",
    "UNSETTLED_3P_FINANCING_TRANSACTION",
    "PENDING_WEB_DEPOSIT",
    "REVOLVING_PLAN_OPEN",
    "INSTALLMENT_PLAN_OPEN",
    "RECORD_LOCKED",
    "OPEN_ITEM_STATEMENT_UNPRINTED",
}
L, E, P, S = ("LOSER",), ("WINNER", "LOSER"), ("PAIR",), ("SYSTEM",)


def _of_the_loser(rule: str, open_item: rule_cases.Row, closed_item: rule_cases.Row) -> tuple[Case, ...]:
    """What stops a loser does not stop a winner."""
    return (
        Case(rule=rule, sides=L, loser_items=(open_item,)),
        Case(rule=rule, winner_items=(open_item,)),
        Case(rule=rule, loser_items=(closed_item,)),
    )


def _of_either(rule: str, open_item: rule_cases.Row, closed_item: rule_cases.Row) -> tuple[Case, ...]:
    return (
        Case(rule=rule, sides=L, loser_items=(open_item,)),
        Case(rule=rule, sides=("WINNER",), winner_items=(open_item,)),
        Case(rule=rule, sides=E, winner_items=(open_item,), loser_items=(open_item,)),
        Case(rule=rule, winner_items=(closed_item,), loser_items=(closed_item,)),
    )


def _different(rule: str, column: str, one: object, other: object) -> tuple[Case, ...]:
    """Both present and different; equal after normalisation, or missing on one side, is no mismatch."""
    same = f" {one} ".upper() if isinstance(one, str) else one
    return (
        Case(rule=rule, sides=P, winner={column: one}, loser={column: other}),
        Case(rule=rule, winner={column: one}, loser={column: same}),
        Case(rule=rule, winner={column: one}),
        Case(rule=rule, loser={column: one}),
    )


def _both(rule: str, kind: str) -> tuple[Case, ...]:
    """Both present, even if equal."""
    return (
        Case(rule=rule, sides=P, winner_items=(item(kind, account="x"),), loser_items=(item(kind, account="x"),)),
        Case(rule=rule, sides=P, winner_items=(item(kind, account="x"),), loser_items=(item(kind, account="y"),)),
        Case(rule=rule, winner_items=(item(kind),)),
        Case(rule=rule, loser_items=(item(kind),)),
    )


def _request(command_id: str, winner_id: str, loser_id: str, *, age: str = "1 hour", **more: str) -> str:
    values = {"status": "deferred", "waiting_for": "{}"} | more
    return (
        "INSERT INTO merge.requests (tenant_id, request_id, command_id, command_type, command, status, customer_ids,"
        " requested_by, waiting_for, next_attempt_at, created_at, updated_at) "
        f"VALUES ('t', gen_random_uuid(), '{command_id}', 'MergeCustomers', "
        f"""'{{"winner_id": "{winner_id}", "loser_ids": ["{loser_id}"]}}', '{values["status"]}', """
        f"'{{{winner_id},{loser_id}}}', 'bob', '{values['waiting_for']}', now(), now() - interval '{age}', now())"
    )


def _pending(sides: tuple[str, ...], *requests: str, **more: object) -> Case:
    return Case(rule="MERGE_ALREADY_PENDING", sides=sides, sql=requests, order=more)


ACCOUNT = {"company": "Acme Bank", "account": "1"}
CASES = (
    Case(rule="SALES_PERIOD_MONTH_END_OVERLAP", sides=S, settings={"month_end": True}),
    Case(rule="SALES_PERIOD_MONTH_END_OVERLAP"),
    _pending(("WINNER",), _request("d", "x", "w")),
    _pending(L, _request("d", "l", "x")),
    _pending(L, _request("d", "x", "l")),
    _pending(E, _request("d", "l", "w")),
    _pending((), _request("d", "w", "x"), _request("e", "w", "y")),
    _pending(L, _request("d", "w", "l")),
    _pending((), _request("d", "x", "y")),
    _pending((), _request("c", "x", "w")),
    _pending((), _request("d", "x", "w", status="merged")),
    _pending((), _request("d", "x", "w", status="recommended")),
    _pending(
        ("WINNER",),
        _request("d", "x", "w", status="recommended"),
        requested_by=ActorRef(id="eve", roles=("recommend",)),
    ),
    _pending((), _request("d", "x", "w", waiting_for="{after_command_id}")),
    _pending((), _request("d", "x", "w"), first_seen_at=datetime.now(UTC) - timedelta(hours=2)),
    *_of_the_loser("OPEN_SALES_ORDERS", item("order", status="OPEN"), item("order", status="void")),
    *_of_the_loser("OPEN_AR_CREDIT_APPLICATIONS", item("credit", status="OPEN"), item("credit", status="DONE")),
    *_of_the_loser("UNSETTLED_CARD_OR_ECHECK", item("card", status="OPEN"), item("cash", status="OPEN")),
    *_of_the_loser("UNSETTLED_CARD_OR_ECHECK", item("echeck", status="OPEN"), item("echeck", status="DONE")),
    *_of_the_loser("UNPAID_AR_REFUNDS", item("refund"), item("credit")),
    *_of_the_loser("OPEN_CREDIT_REVIEW_ITEM", item("review", status="OPEN"), item("review", status="DONE")),
    *_of_the_loser("OPEN_3P_FINANCING_TRANSACTION", item("financing", status="OPEN"), item("financing")),
    *_of_the_loser("OPEN_3P_FINANCING_APPLICATION", item("application", status="OPEN"), item("application")),
    *_of_the_loser("UNSETTLED_3P_FINANCING_TRANSACTION", item("financing", status="HELD"), item("financing")),
    *_of_the_loser("PENDING_WEB_DEPOSIT", item("deposit", amount=1), item("deposit", amount=0)),
    *_of_either("REVOLVING_PLAN_OPEN", item("revolving", amount=5), item("revolving", amount=0)),
    *_of_either("INSTALLMENT_PLAN_OPEN", item("installment", amount=5), item("installment", amount=0)),
    Case(rule="RECORD_LOCKED", sides=("WINNER",), winner={"locked": True}),
    Case(rule="RECORD_LOCKED", sides=L, loser={"locked": True}),
    Case(rule="RECORD_LOCKED", winner={"locked": False}),
    Case(rule="JOINT_HOLDERS_DIFFER", sides=P, winner={"joint_holder": "Ann"}, loser={"joint_holder": "Bob"}),
    Case(rule="JOINT_HOLDERS_DIFFER", sides=P, winner={"joint_holder": "Ann"}),
    Case(rule="JOINT_HOLDERS_DIFFER", sides=P, winner={"joint_holder": " "}, loser={"joint_holder": "Ann"}),
    Case(rule="JOINT_HOLDERS_DIFFER", winner={"joint_holder": "Ann"}, loser={"joint_holder": "ANN "}),
    Case(rule="JOINT_HOLDERS_DIFFER", winner={"joint_holder": ""}),
    Case(
        rule="FINANCE_ACCOUNT_DIFFERS",
        sides=P,
        winner_items=(item("finance", **ACCOUNT),),
        loser_items=(item("finance", company="ACME bank", account="2"),),
    ),
    Case(
        rule="FINANCE_ACCOUNT_DIFFERS",
        winner_items=(item("finance", **ACCOUNT),),
        loser_items=(item("finance", **ACCOUNT), item("finance", company="Other", account="2")),
    ),
    Case(rule="FINANCE_ACCOUNT_DIFFERS", winner_items=(item("finance", **ACCOUNT),)),
    Case(rule="COLLECTIONS_OR_BAD_DEBT", sides=("WINNER",), winner={"standing": "COLLECTIONS"}),
    Case(rule="COLLECTIONS_OR_BAD_DEBT", sides=L, loser={"standing": "BAD_DEBT"}),
    Case(rule="COLLECTIONS_OR_BAD_DEBT", winner={"standing": "GOOD"}),
    *_of_the_loser("OPEN_ITEM_STATEMENT_UNPRINTED", item("statement"), item("statement", status="PRINTED")),
    Case(rule="POS_OPEN_ITEM_LASER_TICKET", sides=S, settings={"open_items": True, "laser_tickets": True}),
    Case(rule="POS_OPEN_ITEM_LASER_TICKET", settings={"open_items": True}),
    Case(rule="POS_OPEN_ITEM_LASER_TICKET", settings={"laser_tickets": True}),
    *_both("BOTH_FINANCED_COAPPLICANTS", "financed"),
    *_both("BOTH_EXTENDED_AR_COAPPLICANTS", "extended"),
    *_different("DOB_MISMATCH", "born", "1980-01-01", "1981-01-01"),
    *_different("SSN_MISMATCH", "ssn", "a-1", "a-2"),
    *_different("COSIGNER_MISMATCH", "cosigner", "Ann Lee", "Bob Lee"),
    *_different("BANKRUPTCY_SCORE_MISMATCH", "score", 5, 6),
    *_different("INSTALLMENT_CLASS_MISMATCH", "class", "a", "b"),
)
ELSEWHERE = {"WINNER_PREVIOUSLY_MERGED", "MERGE_PERMISSION_MISSING"}
"""The first has a test of its own below; the second is the worker's (test_worker_merging)."""


@pytest.fixture
def engine(tmp_path: Path) -> MergeEngine:
    return rule_cases.load(PLAN, tmp_path)


def test_each_rule_stops_its_side_and_lets_the_rest_pass(connected: Connected, engine: MergeEngine) -> None:
    rule_cases.check_each(connected, engine, CASES, temporary=TEMPORARY)


def test_the_cases_stop_and_pass_every_rule_of_the_pack() -> None:
    assert len(packs()["retail"].rules) == 28
    rule_cases.assert_each_is_shown("retail", CASES, elsewhere=ELSEWHERE)


def test_a_winner_that_was_merged_away_is_refused_with_whom_to_use(connected: Connected, engine: MergeEngine) -> None:
    with rule_cases.tables(connected) as connection:
        rule_cases.fill(connection, Case(rule=""))
        engine.merge(connection, [order("w", "l")])
        (result,) = engine.merge(connection, [order("l", "f", command_id="d")])
    assert isinstance(result, Refused)
    (error,) = result.errors
    assert (error.rule, error.side.value, error.permanent) == ("WINNER_PREVIOUSLY_MERGED", "WINNER", True)
    assert "use w in its place" in error.remediation


def test_all_failing_rules_are_reported_together_and_one_that_lasts_ends_the_waiting(
    connected: Connected, engine: MergeEngine
) -> None:
    case = Case(
        rule="",
        winner={"born": "1980-01-01", "locked": True, "held": True, "joint_holder": "Ann"},
        loser={"born": "1990-01-01", "standing": "BAD_DEBT", "has_login": True},
        loser_items=(item("order", status="OPEN"), item("deposit", amount=3), item("refund")),
        settings={"month_end": True},
    )
    with rule_cases.tables(connected) as connection:
        rule_cases.fill(connection, case)
        preview = engine.preview(connection, order("w", "l"))
        (result,) = engine.merge(connection, [order("w", "l", on_ineligible="WAIT")])
    assert isinstance(result, Refused), "permanent ones are among them"
    assert {error.rule for error in result.errors} == {
        "LEGAL_HOLD",
        "LOSER_HAS_LOGIN",
        "SALES_PERIOD_MONTH_END_OVERLAP",
        "OPEN_SALES_ORDERS",
        "UNPAID_AR_REFUNDS",
        "PENDING_WEB_DEPOSIT",
        "RECORD_LOCKED",
        "JOINT_HOLDERS_DIFFER",
        "COLLECTIONS_OR_BAD_DEBT",
        "DOB_MISMATCH",
    }
    assert preview.failures == result.errors
    figures = {one.rule: [(f.customer_id, f.label, f.value) for f in one.figures] for one in preview.rules}
    assert figures["UNPAID_AR_REFUNDS"] == [("l", "rows of pack.items where kind is refund", "1")]
    assert figures["PENDING_WEB_DEPOSIT"] == [("l", "rows of pack.items where kind is deposit, amount is above 0", "1")]
    assert figures["REVOLVING_PLAN_OPEN"] == [
        (one, "rows of pack.items where kind is revolving, amount is above 0", "0") for one in ("w", "l")
    ], "a rule that passed has figures too"
    assert figures["DOB_MISMATCH"] == [("w", "born", "1980-01-01"), ("l", "born", "1990-01-01")]
    assert figures["SALES_PERIOD_MONTH_END_OVERLAP"] == [(None, "rows of pack.settings where month_end is true", "yes")]
