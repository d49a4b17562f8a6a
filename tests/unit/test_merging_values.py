"""Redirect checks, winner choice and planning as pure functions."""
# ruff: noqa: FBT003 - a member's facts are positional, as they are in a row

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from customer_identity.merging import (
    ApprovalRef,
    FieldChoice,
    MergeOrder,
    Noop,
    Refused,
    RowChoice,
    Side,
    Stage,
)
from customer_identity.merging.checks import flagged
from customer_identity.merging.identity import Identity, Member
from customer_identity.merging.planning import MergePlan, plan_merge
from customer_identity.merging.policy import FieldPolicy, MergePolicy, Preference
from customer_identity.merging.redirect_checks import Resolved, check_shape, resolve
from customer_identity.merging.survivorship import Terms
from customer_identity.merging.winner_choice import choose_winner
from rig.merging_values import NOBODY, NOW, identities, member, order, plan, policy, rule


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
