"""Merges that tests make and take apart again, each in a transaction of its own."""

from sqlalchemy import Engine

from customer_identity.merging import Merged, MergeOrder, RowsReturning, UnmergeMode, UnmergeOrder, UnmergeResult
from merge_engine import MergeEngine
from rig.customer_rows import ACTOR, TENANT


def merge_now(engine: MergeEngine, database: Engine, order: MergeOrder) -> Merged:
    """Merge, and see that it is done."""
    with database.begin() as connection:
        (result,) = engine.merge(connection, [order])
    assert isinstance(result, Merged)
    return result


def undo(merge_id: str, *loser_ids: str, mode: UnmergeMode = UnmergeMode.LINEAR) -> UnmergeOrder:
    """The order that takes a merge apart."""
    return UnmergeOrder(
        tenant_id=TENANT,
        command_id=f"un-{merge_id}",
        merge_id=merge_id,
        loser_ids=loser_ids,
        mode=mode,
        requested_by=ACTOR,
        reason="wrong person",
    )


def apart(engine: MergeEngine, database: Engine, merge_id: str) -> UnmergeResult:
    """Take a merge apart at once."""
    with database.begin() as connection:
        return engine.unmerge(connection, undo(merge_id))


def begun(engine: MergeEngine, database: Engine, merge_id: str) -> UnmergeResult | RowsReturning:
    """Begin to take a merge apart: the rows of a large one go back in chunks."""
    with database.begin() as connection:
        return engine.begin_unmerge(connection, undo(merge_id))
