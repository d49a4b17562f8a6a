"""Commands that cannot end at once: deferred ones, recommendations, and what a relinker says afterwards."""

from datetime import UTC, datetime, timedelta

import customer_events as wire
from rig.invariants import CODEC
from rig.merge_world import TENANT, MergeWorld, merge
from rig.processes import eventually

QUICK = {"LOOP__SCHEDULE_S": "0.2"}
RECOMMENDER = wire.Actor(id="rob", roles=("recommend",))


def _statuses(world: MergeWorld) -> dict[str, str]:
    return {row.command_id: row.status for row in world.sql("SELECT command_id, status FROM merge.requests")}


def test_a_merge_that_names_a_customer_before_its_creation_waits_and_then_merges(world: MergeWorld) -> None:
    world.customers("a")
    world.produce(merge("c1", "a", "b"))
    world.worker(**QUICK)
    eventually(lambda: _statuses(world) == {"c1": "deferred"})
    world.customers("b")
    assert isinstance(world.terminal("c1"), wire.MergeCompleted)
    assert _statuses(world) == {"c1": "merged"}
    (notice,) = world.notices("c1")
    assert notice.waiting_for == ("CUSTOMER_NOT_FOUND",)
    world.promises()


def test_a_customer_that_never_comes_is_waited_for_only_so_long(world: MergeWorld) -> None:
    world.customers("a")
    world.produce(merge("c1", "a", "nobody"))
    world.worker(**QUICK, DEFERRAL__CUSTOMER_NOT_FOUND_S="1")
    refused = world.terminal("c1")
    assert isinstance(refused, wire.MergeRejected)
    assert [(one.rule, one.customer_ids) for one in refused.errors] == [("CUSTOMER_NOT_FOUND", ("nobody",))]
    assert _statuses(world) == {"c1": "rejected"}
    world.promises()


def test_a_command_runs_after_the_one_it_follows_although_it_came_first(world: MergeWorld) -> None:
    world.customers("a", "b", "c")
    world.produce(merge("second", "c", "b", after_command_id="first"), partition=0)
    world.worker(**QUICK)
    eventually(lambda: _statuses(world) == {"second": "approved"})
    world.produce(merge("first", "b", "a"), partition=1)
    assert isinstance(world.terminal("second"), wire.MergeCompleted)
    assert world.canonical() == {"a": ("c", 2), "b": ("c", 1)}
    world.promises()


def test_a_command_waits_for_its_time_and_is_refused_after_its_deadline(world: MergeWorld) -> None:
    world.customers("a", "b", "c", "d")
    now = datetime.now(UTC)
    world.produce(
        merge("soon", "a", "b", not_before=now + timedelta(seconds=3)),
        merge("late", "c", "d", deadline=now - timedelta(seconds=1)),
    )
    world.worker(**QUICK)
    completed = world.terminal("soon")
    assert isinstance(completed, wire.MergeCompleted)
    assert completed.completed_at >= now + timedelta(seconds=3)
    refused = world.terminal("late")
    assert [one.rule for one in refused.errors] == ["DEADLINE_PASSED"]
    world.promises()


def test_a_repeated_command_that_still_waits_is_answered_once_when_it_ends(world: MergeWorld) -> None:
    world.customers("a")
    world.produce(merge("c1", "a", "b"), merge("c1", "a", "b"))
    world.worker(**QUICK, BATCH__MAX_COMMANDS="1")
    eventually(lambda: _statuses(world) == {"c1": "deferred"})
    world.customers("b")
    assert isinstance(world.terminal("c1"), wire.MergeCompleted)
    world.promises()


def test_a_deferred_command_that_the_database_refuses_ends_and_the_others_go_on(world: MergeWorld) -> None:
    world.customers("a", "c")
    # A rule of the database that no plan knows of.
    world.sql("ALTER TABLE store.orders ADD CONSTRAINT odd CHECK (customer_id <> 'a' OR order_number <> 'odd')")
    world.produce(merge("bad", "a", "b"), merge("good", "c", "d"))
    world.worker(**QUICK)
    eventually(lambda: _statuses(world) == {"bad": "deferred", "good": "deferred"})
    world.sql("UPDATE merge.requests SET next_attempt_at = 'infinity'")
    world.customers("b", "d")
    world.sql("UPDATE store.orders SET order_number = 'odd' WHERE customer_id = 'b'")
    world.sql("UPDATE merge.requests SET next_attempt_at = clock_timestamp()")
    refused = world.terminal("bad")
    assert (refused.stage, refused.errors[0].rule) == (wire.Stage.EXECUTION, "DATABASE_REFUSED")
    assert "23514" in refused.errors[0].message
    assert isinstance(world.terminal("good"), wire.MergeCompleted)
    world.promises()


def test_a_removed_request_ends_and_so_does_the_removal(world: MergeWorld) -> None:
    world.customers("a")
    world.produce(merge("c1", "a", "b"))
    world.worker()
    eventually(lambda: _statuses(world) == {"c1": "deferred"})
    world.produce(_remove("r1", customer_id="a"))
    removed = world.terminal("c1")
    assert isinstance(removed, wire.MergeRemoved)
    assert world.terminal("r1").request_id == removed.request_id
    assert _statuses(world) == {"c1": "removed"}
    world.produce(_remove("r2", customer_id="a"))
    assert [one.rule for one in world.terminal("r2").errors] == ["REQUEST_NOT_FOUND"]
    world.promises()


def test_who_may_only_recommend_leaves_a_recommendation_that_ends_when_somebody_merges(world: MergeWorld) -> None:
    world.customers("a", "b")
    world.produce(merge("asked", "a", "b", requested_by=RECOMMENDER))
    world.worker(**QUICK, RECOMMENDATION__LOOK_AGAIN_S="0.5")
    eventually(lambda: _statuses(world) == {"asked": "recommended"})
    world.rest()
    (notice,) = world.notices("asked")
    assert isinstance(notice, wire.MergeRecommended)
    assert notice.eligible
    assert [one.rule for one in notice.errors] == ["MERGE_PERMISSION_MISSING"]
    assert world.canonical() == {}
    world.produce(merge("done", "a", "b"))
    assert isinstance(world.terminal("done"), wire.MergeCompleted)
    ended = world.terminal("asked")
    assert isinstance(ended, wire.MergeNoop)
    assert ended.canonical_id == "a"
    world.promises()


def test_a_recommendation_expires(world: MergeWorld) -> None:
    world.customers("a", "b")
    world.produce(merge("asked", "a", "b", requested_by=RECOMMENDER))
    world.worker(**QUICK, RECOMMENDATION__LOOK_AGAIN_S="0.5", RECOMMENDATION__LIFETIME_DAYS="0.00001")
    assert isinstance(world.terminal("asked"), wire.MergeRemoved)
    world.promises()


def test_who_has_no_role_is_refused(world: MergeWorld) -> None:
    world.customers("a", "b")
    world.produce(merge("asked", "a", "b", requested_by=wire.Actor(id="eve")))
    world.worker()
    refused = world.terminal("asked")
    assert (refused.stage, refused.errors[0].rule) == (wire.Stage.AUTHORISATION, "MERGE_PERMISSION_MISSING")
    world.promises()


def test_the_ledger_knows_who_has_relinked_and_a_late_receipt_hides_nothing(world: MergeWorld) -> None:
    world.customers("a", "b")
    world.produce(merge("c1", "a", "b"))
    world.worker(RELINK__SYSTEMS="crm,loyalty", RELINK__DUE_S="60")
    merge_id = world.terminal("c1").merge_id
    event = world.promises().stream_events[0].event
    assert [one.system for one in event.required_acks] == ["crm", "loyalty"]
    assert _ledger(world) == {"crm": "PENDING", "loyalty": "PENDING"}
    for system, status in (("crm", "RELINKED"), ("crm", "RECEIVED"), ("loyalty", "FAILED"), ("shop", "RELINKED")):
        world.produce_bytes("relink-ack", [(CODEC.encode(_ack(merge_id, system, status)), {})], partition=0)
    world.rest()
    assert _ledger(world) == {"crm": "RELINKED", "loyalty": "FAILED", "shop": "RELINKED"}
    world.promises()


def _ledger(world: MergeWorld) -> dict[str, str]:
    return {row.system: row.status for row in world.sql("SELECT system, status FROM merge.relink_ledger")}


def _ack(merge_id: str, system: str, status: str) -> wire.RelinkAcknowledged:
    return wire.RelinkAcknowledged(
        tenant_id="shop",
        system=system,
        merge_id=merge_id,
        status=wire.AckStatus(status),
        stream=0,
        sequence=1,
        relinked=(wire.RelinkedCount(type="contacts", count=3),),
        at=datetime.now(UTC),
    )


def _remove(command_id: str, **what: str) -> wire.RemoveMerge:
    return wire.RemoveMerge(
        tenant_id="shop",
        command_id=command_id,
        requested_by=wire.Actor(id="ann", roles=("merge",)),
        reason="not wanted",
        **what,
    )


def test_a_locked_customer_keeps_the_others_of_its_batch_waiting_for_seconds_only(world: MergeWorld) -> None:
    pairs = range(60)
    world.sql(
        "INSERT INTO store.customers (tenant_id, customer_id, full_name)"
        " SELECT :tenant, side || n, 'Name' FROM generate_series(0, 59) AS n, unnest(ARRAY['w', 'l']) AS side",
        tenant=TENANT,
    )
    ended = "SELECT count(*) AS n FROM merge.inbox WHERE outcome_id IS NOT NULL"
    with world.engine.connect().execution_options(isolation_level="READ COMMITTED") as shop, shop.begin():
        shop.exec_driver_sql("SELECT FROM store.customers WHERE customer_id = 'l30' FOR UPDATE")
        world.produce(*(merge(f"c{n}", f"w{n}", f"l{n}") for n in pairs), partition=0)
        world.worker()
        # work goes on within 30 s whatever happens; the rest is the worker's own start
        eventually(lambda: world.sql(ended)[0].n == len(pairs) - 1, 45)
        deferred = world.sql("SELECT command_id, waiting_for FROM merge.requests")
        assert [tuple(row) for row in deferred] == [("c30", ["LOCK_BUSY"])]
    assert isinstance(world.terminal("c30"), wire.MergeCompleted)
