"""Workers and relays that die at the worst moments: every merge happens once and is told of once."""

import signal
import threading

import pytest

import customer_events as wire
from rig.merge_world import PARTITIONS, REST_LIMIT_S, MergeWorld, merge
from rig.processes import eventually

CRASHED = -signal.SIGKILL


def test_the_same_command_50_times_from_4_producers_on_2_workers_merges_once_and_ends_once(world: MergeWorld) -> None:
    world.customers("a", "b")
    command = merge("c1", "a", "b")

    def produce(producer: int) -> None:
        for number in range(13 if producer < 2 else 12):
            world.produce(command, partition=(producer + number) % PARTITIONS["merge-command"])

    producers = [threading.Thread(target=produce, args=(number,)) for number in range(4)]
    for producer in producers:
        producer.start()
    settings = {"BATCH__MAX_COMMANDS": "3", "KAFKA__GROUP_PROTOCOL": "classic"}
    workers = [world.worker(**settings), world.worker(**settings)]
    for producer in producers:
        producer.join()
    evidence = world.promises()
    assert all(worker.returncode is None for worker in workers)
    assert len(evidence.stream_events) == 1
    assert len({one.event_id for one in evidence.outcomes}) == 1
    assert {one.type for one in evidence.outcomes} == {"MergeCompleted"}
    assert len({one.body for one in evidence.outcomes}) == 1
    assert world.orders() == {"a": 2}


@pytest.mark.parametrize("point", ["after_claim", "before_commit", "after_commit"])
def test_a_worker_killed_between_claim_and_what_follows_the_commit_loses_and_repeats_nothing(
    world: MergeWorld, point: str
) -> None:
    _chains(world)
    world.produce(*_chain_commands())
    assert world.worker(failpoints=f"{point}=crash:2", BATCH__MAX_COMMANDS="4").wait(60) == CRASHED
    world.worker()
    _assert_chains_are_merged(world)


@pytest.mark.parametrize("point", ["after_produce", "after_relay_commit", "after_mark"])
def test_a_relay_killed_between_produce_and_commit_publishes_everything_once(world: MergeWorld, point: str) -> None:
    _chains(world)
    world.produce(*_chain_commands())
    worker = world.worker("--no-relay", BATCH__MAX_COMMANDS="4")
    assert world.relay(failpoints=f"{point}=crash").wait(60) == CRASHED
    world.relay()
    _assert_chains_are_merged(world)
    assert worker.returncode is None


def test_an_order_that_is_being_written_while_its_customer_is_merged_ends_with_the_winner(world: MergeWorld) -> None:
    world.customers("a", "b")
    world.worker()
    with world.engine.connect().execution_options(isolation_level="READ COMMITTED") as shop, shop.begin():
        shop.exec_driver_sql(
            "INSERT INTO store.orders (tenant_id, customer_id, order_number, status, total_cents)"
            " VALUES ('shop', 'b', 'written first', 'OPEN', 1)"
        )
        world.produce(merge("c1", "a", "b"))
        eventually(lambda: _waits_for_a_lock(world))
    assert isinstance(world.terminal("c1"), wire.MergeCompleted)
    assert world.orders() == {"a": 3}
    world.promises()


def test_an_order_that_waits_for_a_merge_to_commit_is_moved_on_afterwards(world: MergeWorld) -> None:
    world.customers("a", "b")
    worker = world.worker(failpoints="before_commit=pause", LOOP__RECONCILE_S="0.5")
    world.produce(merge("c1", "a", "b"))
    worker.wait_for('"name": "before_commit"', 60)
    ordering = threading.Thread(target=world.order, args=("b",))
    ordering.start()
    eventually(lambda: _waits_for_a_lock(world))
    worker.signal(signal.SIGCONT)
    ordering.join(30)
    assert not ordering.is_alive()
    assert isinstance(world.terminal("c1"), wire.MergeCompleted)
    eventually(lambda: world.orders() == {"a": 3})
    world.promises()


def test_a_worker_that_is_asked_to_stop_finishes_and_ends_with_0(world: MergeWorld) -> None:
    _chains(world)
    world.produce(*_chain_commands())
    worker = world.worker(BATCH__MAX_COMMANDS="2")
    eventually(lambda: world.sql("SELECT count(*) AS n FROM merge.merges")[0].n > 0, 60)
    assert worker.stop() == 0
    world.worker()
    _assert_chains_are_merged(world)


def _chains(world: MergeWorld) -> None:
    for tenant in ("shop", "other"):
        world.customers(*(f"{chain}{link}" for chain in "pqrst" for link in "123"), tenant_id=tenant)


def _chain_commands() -> list[wire.MergeCustomers]:
    """For two tenants, five chains x1 → x2 → x3, the second link asked for after the first."""
    return [
        command
        for tenant in ("shop", "other")
        for chain in "pqrst"
        for command in (
            merge(f"{chain}12", f"{chain}2", f"{chain}1", tenant_id=tenant),
            merge(f"{chain}23", f"{chain}3", f"{chain}2", tenant_id=tenant, after_command_id=f"{chain}12"),
        )
    ]


def _assert_chains_are_merged(world: MergeWorld) -> None:
    eventually(lambda: world.sql("SELECT count(*) AS n FROM merge.merges")[0].n == 20, 90)
    evidence = world.promises()
    assert len(evidence.stream_events) == 20
    assert {(key[1], *value) for key, value in evidence.canonical.items()} == {
        entry for chain in "pqrst" for entry in ((f"{chain}1", f"{chain}3", 2), (f"{chain}2", f"{chain}3", 1))
    }
    assert world.orders() == {f"{chain}3": 6 for chain in "pqrst"}


def _waits_for_a_lock(world: MergeWorld) -> bool:
    return bool(
        world.sql("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
    )


def test_a_command_in_hand_at_a_kill_is_not_blamed_for_earlier_ones(world: MergeWorld) -> None:
    world.customers("a", "b")
    # the group must notice deaths soon: four of them are waited for
    soon = {
        "KAFKA__GROUP_PROTOCOL": "classic",
        "KAFKA__SESSION_TIMEOUT_MS": "2000",
        "KAFKA__HEARTBEAT_INTERVAL_MS": "500",
    }
    least = "SELECT min(starts) AS n FROM merge.partition_starts"
    for deaths in range(4):
        worker = world.worker("--no-relay", **soon)
        eventually(lambda: (world.sql(least)[0].n or 0) > deaths, REST_LIMIT_S)  # noqa: B023 - called at once
        if deaths < 3:
            worker.kill()
    with world.engine.connect().execution_options(isolation_level="READ COMMITTED") as shop, shop.begin():
        shop.exec_driver_sql("SELECT FROM store.customers WHERE customer_id = 'b' FOR UPDATE")
        world.produce(merge("c1", "a", "b"))
        eventually(
            lambda: world.sql("SELECT FROM merge.partition_starts WHERE trying_offset IS NOT NULL"), REST_LIMIT_S
        )
        worker.kill()
    world.worker(**soon)
    assert isinstance(world.terminal("c1"), wire.MergeCompleted)
    assert world.sql("SELECT FROM merge.quarantine") == []
