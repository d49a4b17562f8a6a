"""A merge on the database of people, forth and back and forth again."""

from sqlalchemy import Connection

from customer_identity.merging import Merged, MergeOrder
from merge_engine import MergeEngine
from rig.people_world import contents, merged, unmerged


def there_and_back(engine: MergeEngine, connection: Connection, merge_order: MergeOrder) -> Merged:
    """Preview, merge, verify, unmerge, merge again: the preview was right and the way back is complete."""
    before = contents(connection)
    previewed = engine.preview(connection, merge_order)
    merge = merged(engine, connection, merge_order)
    assert previewed.moves == merge.moved
    assert list(engine.verify(connection)) == []
    after = contents(connection)
    undo = unmerged(engine, connection, merge)
    assert (undo.kept, undo.conflicts) == ((), ())
    assert contents(connection) == before
    connection.exec_driver_sql("DELETE FROM merge.not_duplicates")
    again = merged(engine, connection, merge_order)
    assert again.moved == merge.moved
    if not any(table.endswith(("subscriptions", "points")) for table in (row.table for row in merge.moved)):
        assert contents(connection) == after
    return again
