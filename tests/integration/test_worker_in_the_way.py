"""Commands that find their customers locked, or each other in the way: each ends, and what follows goes on."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import customer_events as wire
from rig.merge_world import TENANT, MergeWorld, convert, merge
from rig.processes import eventually

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
ANN = wire.Actor(id="ann", roles=("merge",))


def _unmerge(command_id: str, merge_id: str) -> wire.UnmergeCustomers:
    return wire.UnmergeCustomers(
        tenant_id=TENANT,
        command_id=command_id,
        merge_id=merge_id,
        requested_by=ANN,
        reason="wrong person",
        issued_at=AT,
    )


def _ended(world: MergeWorld) -> set[str]:
    return {row.message_id for row in world.sql("SELECT message_id FROM merge.inbox WHERE outcome_id IS NOT NULL")}


def test_who_is_locked_for_long_holds_up_no_other_command_and_may_be_asked_for_again(world: MergeWorld) -> None:
    world.customers(*"abcdexyz")
    world.produce(merge("m1", "a", "b"))
    world.worker(LOOP__ERASE_S="0.5")
    merge_id = world.terminal("m1").merge_id
    with world.engine.connect().execution_options(isolation_level="READ COMMITTED") as shop, shop.begin():
        shop.exec_driver_sql("SELECT FROM store.customers WHERE customer_id IN ('b', 'c', 'd') FOR UPDATE")
        world.produce(_unmerge("u1", merge_id), convert("c1", "c"), merge("m2", "x", "y"), partition=0)
        _erase(world, "d", "e")
        eventually(lambda: {"u1", "c1", "m2"} <= _ended(world), 60)
        eventually(lambda: _erasures(world) == {"d": "WAITING", "e": "DONE"}, 60)
    for command_id in ("u1", "c1"):
        refused = world.terminal(command_id)
        assert isinstance(refused, wire.MergeRejected)
        assert refused.stage is wire.Stage.EXECUTION
        assert [(one.rule, one.permanent) for one in refused.errors] == [("LOCK_BUSY", False)]
    world.produce(_unmerge("u2", merge_id), convert("c2", "c"))
    for command_id in ("u2", "c2", "m2"):
        assert isinstance(world.terminal(command_id), wire.MergeCompleted)
    eventually(lambda: _erasures(world) == {"d": "DONE", "e": "DONE"}, 60)
    world.promises()


def test_what_takes_too_long_even_alone_ends_as_too_large(world: MergeWorld) -> None:
    world.customers(*"abcxy")
    world.produce(merge("m1", "a", "b"))
    world.worker()
    merge_id = world.terminal("m1").merge_id
    # What the server says when a statement takes longer than it may.
    world.sql(
        "CREATE FUNCTION give_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF OLD.customer_id = 'b' THEN RAISE EXCEPTION USING ERRCODE = 'query_canceled'; END IF; RETURN NEW; END $$"
    )
    world.sql("CREATE TRIGGER give_up BEFORE UPDATE ON store.customers FOR EACH ROW EXECUTE FUNCTION give_up()")
    world.produce(_unmerge("u1", merge_id), merge("m2", "x", "y"), merge("m3", "c", "a"), partition=0)
    assert isinstance(world.terminal("m2"), wire.MergeCompleted)
    # A merge is tried again when it has nobody beside it, and ends all the same.
    for command_id in ("u1", "m3"):
        refused = world.terminal(command_id)
        assert (refused.stage, [(one.rule, one.permanent) for one in refused.errors]) == (
            wire.Stage.EXECUTION,
            [("TOO_LARGE", False)],
        )
    assert [notice.waiting_for for notice in world.notices("m3")] == [("TOO_LARGE",)]
    assert world.canonical()["b"][0] == "a"
    world.promises()


def test_workers_that_take_the_same_merges_apart_in_opposite_orders_all_come_to_an_end(world: MergeWorld) -> None:
    pairs = range(12)
    world.customers(*(f"{side}{n}" for n in pairs for side in "wl"))
    world.produce(*(merge(f"m{n}", f"w{n}", f"l{n}") for n in pairs))
    world.worker()
    world.worker()
    merge_ids = [world.terminal(f"m{n}").merge_id for n in pairs]
    forth = [command for n in pairs for command in (_unmerge(f"forth{n}", merge_ids[n]), convert(f"to{n}", f"w{n}"))]
    back = [_unmerge(f"back{n}", merge_ids[n]) for n in reversed(pairs)]
    too = [convert(f"too{n}", f"w{n}") for n in reversed(pairs)]
    orders: tuple[Sequence[Any], ...] = (forth, back, too)
    for partition, commands in enumerate(orders):
        world.produce(*commands, partition=partition)
    asked = {f"{name}{n}" for n in pairs for name in ("forth", "back", "to", "too")}
    eventually(lambda: asked <= _ended(world), 90)
    world.rest()
    outcomes = {one.event.command_id: one.event for one in world.outcomes()}
    assert not [one for one in outcomes.values() if _rules(one) & {"LOCK_BUSY", "TOO_LARGE"}]
    for n in pairs:
        assert world.canonical()[f"l{n}"][0] == f"l{n}"
        undone = [outcomes[f"forth{n}"], outcomes[f"back{n}"]]
        assert sorted(type(one).__name__ for one in undone) == ["MergeCompleted", "MergeNoop"]
    world.promises()


def _rules(outcome: object) -> set[str]:
    return {error.rule for error in outcome.errors} if isinstance(outcome, wire.MergeRejected) else set()


def _erasures(world: MergeWorld) -> dict[str, str]:
    return {row.customer_id: row.state for row in world.sql("SELECT customer_id, state FROM merge.erasures")}


def _erase(world: MergeWorld, *customer_ids: str) -> None:
    """Ask, in one partition, for customers to be forgotten."""
    world.produce(
        *(wire.CustomerErased(tenant_id=TENANT, customer_id=id_, version=7, occurred_at=AT) for id_ in customer_ids),
        partition=0,
        topic="customer-created",
    )
