"""Redirect checks, rules, winner choice and planning as pure functions."""
# ruff: noqa: FBT003 - a member's facts are positional, as they are in a row

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from customer_identity.merging import (
    ActorRef,
    ApprovalRef,
    Deferred,
    FieldChoice,
    MergeOrder,
    Noop,
    OnIneligible,
    Refused,
    RowChoice,
    Side,
    Stage,
)
from customer_identity.merging.checks import both_flagged, flagged, in_window, mismatching
from customer_identity.merging.identity import Identity, Member
from customer_identity.merging.identity_pack import IDENTITY_PACK
from customer_identity.merging.planning import MergePlan, plan_merge
from customer_identity.merging.policy import FieldPolicy, MergePolicy, Preference
from customer_identity.merging.redirect_checks import Resolved, check_shape, resolve
from customer_identity.merging.rules import FixedBy, Rule, RuleBook, Severity
from customer_identity.merging.survivorship import Terms
from customer_identity.merging.winner_choice import choose_winner

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NOBODY: frozenset[tuple[str, str, str]] = frozenset()


def order(winner_id: str | None, *loser_ids: str, **more: object) -> MergeOrder:
    values: dict[str, object] = {
        "tenant_id": "t",
        "command_id": "c",
        "winner_id": winner_id,
        "loser_ids": loser_ids,
        "requested_by": ActorRef(id="me", roles=("merge",)),
        "reason": "r",
    }
    return MergeOrder(**{**values, **more})  # type: ignore[arg-type]


def member(customer_id: str, *facts: object, version: int | None = 1, tenant_id: str | None = "t") -> Member:
    return Member(
        customer_id=customer_id,
        tenant_id=tenant_id,
        version=version,
        direct_to=customer_id,
        alias_version=0,
        facts=facts,
    )


def identities(*roots: Member, **members: Member) -> dict[str, Identity]:
    return {
        root.customer_id: Identity(
            members=(root, *(found for name, found in members.items() if name[0] == root.customer_id))
        )
        for root in roots
    }


def policy(*rules: Rule, fields: tuple[FieldPolicy, ...] = (), preferences: tuple[Preference, ...] = ()) -> MergePolicy:
    return MergePolicy(
        version="test-1",
        fields=fields,
        rules=RuleBook.of((*IDENTITY_PACK, *rules)),
        winner_preferences=preferences,
        undo_window=timedelta(days=1),
    )


def rule(name: str, check: object, **more: object) -> Rule:
    return Rule(name=name, side=Side.LOSER, check=check, message="m", remediation="r", **more)  # type: ignore[arg-type]


def plan(
    merge_order: MergeOrder, found: dict[str, Identity], merge_policy: MergePolicy
) -> MergePlan | Refused | Deferred:
    resolved = resolve(merge_order, {id_: id_ for id_ in merge_order.touched})
    assert isinstance(resolved, Resolved)
    return plan_merge(resolved, found, NOBODY, merge_policy, NOW)


@pytest.mark.parametrize(
    ("bad", "rules"),
    [
        (order("a", "a"), ["SAME_RECORD"]),
        (order("a", "b", "a"), ["SAME_RECORD"]),
        (order("a"), ["SAME_RECORD"]),
        (order(None, "a", "a"), ["SAME_RECORD"]),
        (order(None), ["SAME_RECORD"]),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_without_asking_a_database(bad: MergeOrder, rules: list[str]) -> None:
    refused = check_shape(bad)
    assert refused is not None
    assert refused.stage is Stage.VALIDATION
    assert [error.rule for error in refused.errors] == rules


def test_the_redirect_checks_run_in_their_order() -> None:
    roots = {"a": "b", "b": "b", "c": "c", "d": "b", "x": "y"}

    def check(merge_order: MergeOrder) -> object:
        found = resolve(merge_order, roots)
        if isinstance(found, Resolved):
            return (found.winner_id, *found.loser_ids)
        if isinstance(found, Noop):
            return found.canonical_id
        return [(error.rule, error.customer_ids) for error in found.errors]

    assert check(order("a", "d")) == "b", "one identity already: nothing to do, even though both were merged away"
    assert check(order("c", "a")) == [("LOSER_PREVIOUSLY_MERGED", ("a",))]
    assert check(order("a", "c")) == [("WINNER_PREVIOUSLY_MERGED", ("a",))]
    assert check(order("a", "x")) == [("WINNER_PREVIOUSLY_MERGED", ("a",)), ("LOSER_PREVIOUSLY_MERGED", ("x",))]
    reviewed = {"approvals": (ApprovalRef(by="eve", at=NOW),), "expected_versions": {"b": 1, "c": 1}}
    assert check(order("c", "a", follow_redirects=True, **reviewed)) == ("c", "b")
    assert check(order("a", "c", follow_redirects=True, **reviewed)) == ("b", "c")
    assert check(order("c", "a", "b", follow_redirects=True)) == ("c", "b"), "nothing had to be followed"
    assert check(order("b", "a", "c")) == ("b", "c"), "a is the winner's already; c was reviewed and goes on"
    assert check(order("c", "a", "b")) == ("c", "b"), "a's root was named, hence reviewed, with it"
    assert check(order(None, "a", "b", "c")) == (None, "b", "c")
    assert check(order(None, "a", "c")) == [("LOSER_PREVIOUSLY_MERGED", ("a",))]


@pytest.mark.parametrize(
    "lacking",
    [
        {"approvals": ()},
        {"expected_versions": {}},
        {"expected_versions": {"c": 1}},
        {"expected_versions": {"a": 1, "c": 1}},
    ],
)
def test_redirects_are_followed_only_to_roots_that_somebody_approved(lacking: dict[str, Any]) -> None:
    reviewed = {"approvals": (ApprovalRef(by="eve", at=NOW),), "expected_versions": {"b": 1, "c": 1}}
    refused = resolve(order("c", "a", follow_redirects=True, **(reviewed | lacking)), {"a": "b", "c": "c"})
    assert isinstance(refused, Refused)
    assert refused.stage is Stage.ELIGIBILITY
    (error,) = refused.errors
    assert (error.rule, error.customer_ids, error.permanent) == ("APPROVAL_OF_ROOTS_MISSING", ("c", "b"), True)
    assert "c, b" in error.remediation


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


def test_the_winner_is_chosen_by_the_first_preference_that_tells_candidates_apart() -> None:
    preferences = (Preference(fact=0, highest=True), Preference(fact=1, highest=False))

    def chosen(*candidates: Member) -> str:
        found = [Identity(members=(candidate,)) for candidate in candidates]
        assert choose_winner(found, preferences) is choose_winner(found[::-1], preferences)
        return choose_winner(found, preferences).root_id

    assert chosen(member("a", False, 1), member("b", True, 9)) == "b"
    assert chosen(member("a", True, 5), member("b", True, 3)) == "b"
    assert chosen(member("a", True, None), member("b", True, 3)) == "b"
    assert chosen(member("b", True, 3), member("a", True, 3)) == "a"
    assert chosen(member("b", None, None), member("a", None, None)) == "a"


@pytest.mark.parametrize(
    "choice",
    [
        FieldChoice(field="nope", literal="x"),
        FieldChoice(field="name"),
        FieldChoice(field="name", literal="x", strategy="MAX"),
        FieldChoice(field="name", strategy="BEST"),
        FieldChoice(field="name", from_customer_id="stranger"),
    ],
)
def test_a_field_choice_that_cannot_be_followed_is_refused(choice: FieldChoice) -> None:
    fields = (FieldPolicy(field="name", strategy="WINNER_THEN_FILL", fact=0),)
    found = identities(member("a", "Ann"), member("b", "Anna"))
    result = plan(order("a", "b", field_choices=(choice,)), found, policy(fields=fields))
    assert isinstance(result, Refused)
    assert result.stage is Stage.VALIDATION
    assert [(error.rule, error.field) for error in result.errors] == [("FIELD_CHOICE_INVALID", choice.field)]


def test_a_decision_is_recorded_when_there_was_something_to_decide() -> None:
    fields = tuple(
        FieldPolicy(field=name, strategy="WINNER_THEN_FILL", fact=fact)
        for fact, name in enumerate(("same", "blank", "other"))
    )
    found = identities(member("a", "Ann  Lee", None, "x"), member("b", "ann lee", "filled", "y"))
    result = plan(order("a", "b"), found, policy(fields=fields))
    assert isinstance(result, MergePlan)
    assert [(decision.field, decision.from_customer_id) for decision in result.fields.decisions] == [
        ("blank", "b"),
        ("other", "a"),
    ]
    assert (result.fields.patch, result.fields.before) == ({"blank": "filled"}, {"blank": None})


def test_a_literal_that_did_not_fit_its_column_is_refused_and_one_that_did_is_used() -> None:
    fields = (FieldPolicy(field="limit", strategy="MAX", fact=0),)
    found = identities(member("a", 5), member("b", 7))
    merge_order = order("a", "b", field_choices=(FieldChoice(field="limit", literal="many"),))
    resolved = resolve(merge_order, {"a": "a", "b": "b"})
    assert isinstance(resolved, Resolved)
    refused = plan_merge(resolved, found, NOBODY, policy(fields=fields), NOW)
    assert isinstance(refused, Refused)
    assert [error.message for error in refused.errors] == ["the literal does not fit the type of the field"]
    done = plan_merge(resolved, found, NOBODY, policy(fields=fields), NOW, literals={"limit": 12})
    assert isinstance(done, MergePlan)
    assert done.fields.patch == {"limit": 12}


def test_a_strategy_that_does_not_fit_the_values_is_refused() -> None:
    for strategy, mine, theirs in (("SUM", "x", "y"), ("CONCAT", 1, 2), ("MAX", 1, "x"), ("UNION", 1, 2)):
        fields = (FieldPolicy(field="f", strategy="WINNER_THEN_FILL", fact=0),)
        found = identities(member("a", mine), member("b", theirs))
        chosen = order("a", "b", field_choices=(FieldChoice(field="f", strategy=strategy),))
        result = plan(chosen, found, policy(fields=fields))
        assert isinstance(result, Refused), strategy
        assert [(error.rule, error.field) for error in result.errors] == [("FIELD_CHOICE_INVALID", "f")]


@pytest.mark.parametrize("strategy", ["RECENCY", "OLDEST", "SOURCE_PRIORITY", "VERIFIED_FIRST", "FOLLOW_ATTRIBUTE"])
def test_a_strategy_whose_columns_the_plan_does_not_name_cannot_be_chosen(strategy: str) -> None:
    fields = (FieldPolicy(field="f", strategy="WINNER_THEN_FILL", fact=0),)
    chosen = order("a", "b", field_choices=(FieldChoice(field="f", strategy=strategy),))
    result = plan(chosen, identities(member("a", 1), member("b", 2)), policy(fields=fields))
    assert isinstance(result, Refused)
    assert "one of: WINNER_STRICT" in result.errors[0].remediation


def test_rows_can_be_chosen_only_in_tables_that_the_plan_calls_choosable_and_only_once() -> None:
    rules = replace(policy(), choosable=frozenset({"s.tags"}))
    found = identities(member("a"), member("b"))

    def refused(*tables: str) -> list[tuple[str, str | None]]:
        chosen = order("a", "b", row_choices=tuple(RowChoice(table=table, keep_ids=("1",)) for table in tables))
        result = plan(chosen, found, rules)
        return [(error.rule, error.field) for error in result.errors] if isinstance(result, Refused) else []

    assert refused("s.tags") == []
    assert refused("s.orders") == [("ROW_CHOICE_INVALID", "s.orders")]
    assert refused("s.tags", "s.tags") == [("ROW_CHOICE_INVALID", "s.tags")]


def test_a_facilitator_is_a_third_customer_that_exists() -> None:
    facilitated = replace(policy(), facilitated=True)
    gone = member("gone", version=None, tenant_id=None)
    found = identities(member("a"), member("b"), member("f"), member("x", tenant_id="other"), gone)

    def said(facilitator_id: str, merge_policy: MergePolicy = facilitated) -> str | None:
        result = plan(order("a", "b", facilitator_id=facilitator_id), found, merge_policy)
        if isinstance(result, MergePlan):
            assert result.facilitator is found[facilitator_id]
            return None
        assert [error.rule for error in result.errors] == ["FACILITATOR_INVALID"]
        return result.errors[0].message

    assert said("f") is None
    assert said("f", policy()) == "no rows of this plan go to a facilitator"
    assert said("gone") == "there is no such customer"
    assert said("x") == "the facilitator does not belong to the order's tenant"
    assert said("b") == "the facilitator takes part in the merge"


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


def test_fields_that_nobody_can_decide_are_reported_together_with_the_rules() -> None:
    fields = (
        FieldPolicy(field="email", strategy="BLOCK_ON_CONFLICT", fact=1),
        FieldPolicy(field="tags", strategy="UNION", fact=2, terms=Terms(cap=2)),
    )
    found = identities(member("a", False, "a@x", "p, q"), member("b", True, "b@x", "r"))
    result = plan(order("a", "b"), found, policy(rule("R", flagged(Side.LOSER, 0)), fields=fields))
    assert isinstance(result, Refused)
    assert [error.rule for error in result.errors] == ["R", "FIELD_CONFLICT", "FIELD_OVER_LIMIT"]
    chosen = (
        FieldChoice(field="email", from_customer_id="b"),
        FieldChoice(field="tags", strategy="WINNER_THEN_FILL"),
    )
    done = plan(order("a", "b", field_choices=chosen), found, policy(fields=fields))
    assert isinstance(done, MergePlan)
    assert done.fields.patch == {"email": "b@x"}


def test_a_field_that_follows_another_is_taken_from_the_same_record_blank_or_not() -> None:
    fields = (
        FieldPolicy(field="street", strategy="WINNER_THEN_FILL", fact=0),
        FieldPolicy(field="city", strategy="FOLLOW_ATTRIBUTE", fact=1, follow="street"),
    )
    found = identities(member("a", None, "Rome"), member("b", "Elm 1", None), member("c", "Oak 2", "Bonn"))

    def patch(*choices: FieldChoice) -> object:
        result = plan(order("a", "b", "c", field_choices=choices), found, policy(fields=fields))
        assert isinstance(result, MergePlan)
        return result.fields.patch

    assert patch() == {"street": "Elm 1", "city": None}
    assert patch(FieldChoice(field="street", from_customer_id="c")) == {"street": "Oak 2", "city": "Bonn"}
    assert patch(FieldChoice(field="city", from_customer_id="c")) == {"street": "Elm 1", "city": "Bonn"}


def test_two_records_that_agree_after_normalisation_keep_the_winners_address() -> None:
    fields = (
        FieldPolicy(field="street", strategy="WINNER_THEN_FILL", fact=0),
        FieldPolicy(field="city", strategy="FOLLOW_ATTRIBUTE", fact=1, follow="street"),
    )
    found = identities(member("a", "Elm 1", "Rome"), member("b", "ELM  1", "Bonn"))
    result = plan(order("a", "b"), found, policy(fields=fields))
    assert isinstance(result, MergePlan)
    assert result.fields.patch == {}


def test_a_sum_adds_equal_values_too() -> None:
    fields = (FieldPolicy(field="credit", strategy="SUM", fact=0),)
    found = identities(member("a", 5), member("b", 5), member("c", None))
    result = plan(order("a", "b", "c"), found, policy(fields=fields))
    assert isinstance(result, MergePlan)
    assert result.fields.patch == {"credit": 10}


def test_a_cleared_field_of_a_loser_counts_when_it_is_the_latest() -> None:
    fields = (FieldPolicy(field="phone", strategy="RECENCY", fact=0, time_fact=1),)
    found = identities(member("a", "555", NOW - timedelta(days=9)), member("b", None, NOW), member("c", None, None))
    result = plan(order("a", "b", "c"), found, policy(fields=fields))
    assert isinstance(result, MergePlan)
    assert result.fields.patch == {"phone": None}
    assert [one.from_customer_id for one in result.fields.decisions] == ["b"]


def test_a_wait_for_a_window_ends_with_the_window() -> None:
    until = NOW + timedelta(hours=7)
    window = rule("W", in_window(lambda _: until), permanent=False)
    other = rule("T", flagged(Side.LOSER, 0), permanent=False)
    found = identities(member("a", False), member("b", True))
    for rules in ((window,), (window, other)):
        result = plan(order("a", "b", on_ineligible=OnIneligible.WAIT), found, policy(*rules))
        assert isinstance(result, Deferred)
        assert result.until == until
