"""Above a threshold of the plan two people approve: cases, merges asked for directly, recommendations."""

from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import pytest

import customer_events as wire
from customer_identity.approval import Grade
from review_desk.application.approve_cases import Choices
from review_desk.application.request_merges import Asked
from review_desk.application.review_requests import Terms
from review_desk.cases import CaseState
from rig.desk_list import TERMS, Listed, recommendation
from rig.desk_shop import PACKAGES, STEWARD, TENANT, Shop

PLAN = (resources.files("merge_engine") / "plans" / "default.yaml").read_text(encoding="utf-8")
BOB = wire.Actor(id="bob", roles=("merge",))
EVE_AGAIN = wire.Actor(id="Eve ", roles=("merge",))


@pytest.fixture
def shop(migrated: Callable[..., str], tmp_path: Path) -> Iterator[Shop]:
    """Customers a, b, c, d; b has 600 points and a 500: they are above the threshold together."""
    plan = tmp_path / "plan.yaml"
    threshold = "two_people: [{above: 1000, sum: {table: store.loyalty_accounts, column: points}}]\n"
    plan.write_text(PLAN + threshold, encoding="utf-8")
    made = Shop(migrated(*PACKAGES), policy="default", plan=str(plan))
    for customer_id in "abcd":
        made.customer(customer_id)
    made.execute(
        "INSERT INTO store.loyalty_accounts (tenant_id, customer_id, program, points)"
        f" VALUES ('{TENANT}', 'a', 'p', 500), ('{TENANT}', 'b', 'p', 600)"
    )
    yield made
    made.engine.dispose()
    made.app.database.dispose()


def merge(shop: Shop, actor: wire.Actor, **choices: object) -> Asked:
    chosen = Choices(reason="on the phone", winner_id="a", **choices)  # type: ignore[arg-type]  # by name
    with shop.engine.begin() as connection:
        asked = shop.app.request_merges.merge(connection, TENANT, actor, ["b"], chosen)
        shop.app.publish(connection, asked.drafts)
    return asked


def approvers(command: object) -> list[str]:
    assert isinstance(command, wire.MergeCustomers)
    return [approval.by for approval in command.approvals]


def test_a_policy_leaves_such_a_case_to_people_of_whom_two_must_approve(shop: Shop) -> None:
    shop.find(("a", "b"), ("c", "d"))
    (sent,) = shop.commands()  # c and d, by the policy
    assert approvers(sent) == ["policy:default"]
    case = shop.cases()["a+b"]
    assert case.state is CaseState.OPEN
    assert any("TWO_PEOPLE_REQUIRED" in why for why in case.why)

    (first,) = shop.approve("a+b", winner_id="b").results
    assert (first.refused, first.case.state) == (None, CaseState.HALF_APPROVED)
    assert first.case.why == ("TWO_PEOPLE_REQUIRED: approved by eve; another person has to approve it, too",)
    shop.look_again()
    assert shop.commands() == []

    for again in (STEWARD, EVE_AGAIN):
        (refused,) = shop.approve("a+b", actor=again).results
        assert refused.refused == "was approved by eve already; another person has to approve it, too"
        assert refused.case.state is CaseState.HALF_APPROVED
    assert shop.commands() == []

    shop.execute("UPDATE store.loyalty_accounts SET points = 1")  # below the threshold one is enough
    with shop.engine.connect() as connection, connection.begin() as undone:
        alone = shop.app.by_person.approve(connection, STEWARD, [shop.cases()["a+b"]], Choices(reason="again"))
        assert [result.case.state for result in alone.results] == [CaseState.APPROVED]
        undone.rollback()
    shop.execute("UPDATE store.loyalty_accounts SET points = 900")

    (second,) = shop.approve("a+b", actor=BOB).results
    assert (second.refused, second.case.state) == (None, CaseState.APPROVED)
    (command,) = shop.commands()
    assert approvers(command) == ["eve", "bob"]
    assert isinstance(command, wire.MergeCustomers)
    assert (command.winner_id, command.requested_by.id) == ("b", "eve")
    shop.carry_out(command)
    assert shop.canonical("a", "b") == {"b"}


def test_who_decides_something_else_has_to_be_agreed_with_in_turn(shop: Shop) -> None:
    shop.find(("a", "b"), grade=Grade.PROBABLE)
    shop.approve("a+b", winner_id="b")
    (other,) = shop.approve("a+b", actor=BOB, winner_id="a").results
    assert other.case.state is CaseState.HALF_APPROVED
    assert "approved by bob" in other.case.why[0]
    (agreed,) = shop.approve("a+b", winner_id="a").results
    assert agreed.case.state is CaseState.APPROVED
    (command,) = shop.commands()
    assert approvers(command) == ["bob", "eve"]
    assert isinstance(command, wire.MergeCustomers)
    assert command.winner_id == "a"


def test_an_approval_by_one_does_not_cover_who_joined_before_the_other(shop: Shop) -> None:
    shop.find(("a", "b"), grade=Grade.PROBABLE)
    shop.approve("a+b")
    shop.find(("a", "c"))  # the policy merges them
    shop.work()
    case = shop.cases()["a+b"]
    assert (case.state, case.approval) == (CaseState.OPEN, None)
    shop.approve("a+b", actor=BOB)
    assert shop.cases()["a+b"].state is CaseState.HALF_APPROVED  # eve's approval does not count any more
    assert shop.commands() == []


def test_half_an_approval_ends_with_a_rejection_or_when_they_are_one_already(shop: Shop) -> None:
    shop.find(("a", "b"), ("b", "c"), grade=Grade.PROBABLE)
    shop.approve("a+b")
    shop.approve("b+c")
    (result,) = shop.reject("a+b").results
    assert (result.refused, result.case.state) == (None, CaseState.REJECTED)
    assert shop.cases()["b+c"].state is not CaseState.HALF_APPROVED  # 600 points: below


def test_other_rules_still_refuse_and_none_is_hidden(shop: Shop) -> None:
    shop.execute("UPDATE store.customers SET legal_hold = true WHERE customer_id = 'b'")
    shop.find(("a", "b"), grade=Grade.PROBABLE)
    (result,) = shop.approve("a+b").results
    assert {failure.rule for failure in result.failures} == {"LEGAL_HOLD", "TWO_PEOPLE_REQUIRED"}
    assert result.case.state is CaseState.OPEN


def test_a_merge_asked_for_by_one_stands_on_the_list_until_another_approves_it(shop: Shop) -> None:
    asked = merge(shop, STEWARD, fields=(("full_name", "b"),), wait_until_eligible=True)
    assert (asked.refused, asked.awaits_second) == (None, True)
    (line,) = shop.commands()
    assert isinstance(line, wire.RecommendMerge)
    listed = Listed(shop)
    listed.put(1, line, "recommended")
    (request,) = listed.requests()
    assert request.approved_by == "eve"

    (again,) = listed.review("approve", [request], TERMS, actor=EVE_AGAIN)
    assert again.refused == "was approved by eve already; another person has to approve it, too"
    assert shop.commands() == []

    (done,) = listed.review("approve", [request], TERMS, actor=BOB)
    assert (done.action, done.refused) == ("approved", None)
    (command,) = shop.commands()
    assert approvers(command) == ["eve", "bob"]
    assert isinstance(command, wire.MergeCustomers)
    assert command.field_choices == line.field_choices
    assert command.on_ineligible is wire.OnIneligible.WAIT
    shop.carry_out(command)
    assert shop.canonical("a", "b") == {"a"}
    assert listed.requests()[0].approved_by is None


def test_a_recommendation_needs_two_approvals_beside_its_own(shop: Shop) -> None:
    listed = Listed(shop)
    listed.put(1, recommendation("r1", "a", "b"), "recommended")
    listed.put(2, recommendation("r2", "c", "d"), "recommended")
    with shop.engine.begin() as connection:
        eligible = shop.app.review_requests.eligible(connection, listed.requests())
    assert {one.command_id for one in eligible} == {"r1", "r2"}  # one person more is no rule against it
    second, first = listed.review("merge_and_remove", eligible, TERMS)
    assert (first.action, second.action) == ("approved once", "approved")
    assert [type(one).__name__ for one in shop.commands()] == ["MergeCustomers"]
    waits = next(one for one in listed.requests() if one.command_id == "r1")
    assert waits.approved_by == "eve"

    (otherwise,) = listed.review("approve", [waits], Terms(reason="later", wait=True), actor=BOB)
    assert otherwise.action == "approved once"  # eve has to agree that it waits
    (agreed,) = listed.review("approve", [waits], TERMS)
    assert agreed.action == "approved"
    (command,) = shop.commands()
    assert approvers(command) == ["bob", "eve"]


def test_a_policy_is_no_second_person_and_no_first_one(shop: Shop) -> None:
    policy = wire.Actor(id="Policy:default", roles=("merge",))
    shop.find(("a", "b"), grade=Grade.PROBABLE)
    (refused,) = shop.approve("a+b", actor=policy).results
    assert (refused.refused, refused.case.state) == ("needs two people, and Policy:default is none", CaseState.OPEN)
    assert merge(shop, policy).refused == "needs two people, and Policy:default is none"
    shop.approve("a+b")
    (refused,) = shop.approve("a+b", actor=policy).results
    assert refused.refused == "needs two people, and Policy:default is none"
    assert shop.commands() == []


def test_below_the_threshold_one_person_is_enough(shop: Shop) -> None:
    shop.execute("UPDATE store.loyalty_accounts SET points = 500")
    asked = merge(shop, STEWARD)
    assert (asked.refused, asked.awaits_second) == (None, False)
    (command,) = shop.commands()
    assert approvers(command) == ["eve"]
