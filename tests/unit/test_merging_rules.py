"""Rules as pure functions: whom they look at, who may waive them, and what is waited for."""
# ruff: noqa: FBT003 - a member's facts are positional, as they are in a row

from dataclasses import replace
from datetime import timedelta

import pytest

from customer_identity.merging import (
    ActorRef,
    Deferred,
    OnIneligible,
    Refused,
    RowChoice,
    Side,
)
from customer_identity.merging.checks import both_flagged, flagged, in_window, mismatching
from customer_identity.merging.planning import MergePlan
from customer_identity.merging.rules import FixedBy, Severity
from rig.merging_values import NOW, identities, member, order, plan, policy, rule


def test_a_one_sided_rule_looks_at_every_member_of_its_side() -> None:
    found = identities(member("a", False), member("b", False), b2=member("b2", True))
    for side, faulty in ((Side.WINNER, False), (Side.LOSER, True), (Side.EITHER, True)):
        result = plan(order("a", "b"), found, policy(rule("R", flagged(side, 0))))
        assert isinstance(result, Refused) is faulty
        if isinstance(result, Refused):
            assert [(error.side, error.customer_ids) for error in result.errors] == [(Side.LOSER, ("b2",))]


def test_a_rule_on_either_side_reports_each_side_it_finds_at_fault() -> None:
    found = identities(member("a", True), member("b", True))
    result = plan(order("a", "b"), found, policy(rule("R", flagged(Side.EITHER, 0))))
    assert isinstance(result, Refused)
    assert [error.side for error in result.errors] == [Side.WINNER, Side.LOSER]


@pytest.mark.parametrize(
    ("one", "other", "differs"),
    [
        ("EUR", "USD", True),
        ("EUR", "EUR", False),
        ("EUR", None, False),
        (None, None, False),
        (["x"], ["x", "y"], True),
        (["x"], None, False),
    ],
)
def test_a_mismatch_needs_two_values_that_differ(one: object, other: object, differs: bool) -> None:  # noqa: FBT001
    result = plan(order("a", "b"), identities(member("a", one), member("b", other)), policy(rule("R", mismatching(0))))
    assert isinstance(result, Refused) is differs


def test_a_mismatch_between_two_losers_counts_and_one_inside_an_identity_does_not() -> None:
    rules = policy(rule("R", mismatching(0)))
    among_losers = identities(member("a", None), member("b", "x"), member("c", "y"))
    assert isinstance(plan(order("a", "b", "c"), among_losers, rules), Refused)
    inside = identities(member("a", "x"), member("b", None), a2=member("a2", "y"))
    assert isinstance(plan(order("a", "b"), inside, rules), MergePlan)


def test_both_present_needs_two_identities() -> None:
    rules = policy(rule("R", both_flagged(0)))
    assert isinstance(plan(order("a", "b"), identities(member("a", True), member("b", True)), rules), Refused)
    one_sided = identities(member("a", True), member("b", None), a2=member("a2", True))
    assert isinstance(plan(order("a", "b"), one_sided, rules), MergePlan)


def test_all_failing_rules_are_reported_and_warnings_do_not_stop_a_merge() -> None:
    failing = flagged(Side.LOSER, 0)
    found = identities(member("a", False), member("b", True))
    warn = rule("W", failing, severity=Severity.WARN)
    stopped = plan(order("a", "b"), found, policy(rule("R", failing), warn, rule("S", failing)))
    assert isinstance(stopped, Refused)
    assert [error.rule for error in stopped.errors] == ["R", "S"]
    warned = plan(order("a", "b"), found, policy(warn))
    assert isinstance(warned, MergePlan)
    assert [warning.rule for warning in warned.warnings] == ["W"]


def test_a_waivable_rule_needs_the_waiver_and_the_role() -> None:
    rules = policy(rule("R", flagged(Side.LOSER, 0), severity=Severity.WAIVABLE, waivable_by="protected-data"))
    found = identities(member("a", False), member("b", True))
    boss = ActorRef(id="boss", roles=("protected-data",))
    assert isinstance(plan(order("a", "b", waived_rules=("R",)), found, rules), Refused)
    assert isinstance(plan(order("a", "b", requested_by=boss), found, rules), Refused)
    assert isinstance(plan(order("a", "b", requested_by=boss, waived_rules=("R",)), found, rules), MergePlan)
    higher = ActorRef(id="root", roles=("admin",))
    waived = plan(order("a", "b", requested_by=higher, waived_rules=("R",)), found, rules)
    assert isinstance(waived, MergePlan)
    assert [warning.rule for warning in waived.warnings] == ["R"], "what was waived is still told"


def test_a_rule_that_blocks_is_not_waived_by_anybody() -> None:
    found = identities(member("a", False), member("b", True))
    admin = ActorRef(id="root", roles=("admin",))
    result = plan(
        order("a", "b", requested_by=admin, waived_rules=("R",)), found, policy(rule("R", flagged(Side.LOSER, 0)))
    )
    assert isinstance(result, Refused)


def test_a_reason_can_clear_a_rule() -> None:
    rules = policy(rule("R", flagged(Side.LOSER, 0), cleared_by_reason="CUSTOMER_REQUEST"))
    found = identities(member("a", False), member("b", True))
    assert isinstance(plan(order("a", "b"), found, rules), Refused)
    assert isinstance(plan(order("a", "b", reason="CUSTOMER_REQUEST"), found, rules), MergePlan)


def test_only_temporary_failures_wait_and_only_when_asked_to() -> None:
    temporary = rule("T", flagged(Side.LOSER, 0), permanent=False)
    permanent = rule("P", flagged(Side.LOSER, 0))
    found = identities(member("a", False), member("b", True))
    waiting = order("a", "b", on_ineligible=OnIneligible.WAIT)
    deferred = plan(waiting, found, policy(temporary))
    assert isinstance(deferred, Deferred)
    assert (deferred.until, deferred.waiting_for) == (NOW + timedelta(minutes=5), ("T",))
    assert isinstance(plan(order("a", "b"), found, policy(temporary)), Refused)
    assert isinstance(plan(waiting, found, policy(temporary, permanent)), Refused)


def test_a_missing_customer_is_waited_for_a_minute() -> None:
    found = identities(member("a"), member("b", version=None, tenant_id=None))
    first = plan(order("a", "b"), found, policy())
    assert isinstance(first, Deferred)
    assert first.until == NOW + timedelta(seconds=5)
    late = plan(order("a", "b", first_seen_at=NOW - timedelta(seconds=58)), found, policy())
    assert isinstance(late, Deferred)
    assert late.until == NOW + timedelta(seconds=2)
    given_up = plan(order("a", "b", first_seen_at=NOW - timedelta(seconds=60)), found, policy())
    assert isinstance(given_up, Refused)
    unchosen = plan(order(None, "a", "b"), found, policy())
    assert isinstance(unchosen, Deferred)


def test_a_missing_customer_does_not_hide_what_will_never_pass() -> None:
    found = identities(member("a", True), member("b", version=None, tenant_id=None))
    result = plan(order("a", "b"), found, policy(rule("P", flagged(Side.WINNER, 0))))
    assert isinstance(result, Refused)
    assert [error.rule for error in result.errors] == ["CUSTOMER_NOT_FOUND", "P"]


def test_a_record_of_another_tenant_is_never_merged() -> None:
    result = plan(order("a", "b"), identities(member("a"), member("b", tenant_id="other")), policy())
    assert isinstance(result, Refused)
    assert [(error.rule, error.customer_ids) for error in result.errors] == [("TENANT_MISMATCH", ("b",))]


def test_a_rule_is_answered_by_the_choices_it_asks_for_and_by_nothing_less() -> None:
    fixed_by = FixedBy(facilitator=True, rows="s.relationships")
    rules = replace(
        policy(rule("R", flagged(Side.EITHER, 0), fixed_by=fixed_by)),
        facilitated=True,
        choosable=frozenset({"s.relationships"}),
    )
    found = identities(member("a", False), member("b", True), member("f", False))
    rows = (RowChoice(table="s.relationships", keep_ids=()),)
    assert isinstance(plan(order("a", "b"), found, rules), Refused)
    assert isinstance(plan(order("a", "b", facilitator_id="f"), found, rules), Refused)
    assert isinstance(plan(order("a", "b", row_choices=rows), found, rules), Refused)
    assert isinstance(plan(order("a", "b", facilitator_id="f", row_choices=rows), found, rules), MergePlan)


def test_a_wait_for_a_window_ends_with_the_window() -> None:
    until = NOW + timedelta(hours=7)
    window = rule("W", in_window(lambda _: until), permanent=False)
    other = rule("T", flagged(Side.LOSER, 0), permanent=False)
    found = identities(member("a", False), member("b", True))
    for rules in ((window,), (window, other)):
        result = plan(order("a", "b", on_ineligible=OnIneligible.WAIT), found, policy(*rules))
        assert isinstance(result, Deferred)
        assert result.until == until
