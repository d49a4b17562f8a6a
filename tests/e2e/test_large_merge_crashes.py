"""Large merges in real workers: killed at any chunk they go on where they were, and tell the world of it once."""

import random
import signal
from typing import Any

import pytest

import customer_events as wire
from rig.merge_world import TENANT, MergeWorld, merge
from rig.processes import eventually

CRASHED = -signal.SIGKILL
ROWS, CHUNK, KILLS = 30_000, 500, 10
SETTINGS = {"LARGE__CHUNK_ROWS": str(CHUNK), "LARGE__LEASE_S": "0.5", "LARGE__NOTICE_S": "0"}


@pytest.fixture
def large(world: MergeWorld) -> MergeWorld:
    world.relay()  # its own process: no death below is one of the relay
    world.customers("a", "b")
    _orders(world, "b", ROWS - 1)
    return world


def test_killed_at_ten_random_chunks_a_large_merge_goes_on_where_it_was_and_is_told_of_once(large: MergeWorld) -> None:
    large.produce(merge("c1", "a", "b"))
    chance = random.Random(7)  # noqa: S311 - the same points in every run, not a secret
    done = 0
    for _ in range(KILLS):
        point = chance.choice(["before_chunk_commit", "after_chunk_commit"])
        passage = chance.randint(1, 2 * ROWS // CHUNK // KILLS - 2)
        assert large.worker("--no-relay", failpoints=f"{point}=crash:{passage}", **SETTINGS).wait(60) == CRASHED
        (progress,) = large.sql("SELECT cursor, rows_moved, state FROM merge.large_merges")
        # What was committed stays: each worker adds its chunks, less the one it was killed in.
        assert progress.cursor == done + passage - (point == "before_chunk_commit")
        done = progress.cursor
        assert progress.rows_moved == done * CHUNK == large.orders()["a"] - 1
        assert progress.state == "MOVING"
    large.worker("--no-relay", **SETTINGS)
    _assert_complete(large, ROWS)


def test_killed_before_its_first_chunk_and_after_its_last_a_large_merge_ends_all_the_same(large: MergeWorld) -> None:
    large.produce(merge("c1", "a", "b"))
    for point in ("before_listing_commit", "before_rows_moved"):
        assert large.worker("--no-relay", failpoints=f"{point}=crash", **SETTINGS).wait(60) == CRASHED
        assert _moving(large)
    large.worker("--no-relay", **SETTINGS)
    _assert_complete(large, ROWS)


def test_two_workers_share_two_large_merges_and_one_takes_over_when_the_other_dies(large: MergeWorld) -> None:
    large.customers("c", "d")
    _orders(large, "d", ROWS - 1)
    large.produce(merge("c1", "a", "b"), merge("c2", "c", "d"))
    dying = large.worker("--no-relay", failpoints="after_chunk_commit=crash:20", **SETTINGS)
    other = large.worker("--no-relay", **SETTINGS)
    assert dying.wait(60) == CRASHED
    for command_id in ("c1", "c2"):
        assert large.terminal(command_id).rows is wire.RowsState.MOVING
    eventually(lambda: not _moving(large), 60)
    assert large.orders() == {"a": ROWS + 1, "c": ROWS + 1}
    evidence = large.promises()
    assert [one.type for one in evidence.stream_events].count("RowsMoved") == 2
    assert other.stop() == 0


def test_a_worker_that_is_asked_to_stop_leaves_the_rest_to_the_next_at_once_and_status_says_how_far_it_is(
    large: MergeWorld,
) -> None:
    large.produce(merge("c1", "a", "b"))
    # A lease of an hour: nobody takes over from a worker that is merely gone.
    slow = SETTINGS | {"LARGE__LEASE_S": "3600", "LARGE__REST_SHARE": "5"}
    worker = large.worker("--no-relay", **slow)
    eventually(lambda: large.sql("SELECT FROM merge.large_merges WHERE cursor > 3"), 60)
    assert worker.stop() == 0
    (progress,) = large.sql("SELECT rows_moved FROM merge.large_merges WHERE state = 'MOVING'")
    for arguments in (["--tenant", TENANT, "b"], []):
        assert f"{progress.rows_moved} of {ROWS}" in large.run("status", *arguments).stdout
    large.worker("--no-relay", **SETTINGS)
    _assert_complete(large, ROWS)


def test_a_batch_that_would_move_too_many_rows_is_done_in_several_transactions(world: MergeWorld) -> None:
    """Each of these merges is small, and together they are more than one transaction moves."""
    losers = [f"l{number}" for number in range(12)]
    for loser_id in losers:
        world.customers(loser_id, f"w-{loser_id}")
        _orders(world, loser_id, 900)
    world.produce(*(merge(f"c-{loser_id}", f"w-{loser_id}", loser_id) for loser_id in losers), partition=0)
    world.worker()
    evidence = world.promises()
    assert len(evidence.stream_events) == len(losers)
    assert world.orders() == {f"w-{loser_id}": 902 for loser_id in losers}
    moved = world.sql("SELECT count(*) AS n FROM store.orders WHERE customer_id LIKE 'w-%' GROUP BY xmin::text")
    assert max(row.n for row in moved) <= 5_000
    (transactions,) = world.sql("SELECT count(DISTINCT xmin::text) AS n FROM merge.merges")
    assert 1 < transactions.n < len(losers)


def _orders(world: MergeWorld, customer_id: str, count: int) -> None:
    world.sql(
        "INSERT INTO store.orders (tenant_id, customer_id, order_number, status, total_cents)"
        " SELECT :tenant_id, :customer_id, :customer_id || n, 'PAID', 100 FROM generate_series(1, :count) n",
        tenant_id=TENANT,
        customer_id=customer_id,
        count=count,
    )


def _moving(world: MergeWorld) -> list[Any]:
    return world.sql("SELECT FROM merge.large_merges WHERE state <> 'COMPLETE'")


def _assert_complete(world: MergeWorld, moved_rows: int) -> None:
    assert world.terminal("c1").rows is wire.RowsState.MOVING
    eventually(lambda: not _moving(world), 60)
    assert world.orders() == {"a": moved_rows + 1}
    assert (
        world.sql("SELECT sum(cardinality(row_ids))::int AS n FROM merge.journal WHERE chunk >= 1")[0].n == moved_rows
    )
    evidence = world.promises()
    assert [one.type for one in evidence.stream_events] == ["CustomerMerged", "RowsMoved"]
    merged, rows_moved = (one.event for one in evidence.stream_events)
    assert (merged.rows, merged.moved) == (wire.RowsState.MOVING, None)
    assert rows_moved.merge_id == merged.merge_id
    assert [(one.table, one.rows) for one in rows_moved.moved] == [("store.orders", moved_rows)]
    notices = world.notices("c1")
    assert {type(notice) for notice in notices} == {wire.MergeProgressed}
    told = [notice.rows_moved for notice in notices]
    assert told == sorted(set(told))
    assert told[-1] == moved_rows
    assert {notice.rows_total for notice in notices} == {moved_rows}
    assert world.run("verify", "--all").returncode == 0
