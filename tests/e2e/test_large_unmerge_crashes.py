"""Large merges taken apart by real workers: killed at any chunk they go on where they were, and tell of it once."""

import random
import signal
from typing import Any

import pytest
from sqlalchemy import text

import customer_events as wire
from rig.merge_world import TENANT, MergeWorld, merge
from rig.processes import eventually

CRASHED = -signal.SIGKILL
ROWS, CHUNK, KILLS = 8_000, 200, 3
SETTINGS = {"LARGE__CHUNK_ROWS": str(CHUNK), "LARGE__LEASE_S": "0.5", "LARGE__NOTICE_S": "0"}
UNDER_WAY = "SELECT rows_moved, state FROM merge.large_unmerges WHERE state IN ('RETURNING', 'TURNED_BACK')"


@pytest.fixture
def merged(world: MergeWorld) -> MergeWorld:
    """A merge of b with all its rows into a has come to its end; no worker runs."""
    world.relay()  # its own process: no death below is one of the relay
    world.customers("a", "b")
    world.sql(
        "INSERT INTO store.orders (tenant_id, customer_id, order_number, status, total_cents)"
        " SELECT :tenant_id, 'b', 'b' || n, 'PAID', 100 FROM generate_series(2, :count) n",
        tenant_id=TENANT,
        count=ROWS,
    )
    world.produce(merge("c1", "a", "b"))
    worker = world.worker("--no-relay", **SETTINGS, LARGE__REST_SHARE="0")
    eventually(lambda: world.orders() == {"a": ROWS + 1}, 60)
    eventually(lambda: not world.sql("SELECT FROM merge.large_merges WHERE state <> 'COMPLETE'"), 60)
    assert worker.stop() == 0
    return world


def _unmerge(world: MergeWorld, command_id: str = "u1") -> wire.UnmergeCustomers:
    (row,) = world.sql("SELECT merge_id::text AS merge_id FROM merge.merges")
    return wire.UnmergeCustomers(
        tenant_id=TENANT,
        command_id=command_id,
        merge_id=row.merge_id,
        requested_by=wire.Actor(id="ann", roles=("merge",)),
        reason="two people",
        issued_at=merge("c1", "a", "b").issued_at,
    )


def test_killed_at_random_chunks_and_before_its_end_an_undo_goes_on_where_it_was_and_is_told_of_once(
    merged: MergeWorld,
) -> None:
    merged.produce(_unmerge(merged))
    chance = random.Random(11)  # noqa: S311 - the same points in every run, not a secret
    done = 0
    for _ in range(KILLS):
        point = chance.choice(["before_return_commit", "after_return_commit"])
        passage = chance.randint(1, ROWS // CHUNK // KILLS)
        assert merged.worker("--no-relay", failpoints=f"{point}=crash:{passage}", **SETTINGS).wait(60) == CRASHED
        (under_way,) = merged.sql(UNDER_WAY)
        done += (passage - (point == "before_return_commit")) * CHUNK
        assert under_way.rows_moved == done == merged.orders().get("b", 0)
    merged.produce(_unmerge(merged))  # again while it is under way: it answers nothing of its own
    assert merged.worker("--no-relay", failpoints="before_unmerged=crash", **SETTINGS).wait(60) == CRASHED
    assert merged.canonical()["b"][0] == "a"
    assert f"{ROWS} of {ROWS} back" in merged.run("status", "--tenant", TENANT, "b").stdout
    merged.worker("--no-relay", **SETTINGS)
    completed = merged.terminal("u1")
    assert (completed.kind, completed.rows) == (wire.OutcomeKind.UNMERGE, wire.RowsState.COMPLETE)
    _assert_apart(merged)
    told = [notice.rows_moved for notice in merged.notices("u1")]
    assert told == sorted(set(told))
    assert (told[0], told[-1]) == (0, ROWS)


def test_two_workers_are_asked_to_merge_the_customer_on_and_do_so_when_its_rows_are_back(merged: MergeWorld) -> None:
    merged.customers("c")
    merged.produce(_unmerge(merged))
    with merged.engine.execution_options(isolation_level="READ COMMITTED").begin() as application:
        # a row that somebody works on: the undo cannot end before they do
        application.execute(text("SELECT FROM store.orders WHERE order_number = 'b4000' FOR UPDATE"))
        for _ in range(2):
            merged.worker("--no-relay", **SETTINGS, DEFERRAL__RETRY_S="0.5")
        eventually(lambda: merged.sql(UNDER_WAY), 60)
        merged.produce(merge("c2", "c", "a", on_ineligible=wire.OnIneligible.WAIT), merge("c3", "a", "c"))
        refused = merged.terminal("c3")
    assert [(error.rule, error.permanent) for error in refused.errors] == [("MERGE_IN_PROGRESS", False)]
    assert isinstance(merged.terminal("c2"), wire.MergeCompleted)
    assert merged.orders() == {"b": ROWS, "c": 2}
    evidence = merged.promises()
    kinds = [one.type for one in evidence.stream_events]
    assert kinds == ["CustomerMerged", "RowsMoved", "CustomerUnmerged", "CustomerMerged"]


def test_what_the_database_does_not_take_back_ends_the_undo_and_the_rows_are_the_winners_again(
    merged: MergeWorld,
) -> None:
    merged.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.customer_id = 'b' AND NEW.order_number = 'b777' THEN RAISE EXCEPTION 'not this one'; END IF;"
        " RETURN NEW; END $$"
    )
    merged.sql("CREATE TRIGGER refuse BEFORE UPDATE ON store.orders FOR EACH ROW EXECUTE FUNCTION refuse()")
    merged.produce(_unmerge(merged))
    merged.worker("--no-relay", **SETTINGS)
    refused = merged.terminal("u1")
    assert isinstance(refused, wire.MergeRejected)
    assert [(error.rule, error.permanent) for error in refused.errors] == [("DATABASE_REFUSED", True)]
    assert merged.orders() == {"a": ROWS + 1}
    assert merged.run("verify", "--all").returncode == 0
    merged.sql("DROP TRIGGER refuse ON store.orders")
    merged.produce(_unmerge(merged, "u2"))
    assert isinstance(merged.terminal("u2"), wire.MergeCompleted)
    _assert_apart(merged)


def _assert_apart(world: MergeWorld) -> None:
    assert world.orders() == {"a": 1, "b": ROWS}
    assert world.canonical()["b"][0] == "b"
    evidence = world.promises()
    assert [one.type for one in evidence.stream_events] == ["CustomerMerged", "RowsMoved", "CustomerUnmerged"]
    unmerged: Any = evidence.stream_events[-1].event
    assert [(one.table, one.rows) for one in unmerged.returned] == [("store.orders", ROWS)]
    assert (tuple(unmerged.kept), tuple(unmerged.conflicts)) == ((), ())
    assert world.run("verify", "--all").returncode == 0
