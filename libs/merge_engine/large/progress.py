"""How far large merges are, on their way or on their way back; reads only."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from merge_engine.compiled_plan import CompiledPlan
from merge_engine.values import Finding, FindingKind


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeMerge:
    """How far the rows of one large merge are, or (`going_back`) those of one that is being taken apart.

    Nobody has counted them before `listed`. `problem` says why the last try to go on failed; it is tried again.
    """

    merge_id: str
    tenant_id: str
    winner_id: str
    complete: bool
    listed: bool
    rows_moved: int
    rows_total: int
    started_at: datetime
    completed_at: datetime | None
    problem: str | None
    going_back: bool = False


def large_merges(connection: Connection, compiled: CompiledPlan, merge_ids: Sequence[str]) -> dict[str, LargeMerge]:
    """Those of the merges that are large, whether their rows still move, or go back, or have come to their end."""
    named = "merge_id = ANY(%(merge_ids)s::text[]::uuid[])"
    rows = connection.exec_driver_sql(
        f"{_on_their_way(compiled)} WHERE l.{named} "
        f"UNION ALL {_on_their_way_back(compiled)} AND u.{named} ORDER BY going_back",
        {"merge_ids": list(merge_ids)},
    )
    return {row["merge_id"]: LargeMerge(**row) for row in rows.mappings()}


def still_moving(connection: Connection, compiled: CompiledPlan) -> list[LargeMerge]:
    """Every merge whose rows still move, or go back, the oldest first."""
    rows = connection.exec_driver_sql(
        f"{_on_their_way(compiled)} WHERE l.state <> 'COMPLETE' "
        f"UNION ALL {_on_their_way_back(compiled)} ORDER BY started_at, merge_id"
    )
    return [LargeMerge(**row) for row in rows.mappings()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """Large merges whose rows still move, and the customers whose rows may be in two places because of that."""

    findings: Sequence[Finding]
    customers: frozenset[tuple[str, str]]

    def without_theirs(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Findings that are not explained by rows on their way. A table without tenants answers an empty one."""
        theirs = self.customers | {("", customer_id) for _, customer_id in self.customers}
        return (one for one in findings if (one.tenant_id, one.customer_id) not in theirs)


def load_moving(connection: Connection, compiled: CompiledPlan, tenant_id: str | None, root_id: str | None) -> Moving:
    """The merges that still move, of one identity, or (None) of the whole database."""
    rows = connection.exec_driver_sql(
        f"SELECT v.tenant_id, v.customer_id, v.merge_id::text FROM {compiled.names.schema}.moving_customers v"
    ).all()
    own = {
        merge_id
        for tenant, customer_id, merge_id in rows
        if root_id is None or (tenant, customer_id) == (tenant_id, root_id)
    }
    return Moving(
        findings=[
            Finding(
                kind=FindingKind.ROWS_STILL_MOVING,
                tenant_id=one.tenant_id,
                customer_id=one.winner_id,
                table=None,
                detail=_how_far(one),
            )
            for one in still_moving(connection, compiled)
            if one.merge_id in own
        ],
        customers=frozenset((tenant, customer_id) for tenant, customer_id, merge_id in rows if merge_id in own),
    )


def moving_merges(
    connection: Connection, compiled: CompiledPlan, tenant_id: str, customer_ids: Sequence[str]
) -> list[str]:
    """Merges that still move rows from, or to, these customers: name the root to hear of its whole identity."""
    rows = connection.exec_driver_sql(
        f"SELECT DISTINCT merge_id::text FROM {compiled.names.schema}.moving_customers "
        "WHERE tenant_id = %(tenant)s AND customer_id = ANY(%(ids)s::text[]) ORDER BY 1",
        {"tenant": tenant_id, "ids": list(customer_ids)},
    )
    return [merge_id for (merge_id,) in rows]


def _how_far(large: LargeMerge) -> str:
    if not large.listed:
        return "its rows are being listed"
    return f"{large.rows_moved} of {large.rows_total} rows {'went back' if large.going_back else 'moved'}"


def _on_their_way(compiled: CompiledPlan) -> str:
    schema = compiled.names.schema
    return (
        "SELECT l.merge_id::text, l.tenant_id, m.winner_id, l.state = 'COMPLETE' AS complete, "
        "l.state <> 'LISTING' AS listed, l.rows_moved, l.rows_total, l.started_at, l.completed_at, l.problem, "
        f"false AS going_back FROM {schema}.large_merges l JOIN {schema}.merges m USING (merge_id)"
    )


def _on_their_way_back(compiled: CompiledPlan) -> str:
    """Of the merges that are being taken apart; those that were are small again."""
    return (
        "SELECT u.merge_id::text, u.tenant_id, u.root_id, false, true, u.rows_moved, u.rows_total, u.started_at, "
        f"u.completed_at, u.problem, true FROM {compiled.names.schema}.large_unmerges u "
        "WHERE u.state IN ('RETURNING', 'TURNED_BACK')"
    )
