"""Commands of the desk whose outcome does not come, and outcomes that are not about them."""

import customer_events as wire
from event_runtime.records import content_digest
from review_desk.application.approve_cases import Choices
from review_desk.terminal.show import case_json
from rig.desk_shop import STEWARD, TENANT, Shop, rejected


def test_the_refusal_of_other_content_under_a_commands_id_does_not_end_the_command(shop: Shop) -> None:
    shop.customer("a")
    shop.customer("b")
    shop.find(("a", "b"))
    (command,) = shop.commands()
    assert isinstance(command, wire.MergeCustomers)
    shop.deliver(shop.outcomes, rejected(command, "IDEMPOTENCY_KEY_REUSED"))
    assert shop.states() == ["APPROVED"]
    assert shop.in_flight() == 2
    for handler, event in shop.carry_out(command):
        shop.deliver(handler, event)
    assert shop.states() == ["DONE"]
    assert shop.in_flight() == 0


def test_a_command_whose_outcome_does_not_come_is_sent_again_word_for_word_ever_more_rarely(shop: Shop) -> None:
    for customer_id in "abcd":
        shop.customer(customer_id)
    shop.find(("a", "b"))
    shop.find(("c", "d"), grade=wire.Grade.PROBABLE)
    shop.reject("c+d")
    lost = shop.commands()
    assert shop.resend() == 0
    shop.let_pass(11)
    assert shop.resend() == 2
    again = shop.commands()
    assert sorted(map(content_digest, again)) == sorted(map(content_digest, lost))
    shop.let_pass(10)
    assert shop.resend() == 0  # as long again as it has taken so far
    shop.let_pass(2)
    assert shop.resend() == 2

    (command,) = (one for one in again if isinstance(one, wire.MergeCustomers))
    shop.commands()
    for handler, event in shop.carry_out(command):
        shop.deliver(handler, event)
    assert shop.states() == ["DONE", "REJECTED"]
    shop.let_pass(100_000)
    assert shop.resend() == 1  # what has ended is left alone
    assert [type(one).__name__ for one in shop.commands()] == ["MarkNotDuplicate"]


def test_commands_of_people_without_a_case_are_sent_again_too(shop: Shop) -> None:
    for customer_id in "abcd":
        shop.customer(customer_id)
    choices = Choices(reason="on the phone", winner_id="a")
    with shop.engine.begin() as connection:
        asked = shop.app.request_merges.merge(connection, TENANT, STEWARD, ["b"], choices)
        recommended = shop.app.request_merges.recommend(connection, TENANT, STEWARD, ["d"], choices)
        removed = shop.app.request_merges.remove(connection, TENANT, STEWARD, ["r1"], "not wanted")
        shop.app.publish(connection, [*asked.drafts, *recommended.drafts, *removed.drafts])
    lost = shop.commands()
    shop.let_pass(11)
    assert shop.resend() == 3
    assert sorted(map(content_digest, shop.commands())) == sorted(map(content_digest, lost))


def test_the_age_of_the_command_in_flight_is_shown_with_its_case_and_with_those_that_wait_for_it(shop: Shop) -> None:
    for customer_id in "abc":
        shop.customer(customer_id)
    shop.find(("a", "b"), ("b", "c"))
    shop.let_pass(61)
    cases = shop.cases()
    with shop.engine.connect() as connection:
        ages = shop.app.show_case.ages(connection, list(cases.values()))
        shown = shop.app.show_case(connection, cases["a+b"])
    assert {int(age.total_seconds() // 60) for age in ages.values()} == {61}
    assert ages.keys() == {case.case_no for case in cases.values()}
    assert shown.in_flight is not None
    assert case_json(cases["a+b"], shown.in_flight)["in_flight_s"] // 60 == 61
    shop.work()
    with shop.engine.connect() as connection:
        assert shop.app.show_case.ages(connection, list(shop.cases().values())) == {}
