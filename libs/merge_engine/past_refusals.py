"""Late rows that the database refuses stay where they are, and everything beside them goes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import Connection

from merge_engine.compiled_plan import CompiledPlan
from merge_engine.following import path
from merge_engine.large.returning import is_refusal
from merge_engine.loading import TenantId
from merge_engine.statements.chunks import TableChunks

Carry = Callable[[CompiledPlan, Sequence[TenantId]], int]
"""Moves what hangs on customers, of the children of a plan; answers how many rows that were."""


def past_refusals(
    connection: Connection,
    compiled: CompiledPlan,
    losers: Sequence[TenantId],
    carry: Carry,
    alone: Callable[[TenantId], int],
) -> int:
    """Move all rows of the losers; where the database refuses one, by halves until its customer stands alone."""
    if not losers:
        return 0
    moved = _tried(connection, partial(carry, compiled, losers))
    if moved is not None:
        return moved
    if len(losers) == 1:
        return alone(losers[0])
    middle = len(losers) // 2
    halves = (losers[:middle], losers[middle:])
    return sum(past_refusals(connection, compiled, half, carry, alone) for half in halves)


@dataclass(frozen=True, slots=True, kw_only=True)
class Straggler:
    """A customer some of whose late rows the database refuses, and who answers for it now."""

    loser: TenantId
    root_id: str

    def carry_each(self, connection: Connection, compiled: CompiledPlan, carry: Carry, limit: int) -> int:
        """Move the rows that the database takes: of tables that move in chunks each row, of others each table.

        Rows that are unique, summed or copied decide about each other: all of a table go, or none.
        """
        tables = compiled.chunks.tables
        moved = sum(self._carry_rows(connection, compiled, entry, limit) for entry in tables.values())
        for child in compiled.children:
            if child.label not in tables:
                act = partial(carry, replace(compiled, children=(child,)), [self.loser])
                moved += _tried(connection, act) or 0
        return moved

    def _carry_rows(self, connection: Connection, compiled: CompiledPlan, entry: TableChunks, limit: int) -> int:
        """Past rows that are refused, by fewer and fewer at a time until such a row stands alone."""
        way = path(connection, compiled, self.loser)
        named = {
            "tenant": self.loser[0],
            "loser": self.loser[1],
            "target": self.root_id,
            "path_merges": [merge_id for merge_id, _ in way],
            "path_ids": [passed_id for _, passed_id in way],
        }

        def carry(skip: int, size: int) -> int:
            return int(connection.exec_driver_sql(entry.move_past, {**named, "skip": skip, "limit": size}).scalar_one())

        moved, refused, size = 0, 0, limit
        while moved + refused < limit:
            count = _tried(connection, partial(carry, refused, size))
            if count == 0:
                break
            if count is None and size > 1:
                size //= 2
                continue
            moved += count or 0
            refused += count is None
            size = min(2 * size, limit - moved - refused)
        return moved


def _tried(connection: Connection, act: Callable[[], int]) -> int | None:
    """What an act answers; None when the database refuses the data itself, and then nothing of it is left."""
    try:
        with connection.begin_nested():
            return act()
    except Exception as fault:
        if not is_refusal(fault):
            raise
        return None
