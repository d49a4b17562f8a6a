"""Large merges that are taken apart, as services use them. Every method works inside the caller's transaction."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Connection

from customer_identity.merging import Refused, RuleFailure, Side, Stage, Unmerged
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.large import leases, returning, undo_state, undoing
from merge_engine.large.leases import Lease
from merge_engine.large.returning import ReturnStep
from merge_engine.large.undo_state import ReturningMerge


class LargeUnmerges:
    """The merges of one plan whose rows go back in chunks."""

    def __init__(self, compiled: CompiledPlan) -> None:
        self._compiled = compiled

    def claim(self, connection: Connection, owner: str, lasts: timedelta) -> Lease | None:
        """Take over the oldest that nobody works on; None when there is none."""
        return leases.claim(connection, leases.Works.unmerges(self._compiled), owner, lasts)

    def release(self, connection: Connection, lease: Lease, *, after: timedelta, problem: str | None = None) -> None:
        """Let another mover have it, at once or after a while; `problem` says why it could not go on."""
        leases.release(connection, leases.Works.unmerges(self._compiled), lease, after=after, problem=problem)

    def move_chunk(self, connection: Connection, lease: Lease, *, notice_every: timedelta) -> ReturnStep:
        """Take the next chunk back, or forth again if the undo was refused. Raises LeaseLost."""
        return returning.move_chunk(connection, self._compiled, lease, notice_every=notice_every)

    def refuse(self, connection: Connection, lease: Lease, failure: RuleFailure) -> bool:
        """Give the undo up for this reason: the rows go to the winner again. False when they do so already.

        Raises LeaseLost.
        """
        merge = undo_state.hold(connection, self._compiled, lease)
        if merge.refused is None:
            refused = Refused(order=merge.order, stage=Stage.EXECUTION, errors=(failure,))
            undo_state.turn_back(connection, self._compiled, lease, refused)
        return merge.refused is None

    def finish(self, connection: Connection, lease: Lease) -> Unmerged | Refused | None:
        """Take the rest of the merge apart, now that no chunk is left, and end it with this result.

        None: it is refused after all, and before that is told the rows go to the winner again. Raises LeaseLost.
        """
        merge = undo_state.hold(connection, self._compiled, lease)
        if merge.refused is not None:
            undoing.give_up_unmerge(connection, self._compiled, merge)
            undo_state.close(connection, self._compiled, lease, refused=True)
            return _as_told(merge.refused, merge)
        result = undoing.end_unmerge(connection, self._compiled, merge)
        if isinstance(result, Refused):
            undo_state.turn_back(connection, self._compiled, lease, result)
            return None
        undo_state.close(connection, self._compiled, lease, refused=False)
        return result


def _as_told(refused: Refused, merge: ReturningMerge) -> Refused:
    """The refusal, with the rows that could not go to the winner again, if there are such."""
    kept, conflicts = merge.done.told()
    left = len(conflicts) + sum(one.rows for one in kept if one.reason != "MOVED_ELSEWHERE_SINCE")
    if not left:
        return refused
    failure = RuleFailure(
        rule="ROWS_LEFT_ON_LOSER",
        side=Side.SYSTEM,
        customer_ids=merge.leaving,
        field=None,
        message=f"{left} rows had gone back already and could not go to the winner again",
        remediation="look for them with verify, and for the constraint or trigger that stands in their way",
        permanent=True,
    )
    return replace(refused, errors=(*refused.errors, failure))
