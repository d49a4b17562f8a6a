"""Before-images in the journal end with the undo window, whoever wrote them and however late."""

from sqlalchemy import Connection, Engine

from customer_identity.merging import Merged, Refused, UnmergeOrder
from merge_engine import MergeEngine
from merge_worker.application.purge_images import PurgeImages
from rig.customer_rows import ACTOR, TENANT, insert, order, rich_customer, rows
from rig.merge_world import MergeWorld, merge
from rig.processes import eventually

DEFAULT = MergeEngine.load("default")
IMAGES = "SELECT count(*) FROM merge.journal WHERE before IS NOT NULL"


def _merged(database: Engine, *pairs: tuple[str, str]) -> list[str]:
    with database.begin() as connection:
        for customer_id in sorted({one for pair in pairs for one in pair}):
            rich_customer(connection, customer_id)
    merge_ids = []
    for winner, loser in pairs:
        with database.begin() as connection:
            (merged,) = DEFAULT.merge(connection, [order(winner, loser)])
            assert isinstance(merged, Merged)
            merge_ids.append(merged.merge_id)
    return merge_ids


def _close(database: Engine, merge_id: str, ago: str) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE merge.merges SET undoable_until = clock_timestamp() - %(ago)s::interval "
            "WHERE merge_id = %(merge_id)s::uuid",
            {"ago": ago, "merge_id": merge_id},
        )


def _images(connection: Connection, merge_id: str) -> int:
    ((count,),) = rows(connection, f"{IMAGES} AND merge_id = CAST(:merge_id AS uuid)", merge_id=merge_id)
    assert isinstance(count, int)
    return count


def test_images_go_when_the_window_has_closed_and_not_before(database: Engine) -> None:
    closed, closing, still_open = _merged(database, ("a", "b"), ("c", "d"), ("e", "f"))
    _close(database, closed, "1 day")
    _close(database, closing, "1 minute")  # an undo that began inside its window may still read
    purge = PurgeImages(engine=database, merge_engine=DEFAULT)
    assert purge.work() == 1
    with database.begin() as connection:
        assert _images(connection, closed) == 0
        assert _images(connection, closing) > 0
        assert _images(connection, still_open) > 0
        assert rows(connection, "SELECT count(*) FROM merge.journal WHERE merge_id = CAST(:m AS uuid)", m=closed)
        refused = DEFAULT.unmerge(
            connection,
            UnmergeOrder(tenant_id=TENANT, command_id="u", merge_id=closed, requested_by=ACTOR, reason="test"),
        )
        assert isinstance(refused, Refused)
        changes = DEFAULT.merge_changes(connection, closed)
        assert changes is not None
        assert [loser.record for loser in changes.losers] == [None]
        assert list(DEFAULT.verify(connection)) == []
    assert purge.work() == 0, "every merge is looked at once"


def test_lines_of_a_merge_go_in_batches_and_merges_that_somebody_holds_are_passed_over(database: Engine) -> None:
    held, other = _merged(database, ("a", "b"), ("c", "d"))
    _close(database, held, "2 days")
    _close(database, other, "1 day")
    purge = PurgeImages(engine=database, merge_engine=DEFAULT, merges=1, lines=2)
    with database.begin() as holder:
        holder.exec_driver_sql("SELECT FROM merge.merges WHERE merge_id = %(m)s::uuid FOR UPDATE", {"m": held})
        assert purge.work() == 1
        with database.begin() as connection:
            assert _images(connection, held) > 0
            assert _images(connection, other) == 0
    assert purge.work() == 1
    with database.begin() as connection:
        assert rows(connection, IMAGES) == [(0,)]


def test_rows_that_come_late_leave_no_image_behind_either(database: Engine) -> None:
    (merge_id,) = _merged(database, ("a", "b"))
    _close(database, merge_id, "1 day")
    purge = PurgeImages(engine=database, merge_engine=DEFAULT)
    assert purge.work() == 1
    with database.begin() as connection:
        address = "late@example.com"
        for owner in "ab":
            insert(connection, "emails", tenant_id=TENANT, customer_id=owner, email=address, email_key=address)
    with database.begin() as connection:
        assert DEFAULT.reconcile(connection, 100) > 0
        assert _images(connection, merge_id) > 0
    assert purge.work() == 1
    with database.begin() as connection:
        assert _images(connection, merge_id) == 0


def test_a_later_merge_is_taken_apart_although_the_images_of_the_one_below_it_are_gone(database: Engine) -> None:
    below, above = _merged(database, ("b", "a"), ("c", "b"))
    _close(database, below, "1 day")
    assert PurgeImages(engine=database, merge_engine=DEFAULT).work() == 1
    with database.begin() as connection:
        DEFAULT.unmerge(
            connection,
            UnmergeOrder(tenant_id=TENANT, command_id="u", merge_id=above, requested_by=ACTOR, reason="test"),
        )
        points = rows(connection, "SELECT customer_id, points FROM store.loyalty_accounts ORDER BY 1")
        assert points == [("b", 200), ("c", 100)]
        ends = DEFAULT.canonical(connection, TENANT, ["a", "b"])
        assert {ends["a"].canonical_id, ends["b"].canonical_id} == {"b"}
        assert list(DEFAULT.verify(connection)) == []


def test_a_worker_purges_by_itself(world: MergeWorld) -> None:
    world.customers("a", "b")
    world.produce(merge("m1", "a", "b"))
    world.worker(LOOP__PURGE_S="0.2")
    world.terminal("m1")
    assert world.sql(IMAGES)[0][0] > 0
    world.sql("UPDATE merge.merges SET undoable_until = merged_at - interval '1 day'")
    eventually(lambda: world.sql(IMAGES)[0][0] == 0, 30)
