"""CustomerErased on its way through real workers: the person is forgotten, everybody is told, and nobody undoes it."""

import json
from datetime import UTC, datetime

import customer_events as wire
from rig.invariants import told
from rig.merge_world import TENANT, MergeWorld, merge
from rig.processes import eventually

AT = datetime(2025, 3, 2, 12, tzinfo=UTC)


def _erased(customer_id: str, *, version: int = 7) -> wire.CustomerErased:
    return wire.CustomerErased(
        tenant_id=TENANT, customer_id=customer_id, version=version, occurred_at=AT, request_reference="ticket 12"
    )


def _updated(customer_id: str) -> wire.CustomerUpdated:
    return wire.CustomerUpdated(
        tenant_id=TENANT,
        customer_id=customer_id,
        version=3,
        occurred_at=AT,
        source="shop",
        attributes=wire.Attributes(full_name="Ann Example"),
    )


def _publish(world: MergeWorld, *events: wire.CustomerErased | wire.CustomerUpdated) -> None:
    world.produce(*events, topic="customer-created", partition=0)


def _unmerge(command_id: str, merge_id: str) -> wire.UnmergeCustomers:
    return wire.UnmergeCustomers(
        tenant_id=TENANT,
        command_id=command_id,
        merge_id=merge_id,
        requested_by=wire.Actor(id="ann", roles=("merge",)),
        reason="wrong person",
        issued_at=AT,
    )


def _done(world: MergeWorld, customer_id: str) -> bool:
    return bool(world.sql("SELECT 1 FROM merge.erasures WHERE state = 'DONE' AND customer_id = :id", id=customer_id))


def test_an_erased_customer_takes_its_identity_along_and_the_history_still_adds_up(world: MergeWorld) -> None:
    world.customers("a", "b", "c", "d")
    world.worker()
    world.produce(merge("m1", "b", "a"), merge("m2", "c", "b", after_command_id="m1"))
    first = world.terminal("m1")
    world.terminal("m2")
    # What customers are like is none of a worker's business: those records are passed over, whatever they hold.
    _publish(world, _updated("a"), _erased("a"), _erased("a"), _updated("a"))
    eventually(lambda: _done(world, "a"), 60)
    world.produce(_unmerge("u1", first.merge_id), merge("m3", "d", "c"))
    assert [error.rule for error in world.terminal("u1").errors] == ["ERASED"]
    assert [error.rule for error in world.terminal("m3").errors] == ["ERASED"]
    evidence = world.promises()
    (event,) = [one.event for one in evidence.stream_events if one.type == "IdentityErased"]
    assert (event.canonical_id, event.member_ids) == ("c", ("c", "a", "b"))
    forgotten = [one.key for one in told(world.bootstrap, world.prefix + "customer-alias") if one.event is None]
    assert sorted(forgotten) == [f"{TENANT}:a", f"{TENANT}:b"]
    assert world.canonical() == {}
    assert world.sql("SELECT 1 FROM merge.journal WHERE before IS NOT NULL") == []
    assert [row.full_name for row in world.sql("SELECT full_name FROM store.customers ORDER BY customer_id")] == [
        None,
        None,
        None,
        "Name of d",
    ]
    audit = world.run("audit", "verify", "--json")
    assert audit.returncode == 0, audit.tail()
    # A replay of the topic changes nothing: the request is known.
    _publish(world, _erased("a"), _erased("b", version=9))
    world.rest()
    again = world.promises()
    assert len([one for one in again.stream_events if one.type == "IdentityErased"]) == 1


def test_an_erasure_that_a_policy_widened_waits_for_a_person(world: MergeWorld) -> None:
    world.customers("a", "b", "x", "y")
    world.worker(LOOP__ERASE_S="0.2")
    by_policy = {"requested_by": wire.Actor(id="policy:default", roles=("merge",))}
    world.produce(merge("m1", "a", "b", **by_policy), merge("m2", "x", "y", **by_policy))
    world.terminal("m1")
    wrong = world.terminal("m2")
    _publish(world, _erased("b"), _erased("y"))
    waiting = "SELECT 1 FROM merge.erasures WHERE waiting_for = '{AUTOMATIC_MERGE}'"
    eventually(lambda: len(world.sql(waiting)) == 2, 60)
    listed = world.run("erasures", "list", "--json")
    assert [one["member_ids"] for one in json.loads(listed.stdout)["erasures"]] == [["a", "b"], ["x", "y"]]
    reviewed = {
        "approvals": (wire.Approval(by="ann", at=datetime.now(UTC)),),
        "expected_versions": dict(world.sql("SELECT customer_id, version FROM store.customers")),
    }
    world.produce(merge("m3", "a", "y", follow_redirects=True, **reviewed))
    assert {error.rule for error in world.terminal("m3").errors} == {"ERASURE_PENDING"}
    # One was right: a person says so. The other was wrong: the merge is undone, and only the one who asked goes.
    assert world.run("erasures", "confirm", "b", "--tenant", TENANT, "--by", "ann").returncode == 0
    world.produce(_unmerge("u1", wrong.merge_id))
    world.terminal("u1")
    eventually(lambda: _done(world, "b") and _done(world, "y"), 60)
    evidence = world.promises()
    erased = {one.event.member_ids for one in evidence.stream_events if one.type == "IdentityErased"}
    assert erased == {("a", "b"), ("y",)}
    assert world.run("erasures", "confirm", "b", "--tenant", TENANT).returncode == 1


def test_a_declined_erasure_forgets_nobody(world: MergeWorld) -> None:
    world.customers("a", "b")
    world.worker(LOOP__ERASE_S="0.2")
    world.produce(merge("m1", "a", "b", requested_by=wire.Actor(id="policy:default", roles=("merge",))))
    world.terminal("m1")
    _publish(world, _erased("b"))
    eventually(lambda: bool(world.sql("SELECT 1 FROM merge.erasures WHERE merge_ids <> '{}'")), 60)
    assert world.run("erasures", "decline", "b", "--tenant", TENANT, "--by", "ann").returncode == 0
    _publish(world, _erased("b"))
    world.rest()
    (row,) = world.sql("SELECT state, decided_by FROM merge.erasures")
    assert (row.state, row.decided_by) == ("DECLINED", "ann")
    assert world.canonical() == {"b": ("a", 1)}
    # A new request of the customer is a new question.
    _publish(world, _erased("b", version=8))
    eventually(lambda: world.sql("SELECT state FROM merge.erasures")[0].state == "WAITING", 60)
