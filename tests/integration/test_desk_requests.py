"""The worker's list at the desk: what it says of each request, and many of them reviewed in one go."""

from datetime import UTC, datetime

import customer_events as wire
from customer_identity.approval import Grade
from review_desk.application.approve_cases import Choices
from review_desk.application.review_requests import Terms
from rig.desk_list import ROB, TERMS, Listed, recommendation
from rig.desk_shop import STEWARD, TENANT, Shop


def test_the_report_tells_of_each_open_request_every_rule_that_fails_now(shop: Shop) -> None:
    listed = Listed(shop)
    for customer_id in "abc":
        shop.customer(customer_id)
    shop.execute("UPDATE store.customers SET has_login = true, legal_hold = true WHERE customer_id = 'c'")
    listed.put(1, recommendation("r1", "a", "b"), "recommended")
    listed.put(2, recommendation("r2", "a", "c"), "recommended")
    listed.put(3, recommendation("r3", "b", "c"), "removed")
    second, first = listed.report()
    assert (first.eligible, first.failing_rules) == (True, ())
    assert (second.eligible, set(second.failing_rules)) == (False, {"LEGAL_HOLD", "LOSER_HAS_LOGIN"})
    assert all(failure.remediation for failure in second.failures)
    assert (second.request.requested_by, second.request.winner_id, second.request.loser_ids) == ("rob", "a", ("c",))
    (over,) = listed.report("removed")
    assert over.eligible is None


def test_recommendations_are_approved_many_at_once_with_all_that_was_decided_along(shop: Shop) -> None:
    listed = Listed(shop)
    for customer_id in "abc":
        shop.customer(customer_id)
    choice = wire.FieldChoice(field="full_name", from_customer_id="b")
    listed.put(1, recommendation("r1", "a", "b", field_choices=(choice,)), "recommended")
    listed.put(2, recommendation("r2", "a", "c"), "recommended")
    reviewed = listed.review("approve", listed.requests(), TERMS)
    assert [one.action for one in reviewed] == ["approved", "approved"]  # they share a winner
    sent = {one.loser_ids: one for one in shop.commands() if isinstance(one, wire.MergeCustomers)}
    assert sent.keys() == {("b",), ("c",)}
    assert sent["b",].field_choices == (choice,)
    assert (sent["b",].requested_by, sent["b",].reason) == (STEWARD, "reviewed")
    assert [one.by for one in sent["b",].approvals] == ["eve"]
    for command in sent.values():
        for handler, event in shop.carry_out(command):
            shop.deliver(handler, event)
    assert shop.canonical("a", "b", "c") == {"a"}
    assert shop.in_flight() == 0


def test_one_that_cannot_be_approved_is_told_with_its_rules_and_holds_up_no_other(shop: Shop) -> None:
    listed = Listed(shop)
    for customer_id in "abcd":
        shop.customer(customer_id)
    shop.execute("UPDATE store.customers SET has_login = true WHERE customer_id = 'b'")
    listed.put(1, recommendation("r1", "a", "b"), "recommended")
    listed.put(2, recommendation("r2", "c", "d"), "recommended")
    listed.put(3, recommendation("r3", "c", "d"), "recommended")
    newest, middle, oldest = listed.review("approve", listed.requests(), TERMS)
    assert newest.action == "approved"
    assert middle.refused is not None
    assert "in flight" in middle.refused  # the same loser
    assert [failure.rule for failure in oldest.failures] == ["LOSER_HAS_LOGIN"]
    assert [type(one).__name__ for one in shop.commands()] == ["MergeCustomers"]


def test_who_may_only_recommend_approves_nothing(shop: Shop) -> None:
    listed = Listed(shop)
    for customer_id in "ab":
        shop.customer(customer_id)
    listed.put(1, recommendation("r1", "a", "b"), "recommended")
    (one,) = listed.review("approve", listed.requests(), TERMS, actor=ROB)
    assert one.refused == "needs the role merge"
    assert shop.commands() == []


def test_an_approval_for_later_is_sent_with_its_time(shop: Shop) -> None:
    listed = Listed(shop)
    for customer_id in "ab":
        shop.customer(customer_id)
    listed.put(1, recommendation("r1", "a", "b"), "recommended")
    tonight = datetime(2030, 1, 1, 2, tzinfo=UTC)
    listed.review("approve", listed.requests(), Terms(reason="tonight", not_before=tonight, wait=True))
    (command,) = shop.commands()
    assert isinstance(command, wire.MergeCustomers)
    assert (command.not_before, command.on_ineligible) == (tonight, wire.OnIneligible.WAIT)


def test_merge_and_remove_merges_what_is_eligible_and_takes_the_rest_off_the_list(shop: Shop) -> None:
    listed = Listed(shop)
    for customer_id in "abcd":
        shop.customer(customer_id)
    shop.execute("UPDATE store.customers SET has_login = true WHERE customer_id = 'b'")
    listed.put(1, recommendation("r1", "a", "b"), "recommended")
    listed.put(2, recommendation("r2", "c", "d"), "recommended")
    merged, removed = listed.review("merge_and_remove", listed.requests(), TERMS)
    assert (merged.action, removed.action) == ("approved", "removed")
    assert [failure.rule for failure in removed.failures] == ["LOSER_HAS_LOGIN"]
    assert sorted(type(one).__name__ for one in shop.commands()) == ["MergeCustomers", "RemoveMerge"]


def test_requests_are_removed_many_at_once_and_one_that_is_over_is_told(shop: Shop) -> None:
    listed = Listed(shop)
    listed.put(1, recommendation("r1", "a", "b"), "recommended")
    listed.put(2, recommendation("r2", "a", "c"), "deferred")
    listed.put(3, recommendation("r3", "a", "d"), "merged")
    everything = [one.request for one in listed.report("recommended", "deferred", "merged")]
    over, *others = listed.review("remove", everything, "not wanted")
    assert over.refused == "is merged already"
    assert [one.action for one in others] == ["removed", "removed"]
    assert [one.request_id for one in shop.commands() if isinstance(one, wire.RemoveMerge)] == [
        one.request.request_id for one in others
    ]


def test_a_recommendation_that_was_approved_is_one_line_with_what_carries_it_out(shop: Shop) -> None:
    listed = Listed(shop)
    command = wire.MergeCustomers(
        **{**dict(recommendation("m1", "a", "b")), "requested_by": STEWARD},
    )
    behind = listed.put(1, recommendation("r1", "a", "b"), "approved")
    carries = listed.put(2, command, "deferred")
    shop.execute(f"UPDATE merge.requests SET approved_as = '{carries}' WHERE request_id = '{behind}'")
    (one,) = listed.requests()
    assert (one.request_id, one.status, one.requested_by, one.recommended_by) == (carries, "deferred", "eve", ("rob",))


def test_what_a_person_decides_along_reaches_the_command_and_stays_with_a_case_that_waits(shop: Shop) -> None:
    for customer_id in "ab":
        shop.customer(customer_id)
    shop.find(("a", "b"), grade=Grade.PROBABLE)
    later = datetime(2030, 1, 1, tzinfo=UTC)
    shop.approve("a+b", fields=(("full_name", "b"),), not_before=later, wait_until_eligible=True)
    (command,) = shop.commands()
    assert isinstance(command, wire.MergeCustomers)
    assert command.field_choices == (wire.FieldChoice(field="full_name", from_customer_id="b"),)
    assert (command.not_before, command.on_ineligible) == (later, wire.OnIneligible.WAIT)
    (case,) = shop.cases().values()
    assert case.approval is not None
    assert (case.approval.not_before, case.approval.field_choices) == (later, (("full_name", "b"),))


def test_a_merge_that_waits_leaves_its_winner_free_for_others_and_its_loser_not(shop: Shop) -> None:
    for customer_id in "abc":
        shop.customer(customer_id)
    choices = Choices(reason="on the phone", winner_id="a", wait_until_eligible=True)
    with shop.engine.begin() as connection:
        first = shop.app.request_merges.merge(connection, TENANT, STEWARD, ["b"], choices)
        second = shop.app.request_merges.merge(connection, TENANT, STEWARD, ["c"], choices)
        third = shop.app.request_merges.merge(connection, TENANT, STEWARD, ["b"], choices)
    assert (first.refused, second.refused) == (None, None)
    assert third.refused is not None
    assert "in flight" in third.refused
