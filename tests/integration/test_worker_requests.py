"""The worker's list, end to end: recommended, approved, called up, merged, or back on the list."""

import json
from datetime import UTC, datetime, timedelta

import customer_events as wire
from rig.merge_world import MergeWorld, merge
from rig.processes import eventually

QUICK = {"LOOP__SCHEDULE_S": "0.2"}
ROB = wire.Actor(id="rob", roles=("recommend",))
WAIT = wire.OnIneligible.WAIT


def _statuses(world: MergeWorld) -> dict[str, str]:
    return {row.command_id: row.status for row in world.sql("SELECT command_id, status FROM merge.requests")}


def test_an_approved_recommendation_stands_behind_what_carries_it_out_and_ends_with_it(world: MergeWorld) -> None:
    world.customers("a", "b")
    tonight = datetime.now(UTC) + timedelta(hours=1)
    world.produce(merge("asked", "a", "b", requested_by=ROB))
    world.worker(**QUICK)
    eventually(lambda: _statuses(world) == {"asked": "recommended"})
    world.produce(merge("carries", "a", "b", not_before=tonight))
    eventually(lambda: _statuses(world) == {"asked": "approved", "carries": "approved"})
    (row,) = world.sql(
        "SELECT a.command_id FROM merge.requests r JOIN merge.requests a ON a.request_id = r.approved_as"
        " WHERE r.command_id = 'asked'"
    )
    assert row.command_id == "carries"
    world.sql("UPDATE merge.requests SET command = command || jsonb_build_object('not_before', null)")
    world.sql("UPDATE merge.requests SET next_attempt_at = clock_timestamp() WHERE command_id = 'carries'")
    merge_id = world.terminal("carries").merge_id
    ended = world.terminal("asked")
    assert (type(ended), ended.canonical_id) == (wire.MergeNoop, "a")
    rows = world.sql("SELECT command_id, status, merge_id FROM merge.requests ORDER BY 1")
    assert [tuple(row) for row in rows] == [("asked", "merged", merge_id), ("carries", "merged", merge_id)]
    world.promises()


def test_a_merge_done_at_once_ends_the_recommendation_within_seconds(world: MergeWorld) -> None:
    world.customers("a", "b")
    world.produce(merge("asked", "a", "b", requested_by=ROB))
    world.worker(**QUICK)  # recommendations are looked at every five minutes, and when a customer of theirs was merged
    eventually(lambda: _statuses(world) == {"asked": "recommended"})
    world.produce(merge("done", "a", "b"))
    merge_id = world.terminal("done").merge_id
    assert isinstance(world.terminal("asked"), wire.MergeNoop)
    (row,) = world.sql("SELECT status, merge_id FROM merge.requests")
    assert tuple(row) == ("merged", merge_id)
    world.promises()


def test_a_refused_approval_puts_the_recommendation_back_on_the_list(world: MergeWorld) -> None:
    world.customers("a", "b", "c")
    world.produce(merge("asked", "a", "b", requested_by=ROB))
    world.worker(**QUICK)
    eventually(lambda: _statuses(world) == {"asked": "recommended"})
    world.produce(merge("carries", "a", "b", after_command_id="never", deadline=datetime.now(UTC) + timedelta(hours=1)))
    eventually(lambda: _statuses(world) == {"asked": "approved", "carries": "approved"})
    world.produce(merge("elsewhere", "c", "b"))
    world.terminal("elsewhere")
    world.sql("UPDATE merge.requests SET command = command || jsonb_build_object('after_command_id', null)")
    world.sql("UPDATE merge.requests SET next_attempt_at = clock_timestamp() WHERE command_id = 'carries'")
    refused = world.terminal("carries")
    assert [one.rule for one in refused.errors] == ["LOSER_PREVIOUSLY_MERGED"]
    assert _statuses(world) == {"asked": "recommended", "carries": "rejected"}
    world.promises()


def test_who_removes_an_approved_request_removes_the_recommendation_behind_it(world: MergeWorld) -> None:
    world.customers("a", "b")
    world.produce(merge("asked", "a", "b", requested_by=ROB))
    world.worker(**QUICK)
    eventually(lambda: _statuses(world) == {"asked": "recommended"})
    world.produce(merge("carries", "a", "b", not_before=datetime.now(UTC) + timedelta(hours=1)))
    eventually(lambda: _statuses(world) == {"asked": "approved", "carries": "approved"})
    (row,) = world.sql("SELECT request_id::text AS id FROM merge.requests WHERE command_id = 'carries'")
    removal = wire.RemoveMerge(
        tenant_id="shop",
        command_id="r1",
        request_id=row.id,
        requested_by=wire.Actor(id="ann", roles=("merge",)),
        reason="no",
    )
    world.produce(removal)
    for command_id in ("asked", "carries", "r1"):
        assert isinstance(world.terminal(command_id), wire.MergeRemoved)
    assert _statuses(world) == {"asked": "removed", "carries": "removed"}
    world.promises()


def test_a_request_that_waits_is_tried_when_the_schedule_is_run(world: MergeWorld) -> None:
    world.customers("a")
    world.produce(merge("c1", "a", "b", on_ineligible=WAIT))
    world.worker(**QUICK)
    eventually(lambda: _statuses(world) == {"c1": "deferred"})
    world.sql("UPDATE merge.requests SET next_attempt_at = 'infinity'")
    world.customers("b")
    world.run("schedule", "run")
    assert isinstance(world.terminal("c1"), wire.MergeCompleted)
    assert json.loads(world.run("schedule", "list", "--json").stdout)["runs"][0]["requests"] == 1
    world.promises()


def test_the_state_of_a_customer_is_the_same_in_every_look_up(world: MergeWorld) -> None:
    world.customers("a", "b", "c")
    world.produce(merge("done", "a", "b"), merge("asked", "a", "c", requested_by=ROB))
    world.worker()
    merge_id = world.terminal("done").merge_id
    eventually(lambda: _statuses(world) == {"asked": "recommended"})
    view = "SELECT customer_id, state, canonical_id, merge_id::text, merged_by, merged_accounts, open_requests"
    rows = world.sql(f"{view} FROM merge.customer_state ORDER BY customer_id")
    assert [tuple(row) for row in rows] == [
        ("a", "merge_pending", "a", None, None, 1, 1),
        ("b", "merged", "a", merge_id, "ann", 0, 0),
        ("c", "merge_pending", "c", None, None, 0, 1),
    ]
    told = json.loads(world.run("status", "b", "--tenant", "shop", "--json").stdout)
    assert told["state"]["state"] == "merged"
    assert (told["state"]["canonical_id"], told["state"]["merge_id"]) == ("a", merge_id)
    assert told["state"]["merged_by"] == "ann"
    world.promises()
