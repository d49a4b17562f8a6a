"""Two people above a threshold of the plan: who counts as one, and what is added up."""

from dataclasses import replace
from decimal import Decimal

import pytest

from customer_identity.merging import ApprovalRef, Refused
from customer_identity.merging.approvers import needing_two, people
from customer_identity.merging.planning import MergePlan
from merge_engine.faults import PlanError
from merge_engine.plan_file import load_plan
from merge_engine.rules_page import rules_page
from rig.merging_values import NOW, identities, member, order, plan, policy, rule


def approved_by(*people_: str) -> tuple[ApprovalRef, ...]:
    return tuple(ApprovalRef(by=person, at=NOW) for person in people_)


@pytest.mark.parametrize(
    ("approvers", "passes"),
    [
        ((), False),
        (("ann",), False),
        (("ann", "ann"), False),
        (("ann", " Ann "), False),
        (("ann", "\uff21NN"), False),  # full-width: one name to whoever reads it
        (("ann", "policy:default"), False),
        (("policy:default", "policy:other"), False),
        (("ann", "  "), False),
        (("ann", "bob"), True),
        (("policy:default", "ann", "bob"), True),
    ],
)
def test_above_the_threshold_two_different_persons_must_approve(approvers: tuple[str, ...], passes: bool) -> None:  # noqa: FBT001
    found = identities(member("a", Decimal(60)), member("b", Decimal(50)))
    rules = policy(rule("R", needing_two(0, 100, of_losers=False)))
    result = plan(replace(order("a", "b"), approvals=approved_by(*approvers)), found, rules)
    assert isinstance(result, MergePlan) is passes


@pytest.mark.parametrize(
    ("winner", "loser", "of_losers", "needs"),
    [
        (60, 40, False, False),  # not above
        (60, 41, False, True),
        (1000, 100, True, False),
        (0, 101, True, True),
        (Decimal("NaN"), 0, False, True),
        (float("inf"), 0, False, True),
        (-50, 120, False, False),
    ],
)
def test_numbers_of_everybody_or_of_the_losers_are_added_up(
    winner: Decimal,
    loser: Decimal,
    of_losers: bool,  # noqa: FBT001
    needs: bool,  # noqa: FBT001
) -> None:
    found = identities(member("a", winner), member("b", loser))
    result = plan(order("a", "b"), found, policy(rule("R", needing_two(0, 100, of_losers=of_losers))))
    assert isinstance(result, Refused) is needs


def test_members_of_a_loser_count_with_it() -> None:
    found = identities(member("a", 0), member("b", 60), b2=member("b2", 60))
    result = plan(order("a", "b"), found, policy(rule("R", needing_two(0, 100, of_losers=True))))
    assert isinstance(result, Refused)
    assert result.errors[0].customer_ids == ("b", "b2")


def test_an_actor_is_one_person_however_the_id_is_written() -> None:
    assert people(["Ann", "ann ", "ANN", "bob", "policy:x", "Policy:y", ""]) == {"ann", "bob"}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{above: 5}", "give exactly one of sum, rows"),
        ("{above: 5, rows: all, sum: {column: x}}", "give exactly one of sum, rows"),
        ("{above: 5.5, rows: all}", "above must be a whole number"),
        ("{above: 99999999999999999999, rows: all}", "1000000000 at most"),
        ("{above: -1, rows: all}", "greater than or equal to 0"),
        ("{above: .inf, rows: all}", "finite"),
        ("{above: many, sum: {column: x}}", "valid"),
        ("{above: 5, sum: {column: x, where: {a: 1}}}", "where, customer and tenant need table"),
        ("{above: 5, rows: some}", "rows"),
    ],
)
def test_a_threshold_that_says_nothing_is_told_with_its_line(
    tmp_path_factory: pytest.TempPathFactory, written: str, said: str
) -> None:
    path = tmp_path_factory.mktemp("plan") / "plan.yaml"
    path.write_text(
        "name: p\nrevision: 1\ncustomer: {table: s.c, key: {column: id}}\ndisposition: {kind: link, column: l}\n"
        f"fields: {{}}\nchildren: []\ntwo_people:\n  - {written}\n",
        encoding="utf-8",
    )
    with pytest.raises(PlanError) as fault:
        load_plan(path)
    assert f"{path}:8: two_people.0" in str(fault.value)
    assert said in str(fault.value)


def test_the_rules_page_tells_of_it() -> None:
    assert "TWO_PEOPLE_REQUIRED" in rules_page()
    assert "two_people" in rules_page()
