"""What the policy decides about candidates, on real tables: when it approves, waits, or leaves a case to a person."""

from collections.abc import Callable, Sequence
from itertools import permutations

import pytest

import customer_events as wire
from review_desk.cases import CaseState
from rig.desk_shop import STEWARD, Shop, candidate, received

PAIRS = (("a", "b"), ("b", "c"), ("a", "c"))


@pytest.mark.parametrize("outcome_first", [False, True])
@pytest.mark.parametrize("order", list(permutations(PAIRS)))
def test_three_records_of_one_person_end_under_one_id_in_whatever_order_they_are_found(
    *, shop: Shop, order: Sequence[tuple[str, str]], outcome_first: bool
) -> None:
    for customer_id in "abc":
        shop.customer(customer_id)
    shop.find(*order)
    assert shop.states() == ["APPROVED", "WAITING", "WAITING"]  # one command in flight for the whole identity
    shop.work(outcome_first=outcome_first)

    assert len(shop.canonical("a", "b", "c")) == 1
    assert shop.states() == ["CLOSED", "DONE", "DONE"]
    assert [type(outcome).__name__ for outcome in shop.ended] == ["MergeCompleted", "MergeCompleted"]
    assert shop.in_flight() == 0


def test_candidates_in_one_batch_are_serialised_like_those_that_come_one_by_one(shop: Shop) -> None:
    for customer_id in "abcd":
        shop.customer(customer_id)
    shop.deliver(shop.candidates, *(candidate(*pair) for pair in (*PAIRS, ("c", "d"))))
    assert shop.states().count("APPROVED") == 2  # a+b and c+d share nobody
    shop.work()
    assert len(shop.canonical("a", "b", "c", "d")) == 1
    assert {type(outcome).__name__ for outcome in shop.ended} == {"MergeCompleted"}


def test_a_replayed_candidate_or_outcome_changes_nothing(shop: Shop) -> None:
    shop.customer("a")
    shop.customer("b")
    shop.find(("a", "b"), ("a", "b"))
    commands = shop.commands()
    assert len(commands) == 1
    assert isinstance(commands[0], wire.MergeCustomers)
    told = shop.carry_out(commands[0])
    for handler, event in (*told, *told):
        shop.deliver(handler, event)
    shop.find(("a", "b"))
    assert shop.commands() == []
    assert shop.states() == ["DONE"]


def test_the_same_state_gives_the_same_command_id(shop: Shop) -> None:
    shop.customer("a")
    shop.customer("b")
    with shop.engine.connect() as connection:
        ids = []
        for _ in range(2):
            with connection.begin() as transaction:
                (draft,) = shop.candidates.handle(connection, [received(candidate("a", "b"))])
                assert isinstance(draft.body, bytes)
                command = shop.codec.decode(draft.body)
                assert isinstance(command, wire.MergeCustomers)
                ids.append(command.command_id)
                transaction.rollback()
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda shop: shop.execute("UPDATE store.emails SET verified = NULL"), "NO_TRUSTED_IDENTIFIER"),
        (lambda shop: shop.execute("UPDATE store.customers SET legal_hold = true"), "RULE_FAILED: LEGAL_HOLD"),
        (
            lambda shop: shop.execute("UPDATE store.customers SET last_active_at = clock_timestamp()"),
            "RULE_FAILED: BOTH_ACTIVELY_USED",
        ),
    ],
    ids=["unverified", "legal hold", "a rule that only warns"],
)
def test_what_may_not_merge_automatically_waits_and_says_why(
    shop: Shop, prepare: Callable[[Shop], None], reason: str
) -> None:
    shop.customer("a")
    shop.customer("b")
    prepare(shop)
    shop.find(("a", "b"))
    (case,) = shop.cases().values()
    assert case.state is CaseState.OPEN
    assert any(why.startswith(reason) for why in case.why)
    assert shop.commands() == []


def test_a_lesser_grade_and_a_detectors_objection_wait(shop: Shop) -> None:
    for customer_id in "abcd":
        shop.customer(customer_id)
    shop.find(("a", "b"), grade=wire.Grade.PROBABLE)
    shop.find(("c", "d"), safe=False)
    assert [case.why[0] for case in shop.cases().values()] == [
        "GRADE_NOT_AUTOMATIC: probable",
        "DETECTOR_OBJECTS: HUB",
    ]


def test_a_paused_desk_approves_nothing_until_it_is_resumed(shop: Shop) -> None:
    shop.customer("a")
    shop.customer("b")
    with shop.engine.begin() as connection:
        shop.app.pause_approval(connection, STEWARD, paused=True, reason="stocktaking")
    shop.find(("a", "b"))
    (case,) = shop.cases().values()
    assert case.why == ("PAUSED: automatic approval is switched off",)
    assert shop.look_again() == 0
    with shop.engine.begin() as connection:
        shop.app.pause_approval(connection, STEWARD, paused=False, reason="done")
    assert shop.look_again() == 1
    shop.work()
    assert shop.states() == ["DONE"]


def test_a_case_goes_through_by_itself_once_the_rule_against_it_passes(shop: Shop) -> None:
    shop.customer("a")
    shop.customer("b")
    shop.execute("UPDATE store.customers SET legal_hold = true")
    shop.find(("a", "b"))
    assert shop.look_again() == 0
    shop.execute("UPDATE store.customers SET legal_hold = false")
    assert shop.look_again() == 1
    assert shop.look_again() == 0
    shop.work()
    assert shop.states() == ["DONE"]


def test_a_look_that_changes_nothing_writes_nothing(shop: Shop) -> None:
    shop.customer("a", verified=None)
    shop.customer("b", verified=None)
    shop.find(("a", "b"))
    before = shop.versions()
    assert shop.look_again() == 0
    assert shop.versions() == before


def test_tenants_do_not_wait_for_each_other(shop: Shop) -> None:
    shop.customer("a")
    shop.customer("b")
    shop.find(("a", "b"))
    other = candidate("a", "b").model_copy(update={"tenant_id": "other"})
    shop.deliver(shop.candidates, other)
    assert shop.states() == ["APPROVED"]
    assert shop.states("other") == ["OPEN"]  # it has no such customers
