"""How the desk follows what becomes of its commands and of its customers, in whatever order it hears of it."""

import random
from collections import deque
from collections.abc import Sequence
from itertools import combinations

import pytest
from pydantic import BaseModel

import customer_events as wire
from customer_identity import merging
from review_desk.cases import CaseState
from rig.desk_shop import NOW, STEWARD, TENANT, Shop, rejected


def test_a_command_refused_because_an_identity_moved_is_made_again_on_the_roots(shop: Shop) -> None:
    for customer_id in "abc":
        shop.customer(customer_id)
    shop.find(("a", "b"))
    (command,) = shop.commands()
    assert isinstance(command, wire.MergeCustomers)
    elsewhere = command.model_copy(
        update={"command_id": "elsewhere", "winner_id": "c", "loser_ids": ("b",), "expected_versions": {}}
    )
    (followed, merged), _ = shop.carry_out(elsewhere)
    told = shop.carry_out(command)
    assert isinstance(shop.ended[-1], wire.MergeRejected)
    for handler, event in ((followed, merged), *told):
        shop.deliver(handler, event)
    shop.work()
    assert len(shop.canonical("a", "b", "c")) == 1
    assert shop.states() == ["DONE"]
    assert shop.cases()["a+b"].attempts == 2


def test_a_refusal_that_speaks_against_the_pair_goes_to_a_person_and_is_not_tried_again(shop: Shop) -> None:
    shop.customer("a")
    shop.customer("b")
    shop.find(("a", "b"))
    (command,) = shop.commands()
    assert isinstance(command, wire.MergeCustomers)
    shop.deliver(shop.outcomes, rejected(command, "TWO_PEOPLE_NEEDED"))
    (case,) = shop.cases().values()
    assert (case.state, case.why) == (CaseState.OPEN, ("REJECTED at eligibility", "TWO_PEOPLE_NEEDED"))
    shop.find(("a", "b"))
    assert shop.commands() == []
    assert shop.in_flight() == 0


def test_a_merge_from_elsewhere_closes_the_case(shop: Shop) -> None:
    shop.customer("a", verified=None)
    shop.customer("b", verified=None)
    shop.find(("a", "b"))
    command = wire.MergeCustomers(
        tenant_id=TENANT,
        command_id="elsewhere",
        winner_id="a",
        loser_ids=("b",),
        requested_by=STEWARD,
        reason="upstream",
        issued_at=NOW,
    )
    for handler, event in shop.carry_out(command):
        shop.deliver(handler, event)
    (case,) = shop.cases().values()
    assert (case.state, case.why) == (CaseState.CLOSED, ("ALREADY_MERGED",))


def test_a_case_that_waits_for_the_identity_map_goes_on_when_it_arrives_whomever_it_names(shop: Shop) -> None:
    for customer_id in "abyz":
        shop.customer(customer_id)
    shop.find(("a", "b"))
    shop.work()
    (winner,) = shop.canonical("a", "b")
    loser = "b" if winner == "a" else "a"
    late = shop.carry_out(
        wire.MergeCustomers(
            tenant_id=TENANT,
            command_id="elsewhere",
            winner_id=winner,
            loser_ids=("z",),
            requested_by=STEWARD,
            reason="upstream",
            issued_at=NOW,
        )
    )
    shop.find((loser, "y"))  # names neither z nor the winner, who has become z as well
    assert shop.cases()[f"{loser}+y"].why == ("IDENTITY_CATCHING_UP",)
    for handler, event in late:
        shop.deliver(handler, event)
    shop.work()
    assert shop.states() == ["DONE", "DONE"]
    assert shop.canonical("a", "b", "y", "z") == {winner}


@pytest.mark.parametrize("seed", range(8))
def test_whatever_overtakes_whatever_no_case_waits_for_ever_and_no_command_is_refused(shop: Shop, seed: int) -> None:
    """Candidates, commands, outcomes and merges interleave anyhow; only merges keep their order, as in their stream."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    people = [[f"{person}{record}" for record in "abcdef"] for person in "pq"]
    for person in people:
        for customer_id in person:
            shop.customer(customer_id, email=f"{person[0]}@example.com")
    found = [pair for person in people for pair in combinations(person, 2)]
    chance.shuffle(found)
    commands: list[wire.MergeCustomers] = []
    merges: deque[BaseModel] = deque()
    outcomes: list[BaseModel] = []
    while found or commands or merges or outcomes:
        step = chance.choice([name for name, todo in _todo(found, commands, merges, outcomes) if todo])
        if step == "candidate":
            shop.find(found.pop())
        elif step == "command":
            for handler, event in shop.carry_out(commands.pop(chance.randrange(len(commands)))):
                (merges if handler is shop.followed else outcomes).append(event)
        elif step == "merge":
            shop.deliver(shop.followed, merges.popleft())
        else:
            shop.deliver(shop.outcomes, outcomes.pop(chance.randrange(len(outcomes))))
        commands.extend(one for one in shop.commands() if isinstance(one, wire.MergeCustomers))
    assert set(shop.states()) == {"DONE", "CLOSED"}
    assert {type(outcome).__name__ for outcome in shop.ended} == {"MergeCompleted"}
    assert [len(shop.canonical(*person)) for person in people] == [1, 1]
    assert shop.in_flight() == 0


def _todo(*queues: Sequence[object] | deque[BaseModel]) -> list[tuple[str, bool]]:
    return [
        (name, bool(queue)) for name, queue in zip(("candidate", "command", "merge", "outcome"), queues, strict=True)
    ]


def test_an_unmerge_leaves_its_case_rejected(shop: Shop) -> None:
    shop.customer("a")
    shop.customer("b")
    shop.find(("a", "b"))
    shop.work()
    (case,) = shop.cases().values()
    assert case.merge_id is not None
    order = merging.UnmergeOrder(
        tenant_id=TENANT,
        command_id="undo",
        merge_id=case.merge_id,
        requested_by=merging.ActorRef(id="eve", roles=("merge",)),
        reason="two people",
    )
    with shop.engine.begin() as connection:
        undone = shop.merges.unmerge(connection, order)
    assert isinstance(undone, merging.Unmerged)
    event = wire.CustomerUnmerged(
        stream=0,
        sequence=2,
        tenant_id=TENANT,
        unmerge_id=undone.unmerge_id,
        merge_id=undone.merge_id,
        command_id="undo",
        mode=wire.UnmergeMode.LINEAR,
        from_id=undone.from_id,
        restored=tuple(wire.VersionedId(id=one.id, version=one.version) for one in undone.restored),
        redirects=tuple(
            wire.Redirect(from_=one.from_id, direct_to=one.direct_to, canonical=one.canonical, version=one.version)
            for one in undone.redirects
        ),
        at=NOW,
    )
    shop.deliver(shop.followed, event)
    (case,) = shop.cases().values()
    assert (case.state, case.why, case.denied) == (CaseState.REJECTED, ("UNMERGED",), True)
