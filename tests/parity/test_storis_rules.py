"""STORIS: the 27 rules of eligibility, each once where it stands in the way and once where it does not."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from merge_engine.plan_file.packs import packs
from parity.storis_rows import company, customer, order
from rig.processes import eventually
from rig.profile_world import LIMIT_S, TENANT, ProfileWorld

# Rule: the table, the row of the loser that stands in the way, and what makes the same row harmless.
LOSER_ROWS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "OPEN_AR_CREDIT_APPLICATIONS": ("ar_credit_applications", {"status": "OPEN"}, {"status": "DECLINED"}),
    "UNSETTLED_CARD_OR_ECHECK": ("tenders", {"kind": "ECHECK", "settled": False}, {"kind": "CASH", "settled": False}),
    "UNPAID_AR_REFUNDS": ("ar_refunds", {"paid": False}, {"paid": True}),
    "OPEN_CREDIT_REVIEW_ITEM": ("credit_review_queue", {"status": "OPEN"}, {"status": "CLOSED"}),
    "OPEN_3P_FINANCING_TRANSACTION": (
        "financing_transactions",
        {"finance_company": "Northbank", "status": "OPEN"},
        {"finance_company": "Northbank", "status": "SETTLED"},
    ),
    "OPEN_3P_FINANCING_APPLICATION": (
        "financing_applications",
        {"finance_company": "Northbank", "status": "OPEN"},
        {"finance_company": "Northbank", "status": "APPROVED"},
    ),
    "UNSETTLED_3P_FINANCING_TRANSACTION": (
        "financing_transactions",
        {"finance_company": "Northbank", "status": "AUTHORISED"},
        {"finance_company": "Northbank", "status": "SETTLED"},
    ),
    "PENDING_WEB_DEPOSIT": ("web_deposits", {"status": "PENDING"}, {"status": "APPLIED"}),
    "OPEN_ITEM_STATEMENT_UNPRINTED": ("open_item_statements", {"printed": False}, {"printed": True}),
}
# Rule: the table and the row, whichever of the two customers has it.
EITHER_ROWS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "REVOLVING_PLAN_OPEN": ("revolving_plans", {"status": "OPEN"}, {"status": "PAID"}),
    "INSTALLMENT_PLAN_OPEN": ("installment_plans", {"status": "OPEN"}, {"status": "PAID"}),
}
# Rule: a column of the customer, and the value that stands in the way on either side.
EITHER_FLAGS: dict[str, tuple[str, Any]] = {
    "RECORD_LOCKED": ("record_locked", True),
    "COLLECTIONS_OR_BAD_DEBT": ("standing", "BAD_DEBT"),
}
# Rule: the column that both have, with different values.
MISMATCHES: dict[str, tuple[str, Any, Any]] = {
    "DOB_MISMATCH": ("birth_date", "1980-01-01", "1980-01-02"),
    "SSN_MISMATCH": ("ssn", "900-41-1001", "900-41-1002"),
    "COSIGNER_MISMATCH": ("cosigner", "Lou Quimby", "Max Quimby"),
    "BANKRUPTCY_SCORE_MISMATCH": ("bankruptcy_score", 610, 615),
    "INSTALLMENT_CLASS_MISMATCH": ("installment_class", "A", "B"),
}
# Rule: the kind of co-applicant that not both may have, be it the same person.
COAPPLICANTS = {"BOTH_FINANCED_COAPPLICANTS": "FINANCED", "BOTH_EXTENDED_AR_COAPPLICANTS": "EXTENDED_AR"}
# Rule: the state of the company.
COMPANY_STATES: dict[str, dict[str, bool]] = {
    "SALES_PERIOD_MONTH_END_OVERLAP": {"month_end_overlap": True},
    "POS_OPEN_ITEM_LASER_TICKET": {"pos_open_item": True, "pos_laser_ticket": True},
}
# As 3-merge-semantics lists them: these pass with time, so that a command may wait for them.
TEMPORARY = {
    "SALES_PERIOD_MONTH_END_OVERLAP", "MERGE_ALREADY_PENDING", "OPEN_SALES_ORDERS", "REVOLVING_PLAN_OPEN",
    "INSTALLMENT_PLAN_OPEN", "RECORD_LOCKED", *LOSER_ROWS,
}  # fmt: skip
PAIR = {"JOINT_HOLDERS_DIFFER", "FINANCE_ACCOUNT_DIFFERS", *MISMATCHES, *COAPPLICANTS}
RULES = (
    "SALES_PERIOD_MONTH_END_OVERLAP", "MERGE_ALREADY_PENDING", "WINNER_PREVIOUSLY_MERGED", "OPEN_SALES_ORDERS",
    "OPEN_AR_CREDIT_APPLICATIONS", "UNSETTLED_CARD_OR_ECHECK", "UNPAID_AR_REFUNDS", "OPEN_CREDIT_REVIEW_ITEM",
    "OPEN_3P_FINANCING_TRANSACTION", "OPEN_3P_FINANCING_APPLICATION", "UNSETTLED_3P_FINANCING_TRANSACTION",
    "PENDING_WEB_DEPOSIT", "REVOLVING_PLAN_OPEN", "INSTALLMENT_PLAN_OPEN", "RECORD_LOCKED", "JOINT_HOLDERS_DIFFER",
    "FINANCE_ACCOUNT_DIFFERS", "COLLECTIONS_OR_BAD_DEBT", "OPEN_ITEM_STATEMENT_UNPRINTED",
    "POS_OPEN_ITEM_LASER_TICKET", "BOTH_FINANCED_COAPPLICANTS", "BOTH_EXTENDED_AR_COAPPLICANTS", "DOB_MISMATCH",
    "SSN_MISMATCH", "COSIGNER_MISMATCH", "BANKRUPTCY_SCORE_MISMATCH", "INSTALLMENT_CLASS_MISMATCH",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Case:
    """A pair made for a rule. `side` is whom the refusal must name; None where the merge must go through."""

    rule: str
    command: dict[str, Any]
    side: str | None


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """The cases, and what the worker and the preview said to each, by command id."""

    cases: list[Case]
    previews: dict[str, dict[str, Any]]
    outcomes: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def verdicts(storis: ProfileWorld) -> Verdicts:
    """All cases at once: previewed together, then submitted together."""
    cases = [case for make in (_rows, _flags, _pairs, _states, _orders, _pending) for case in make(storis)]
    commands = [case.command for case in cases]
    shown = storis.worker("preview", "-", "--json", commands=commands).json
    return Verdicts(
        cases=cases,
        previews={one["command_id"]: one["preview"] for one in shown},
        outcomes=storis.submit(*commands),
    )


@pytest.mark.parity(system="STORIS", row="rules")
@pytest.mark.parametrize("rule", RULES)
def test_each_of_the_27_rules_refuses_what_it_should_and_lets_the_rest_pass(rule: str, verdicts: Verdicts) -> None:
    cases = [case for case in verdicts.cases if case.rule == rule]
    assert {case.side is None for case in cases} == {True, False}
    for case in cases:
        outcome = verdicts.outcomes[case.command["command_id"]]
        preview = verdicts.previews[case.command["command_id"]]
        if case.side is None:
            assert (outcome["type"], preview["eligible"]) == ("MergeCompleted", True), outcome
            continue
        assert outcome["type"] == "MergeRejected"
        (error,) = outcome["errors"]
        assert (error["rule"], error["side"], error["permanent"]) == (rule, case.side, rule not in TEMPORARY)
        assert error["remediation"]
        assert [one["rule"] for one in preview["failures"]] == [rule]


@pytest.mark.parity(system="STORIS", row="rules")
def test_the_rules_are_those_of_the_retail_pack_and_all_that_fail_are_named_with_a_remedy(storis: ProfileWorld) -> None:
    assert {one.rule for one in packs()["retail"].rules} == {*RULES, "MERGE_PERMISSION_MISSING"}
    winner = customer(storis, ssn="900-41-2001", standing="COLLECTIONS", joint_holder="Lou Quimby")
    loser = customer(storis, ssn="900-41-2002", record_locked=True, joint_holder="Lou Quimby")
    order(storis, loser, status="OPEN")
    outcome = storis.outcome(storis.merge(winner, loser))
    assert {(error["rule"], error["side"]) for error in outcome["errors"]} == {
        ("SSN_MISMATCH", "PAIR"),
        ("COLLECTIONS_OR_BAD_DEBT", "WINNER"),
        ("RECORD_LOCKED", "LOSER"),
        ("OPEN_SALES_ORDERS", "LOSER"),
    }
    assert all(error["remediation"] for error in outcome["errors"])


def _row(world: ProfileWorld, table: str, customer_no: int, columns: dict[str, Any], firm: str = TENANT) -> None:
    world.insert(f"storis.{table}", company=firm, customer_no=customer_no, **columns)


def _pair(world: ProfileWorld, rule: str, side: str | None, firm: str = TENANT) -> tuple[int, int, Case]:
    winner, loser = customer(world, firm), customer(world, firm)
    return winner, loser, Case(rule=rule, command=world.merge(winner, loser, tenant_id=firm), side=side)


def _rows(world: ProfileWorld) -> Iterator[Case]:
    for rule, (table, blocks, passes) in LOSER_ROWS.items():
        _, loser, refused = _pair(world, rule, "LOSER")
        _row(world, table, loser, blocks)
        yield refused
        winner, loser, let_pass = _pair(world, rule, None)
        _row(world, table, winner, blocks)  # the rule is about the loser alone
        _row(world, table, loser, passes)
        yield let_pass
    for rule, (table, blocks, passes) in EITHER_ROWS.items():
        winner, _, refused = _pair(world, rule, "WINNER")
        _row(world, table, winner, blocks)
        yield refused
        _, loser, refused = _pair(world, rule, "LOSER")
        _row(world, table, loser, blocks)
        yield refused
        winner, loser, let_pass = _pair(world, rule, None)
        _row(world, table, winner, passes)
        _row(world, table, loser, passes)
        yield let_pass


def _flags(world: ProfileWorld) -> Iterator[Case]:
    for rule, (column, value) in EITHER_FLAGS.items():
        for winners, losers, side in (({column: value}, {}, "WINNER"), ({}, {column: value}, "LOSER"), ({}, {}, None)):
            command = world.merge(customer(world, **winners), customer(world, **losers))
            yield Case(rule=rule, command=command, side=side)


def _pairs(world: ProfileWorld) -> Iterator[Case]:
    def columns(rule: str, side: str | None, winners: dict[str, Any], losers: dict[str, Any]) -> Case:
        return Case(rule=rule, command=world.merge(customer(world, **winners), customer(world, **losers)), side=side)

    for rule, (column, one, other) in MISMATCHES.items():
        yield columns(rule, "PAIR", {column: one}, {column: other})
        yield columns(rule, None, {column: one}, {column: one})
        yield columns(rule, None, {}, {column: one})  # one of them has none: no contradiction
    # Who holds an account together with somebody is another customer than who holds it alone.
    yield columns("JOINT_HOLDERS_DIFFER", "PAIR", {"joint_holder": "Lou Quimby"}, {})
    yield columns("JOINT_HOLDERS_DIFFER", None, {"joint_holder": "Lou Quimby"}, {"joint_holder": "Lou Quimby"})
    for finance_company, account, side in (("Elm", "1", None), ("Elm", "2", "PAIR"), ("Oak", "2", None)):
        winner, loser, case = _pair(world, "FINANCE_ACCOUNT_DIFFERS", side)
        _row(world, "finance_accounts", winner, {"finance_company": "Elm", "account_no": "1"})
        _row(world, "finance_accounts", loser, {"finance_company": finance_company, "account_no": account})
        yield case
    for rule, kind in COAPPLICANTS.items():
        winner, loser, case = _pair(world, rule, "PAIR")
        for number in (winner, loser):
            _row(world, "coapplicants", number, {"kind": kind, "full_name": "Lou Quimby"})
        yield case
        _, loser, case = _pair(world, rule, None)
        _row(world, "coapplicants", loser, {"kind": kind, "full_name": "Lou Quimby"})
        yield case


def _states(world: ProfileWorld) -> Iterator[Case]:
    for rule, state in COMPANY_STATES.items():
        yield _pair(world, rule, "SYSTEM", company(world, f"{rule} holds", **state))[2]
        half = dict(list(state.items())[1:])  # one of two settings alone does no harm
        yield _pair(world, rule, None, company(world, f"{rule} is over", **half))[2]


def _orders(world: ProfileWorld) -> Iterator[Case]:
    _, loser, case = _pair(world, "OPEN_SALES_ORDERS", "LOSER")
    order(world, loser, status="OPEN")
    yield case
    winner, loser, case = _pair(world, "OPEN_SALES_ORDERS", None)
    order(world, winner, status="OPEN")
    order(world, loser, status="VOID")
    yield case


def _pending(world: ProfileWorld) -> Iterator[Case]:
    """One merge is approved for later, and another one is done."""
    waiting_winner, waiting_loser, gone_to, gone = (customer(world) for _ in range(4))
    waits = world.merge(waiting_winner, waiting_loser, not_before="2099-01-01T00:00:00Z")
    world.worker("submit", "-", commands=[waits])
    world.merged(gone_to, gone)
    eventually(lambda: "approved" in world.worker("status", str(waiting_loser), "--json").out, LIMIT_S, every_s=0.2)
    for winner, loser, side in (
        (customer(world), waiting_loser, "LOSER"),  # it would lose twice
        (waiting_loser, customer(world), "WINNER"),  # it would lose there and win here
        (waiting_winner, customer(world), None),  # many may share a winner
    ):
        yield Case(rule="MERGE_ALREADY_PENDING", command=world.merge(winner, loser), side=side)
    yield Case(rule="WINNER_PREVIOUSLY_MERGED", command=world.merge(gone, customer(world)), side="WINNER")
    yield Case(rule="WINNER_PREVIOUSLY_MERGED", command=world.merge(gone_to, customer(world)), side=None)
