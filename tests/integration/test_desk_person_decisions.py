"""What people decide about cases, on real tables."""

import customer_events as wire
from review_desk.cases import CaseState
from rig.desk_shop import TENANT, Shop

PAIRS = (("a", "b"), ("b", "c"), ("a", "c"))


def test_a_person_approves_what_the_policy_left_and_what_they_saw_is_kept(shop: Shop) -> None:
    shop.customer("a", verified=None)
    shop.customer("b", verified=None)
    shop.find(("a", "b"))
    decided = shop.approve("a+b", winner_id="b")
    assert [result.case.state for result in decided.results] == [CaseState.APPROVED]
    shop.work()
    assert shop.states() == ["DONE"]
    assert shop.canonical("a", "b") == {"b"}
    with shop.engine.connect() as connection:
        (made,) = shop.tables.decisions.of_case(connection, TENANT, "a+b")
    assert (made.decision, made.decided_by, made.roles, made.revision) == ("APPROVED", "eve", ("merge",), 1)
    assert made.detail["members"] == ["a", "b"]


def test_cases_approved_together_are_merged_one_after_the_other(shop: Shop) -> None:
    for customer_id in "abc":
        shop.customer(customer_id, verified=None)
    shop.find(*PAIRS)
    decided = shop.approve("a+b", "b+c", "a+c")
    assert sorted(result.case.state for result in decided.results) == ["APPROVED", "WAITING", "WAITING"]
    shop.work()
    assert len(shop.canonical("a", "b", "c")) == 1
    assert shop.states() == ["CLOSED", "DONE", "DONE"]


def test_an_approval_does_not_cover_somebody_who_joined_afterwards(shop: Shop) -> None:
    for customer_id in "abc":
        shop.customer(customer_id, verified=None)
    shop.find(("a", "b"), ("b", "c"))
    shop.approve("a+b")
    shop.approve("b+c")  # waits for a+b; eve saw b and c, not a
    assert shop.cases()["b+c"].state is CaseState.WAITING
    shop.work()
    case = shop.cases()["b+c"]
    assert case.state is CaseState.OPEN
    assert case.why == ("IDENTITY_CHANGED: a joined after the approval",)
    assert len(shop.canonical("a", "b", "c")) == 2


def test_a_person_is_told_all_rules_that_stand_against_an_approval(shop: Shop) -> None:
    shop.customer("a", verified=None)
    shop.customer("b", verified=None)
    shop.execute(
        "UPDATE store.customers SET legal_hold = true, currency = CASE customer_id WHEN 'a' THEN 'EUR' ELSE 'USD' END"
    )
    shop.find(("a", "b"))
    (result,) = shop.approve("a+b").results
    assert result.refused == "rules stand against it"
    assert {failure.rule for failure in result.failures} == {"LEGAL_HOLD", "CURRENCY_MISMATCH"}
    assert shop.commands() == []


def test_a_rejected_pair_is_never_approved_by_the_policy_not_even_through_others(shop: Shop) -> None:
    shop.customer("a", verified=None)
    shop.customer("b")
    shop.customer("c", verified=None)
    shop.find(("a", "c"))
    shop.reject("a+c")
    (command,) = shop.commands()
    assert isinstance(command, wire.MarkNotDuplicate)
    assert (command.customer_ids, command.requested_by.id) == (("a", "c"), "eve")

    shop.execute("UPDATE store.emails SET verified = true")
    shop.find(("a", "b"), ("b", "c"))  # the worker has not heard of the rejection yet
    shop.work()
    assert len(shop.canonical("a", "b", "c")) == 2
    assert sorted(case.state.value for case in shop.cases().values()) == ["DONE", "OPEN", "REJECTED"]
    assert any("NOT_DUPLICATE" in why for case in shop.cases().values() for why in case.why)

    shop.find(("a", "c"), revision=2)  # new evidence: a person decides again
    assert shop.cases()["a+c"].state is CaseState.OPEN
