"""Large merges as services use them. Every method works inside the caller's transaction and never commits."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection

from merge_engine.compiled_plan import CompiledPlan
from merge_engine.large import leases, moving, progress
from merge_engine.large.leases import Lease
from merge_engine.large.moving import Step
from merge_engine.large.progress import LargeMerge


class LargeMerges:
    """The merges of one plan whose rows follow in chunks."""

    def __init__(self, compiled: CompiledPlan) -> None:
        self._compiled = compiled

    def claim(self, connection: Connection, owner: str, lasts: timedelta) -> Lease | None:
        """Take over the oldest merge that nobody is moving; None when there is none."""
        return leases.claim(connection, leases.Works.merges(self._compiled), owner, lasts)

    def release(self, connection: Connection, lease: Lease, *, after: timedelta, problem: str | None = None) -> None:
        """Let another mover have the merge, at once or after a while; `problem` says why it could not go on."""
        leases.release(connection, leases.Works.merges(self._compiled), lease, after=after, problem=problem)

    def list_rows(self, connection: Connection, lease: Lease, *, chunk_rows: int) -> Step:
        """Write down what is to be moved, which takes a second or so for a million rows. Raises LeaseLost."""
        return moving.list_rows(connection, self._compiled, lease, chunk_rows=chunk_rows)

    def move_chunk(self, connection: Connection, lease: Lease, *, notice_every: timedelta) -> Step:
        """Move the next chunk. Raises LeaseLost, and RootMoved: run the transaction again."""
        return moving.move_chunk(connection, self._compiled, lease, notice_every=notice_every)

    def finish(self, connection: Connection, lease: Lease, *, chunk_rows: int) -> Step | None:
        """Move what came later and end the merge; None: too much came, list it. Raises LeaseLost and RootMoved."""
        return moving.finish(connection, self._compiled, lease, chunk_rows=chunk_rows)

    def among(self, connection: Connection, merge_ids: Sequence[str]) -> dict[str, LargeMerge]:
        """Those of the merges that are large, whether they still move or have come to their end."""
        return progress.large_merges(connection, self._compiled, merge_ids)

    def still_moving(self, connection: Connection) -> list[LargeMerge]:
        """Every merge whose rows still move, the oldest first."""
        return progress.still_moving(connection, self._compiled)
