"""How far the undo of a large merge is: its row, and what becomes of it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection
from uuid_utils.compat import uuid7

from customer_identity.merging import (
    ActorRef,
    Conflict,
    Kept,
    Refused,
    RowsReturning,
    RuleFailure,
    Side,
    Stage,
    UnmergeMode,
    UnmergeOrder,
)
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.large.leases import PROLONGED, Lease, LeaseLost, Works
from merge_engine.restoring_rows import Restoration
from merge_engine.unmerging_scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturningMerge:
    """A large merge that is being taken apart, as its row says.

    `root_id` has the rows and `leaving` get them. `refused` is why all goes back to the winner again. `cursor` is the
    line of the journal that was done last. `quiet`: since the last notice.
    """

    order: UnmergeOrder
    leaving: tuple[str, ...]
    root_id: str
    refused: Refused | None
    cursor: int | None
    rows_total: int
    rows_moved: int
    done: Restoration
    notices: int
    quiet: timedelta

    @property
    def tenant_id(self) -> str:
        """Whose customers these are."""
        return self.order.tenant_id

    @property
    def command_id(self) -> str:
        """The command that asked for it."""
        return self.order.command_id

    @property
    def merge_id(self) -> str:
        """The merge that is taken apart."""
        return self.order.merge_id


def begin(
    connection: Connection, compiled: CompiledPlan, order: UnmergeOrder, scope: Scope, rows: int
) -> RowsReturning:
    """Record that the rows are to go back; the root is locked, and answers for the merge's winner."""
    connection.exec_driver_sql(
        f"""
INSERT INTO {compiled.names.schema}.large_unmerges (unmerge_id, merge_id, tenant_id, command_id, mode, loser_ids, actor,
  roles, reason, leaving, root_id, rows_total, notices, noticed_at, lease_until, started_at)
VALUES (%(unmerge_id)s::uuid, %(merge_id)s::uuid, %(tenant)s, %(command)s, %(mode)s, %(losers)s, %(actor)s, %(roles)s,
  %(reason)s, %(leaving)s, %(root)s, %(rows)s, 1, clock_timestamp(), clock_timestamp(), clock_timestamp())""",
        {
            "unmerge_id": str(uuid7()),
            "merge_id": order.merge_id,
            "tenant": order.tenant_id,
            "command": order.command_id,
            "mode": order.mode.value,
            "losers": list(order.loser_ids),
            "actor": order.requested_by.id,
            "roles": list(order.requested_by.roles),
            "reason": order.reason,
            "leaving": list(scope.leaving),
            "root": scope.root_id,
            "rows": rows,
        },
    )
    return RowsReturning(order=order, merge_id=order.merge_id, rows=rows)


def hold(connection: Connection, compiled: CompiledPlan, lease: Lease) -> ReturningMerge:
    """Lock the undo's row for this transaction. Raises LeaseLost."""
    works = Works.unmerges(compiled)
    row = connection.exec_driver_sql(
        f"""
SELECT merge_id::text, tenant_id, command_id, mode, loser_ids, actor, roles, reason, leaving, root_id, refusal::text,
  cursor, rows_total, rows_moved, done::text, notices, clock_timestamp() - noticed_at AS quiet
FROM {works.table} WHERE unmerge_id = %(key)s::uuid AND token = %(token)s AND {works.under_way} FOR UPDATE""",
        {"key": lease.key, "token": lease.token},
    ).one_or_none()
    if row is None:
        raise LeaseLost(f"the rows of merge {lease.merge_id} are brought back by somebody else now, or have been")
    order = UnmergeOrder(
        tenant_id=row.tenant_id,
        command_id=row.command_id,
        merge_id=row.merge_id,
        requested_by=ActorRef(id=row.actor, roles=tuple(row.roles)),
        reason=row.reason,
        loser_ids=tuple(row.loser_ids),
        mode=UnmergeMode(row.mode),
    )
    return ReturningMerge(
        order=order,
        leaving=tuple(row.leaving),
        root_id=row.root_id,
        refused=None if row.refusal is None else _refused(order, json.loads(row.refusal)),
        cursor=row.cursor,
        rows_total=row.rows_total,
        rows_moved=row.rows_moved,
        done=_restoration(json.loads(row.done)),
        notices=row.notices,
        quiet=row.quiet,
    )


def turn_back(connection: Connection, compiled: CompiledPlan, lease: Lease, refused: Refused) -> None:
    """The undo is refused although all rows are back: they go to the winner again, and then it has ended."""
    refusal = {"stage": refused.stage.value, "errors": [asdict(error) for error in refused.errors]}
    connection.exec_driver_sql(
        f"""
UPDATE {compiled.names.schema}.large_unmerges
SET state = 'TURNED_BACK', refusal = %(refusal)s::text::jsonb, cursor = NULL, done = '{{}}', problem = NULL,
  lease_until = clock_timestamp() + %(lasts)s
WHERE unmerge_id = %(key)s::uuid""",
        {"key": lease.key, "refusal": json.dumps(refusal), "lasts": lease.lasts},
    )


def close(connection: Connection, compiled: CompiledPlan, lease: Lease, *, refused: bool) -> None:
    """It has come to its end, one way or the other."""
    connection.exec_driver_sql(
        f"""
UPDATE {compiled.names.schema}.large_unmerges
SET state = %(state)s, problem = NULL, completed_at = clock_timestamp() WHERE unmerge_id = %(key)s::uuid""",
        {"key": lease.key, "state": "REFUSED" if refused else "COMPLETE"},
    )


def keep(connection: Connection, compiled: CompiledPlan, lease: Lease, merge: ReturningMerge) -> None:
    """Write how far it is, in the transaction that brought it there, and prolong the lease."""
    connection.exec_driver_sql(
        f"""
UPDATE {compiled.names.schema}.large_unmerges
SET cursor = %(cursor)s, rows_moved = %(rows_moved)s, done = %(done)s::text::jsonb,
  {PROLONGED}
WHERE unmerge_id = %(key)s::uuid""",
        {
            "key": lease.key,
            "cursor": merge.cursor,
            "rows_moved": merge.rows_moved,
            "done": json.dumps(_figures(merge.done)),
            "notices": merge.notices,
            "lasts": lease.lasts,
        },
    )


def _figures(done: Restoration) -> dict[str, Any]:
    """What was done so far, as the undo's row keeps it: no more of it than is told in the end."""
    kept, conflicts = done.told()
    return {
        "returned": done.returned,
        "kept": [[one.table, one.rows, one.reason] for one in kept],
        "conflicts": [[one.table, one.id, one.reason] for one in conflicts],
    }


def _restoration(figures: dict[str, Any]) -> Restoration:
    done = Restoration()
    done.returned.update(figures.get("returned", {}))
    done.kept.extend(Kept(table=table, rows=rows, reason=reason) for table, rows, reason in figures.get("kept", ()))
    done.conflicts.extend(
        Conflict(table=table, id=id_, reason=reason) for table, id_, reason in figures.get("conflicts", ())
    )
    return done


def _refused(order: UnmergeOrder, refusal: dict[str, Any]) -> Refused:
    return Refused(order=order, stage=Stage(refusal["stage"]), errors=_failures(refusal["errors"]))


def _failures(errors: Sequence[dict[str, Any]]) -> tuple[RuleFailure, ...]:
    return tuple(
        RuleFailure(**{**error, "side": Side(error["side"]), "customer_ids": tuple(error["customer_ids"])})
        for error in errors
    )
