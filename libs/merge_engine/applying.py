"""Carrying out the plans of one wave: children, records, edges, map, each in one statement for all of them."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from uuid_utils.compat import uuid7

from customer_identity.merging import (
    ConsentDecision,
    Disposition,
    ExternalIdMove,
    LoserResult,
    Merged,
    Moved,
    Redirect,
    RuleWarning,
    VersionedId,
)
from customer_identity.merging.identity_map import redirects_of_merge
from customer_identity.merging.planning import MergePlan
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.loading import columns
from merge_engine.statements.children import ChildStatements


@dataclass(slots=True)
class ChildMoves:
    """What moving the children of a wave did, by merge id."""

    rows: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    collisions: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    external_ids: dict[str, list[ExternalIdMove]] = field(default_factory=lambda: defaultdict(list))
    consents: dict[str, list[ConsentDecision]] = field(default_factory=lambda: defaultdict(list))

    def moved(self, merge_id: str, tables: Sequence[ChildStatements]) -> tuple[Moved, ...]:
        """Figures by table; tables that the merge did not touch are left out."""
        return tuple(
            Moved(table=child.table, rows=rows, collisions=collisions)
            for child in tables
            for rows, collisions in [
                (self.rows.get((merge_id, child.table), 0), self.collisions.get((merge_id, child.table), 0))
            ]
            if rows or collisions
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One loser of one merge; `position` is its place in the order, from 1."""

    merge_id: str
    tenant_id: str
    loser_id: str
    winner_id: str
    position: int


def apply_plans(
    connection: Connection, compiled: CompiledPlan, plans: Sequence[MergePlan], now: datetime
) -> list[Merged]:
    """Merge. Every root of every plan is locked, and no root appears in two plans."""
    if not plans:
        return []
    merge_ids = [str(uuid7()) for _ in plans]
    pairs = [
        Pair(
            merge_id=merge_id,
            tenant_id=plan.order.tenant_id,
            loser_id=loser.root_id,
            winner_id=plan.winner.root_id,
            position=position,
        )
        for merge_id, plan in zip(merge_ids, plans, strict=True)
        for position, loser in enumerate(plan.losers, start=1)
    ]
    winner_versions = _change_winners(connection, compiled, plans, merge_ids)
    moves = move_children(connection, compiled, pairs)
    losers = connection.exec_driver_sql(
        compiled.customers.losers, {**pair_parameters(pairs), **compiled.mark_parameters}
    )
    loser_versions = {(merge_id, loser_id): version for merge_id, loser_id, version in losers}
    redirects = [redirects_of_merge(plan.winner.root_id, plan.losers) for plan in plans]
    connection.exec_driver_sql(compiled.customers.edges, pair_parameters(pairs))
    tenants = [plan.order.tenant_id for plan in plans]
    keep_redirects(connection, compiled, zip(merge_ids, tenants, redirects, strict=True), now)
    _relink_members(connection, compiled, plans)
    _record_merges(connection, compiled, plans, merge_ids, now)
    return [
        Merged(
            order=plan.order,
            merge_id=merge_id,
            winner=VersionedId(id=plan.winner.root_id, version=winner_versions[merge_id]),
            losers=tuple(
                LoserResult(
                    id=loser.root_id, version=loser_versions[merge_id, loser.root_id], disposition=Disposition.LINK
                )
                for loser in plan.losers
            ),
            redirects=changed,
            external_ids=tuple(moves.external_ids.get(merge_id, ())),
            moved=moves.moved(merge_id, compiled.children),
            field_decisions=plan.fields.decisions,
            consent_decisions=tuple(moves.consents.get(merge_id, ())),
            undoable_until=now + compiled.policy.undo_window,
            policy_version=compiled.policy.version,
            warnings=tuple(RuleWarning(rule=warning.rule, message=warning.message) for warning in plan.warnings),
            merged_at=now,
        )
        for plan, merge_id, changed in zip(plans, merge_ids, redirects, strict=True)
    ]


def move_children(connection: Connection, compiled: CompiledPlan, pairs: Sequence[Pair]) -> ChildMoves:
    """Move, put aside and sum all rows that hang on the losers."""
    moves = ChildMoves()
    parameters = pair_parameters(pairs)
    for child in compiled.children:
        if child.remove is not None:
            for merge_id, removed, count, *consent in connection.exec_driver_sql(child.remove, parameters):
                if removed:
                    moves.collisions[merge_id, child.table] += count
                else:
                    moves.consents[merge_id].append(_consent(*consent))
        if child.create is not None:
            connection.exec_driver_sql(child.create, parameters)
        for statement in (child.move, child.total):
            if statement is not None:
                for merge_id, count, *ids in connection.exec_driver_sql(statement, parameters):
                    moves.rows[merge_id, child.table] += count
                    if ids:
                        moves.external_ids[merge_id].append(_external_id(*ids))
    return moves


def keep_redirects(
    connection: Connection,
    compiled: CompiledPlan,
    redirects: Iterable[tuple[str, str, Sequence[Redirect]]],
    now: datetime,
) -> None:
    """Write the redirects of (merge id, tenant) to the map; each must be the next version of its id."""
    rows = [
        (merge_id, tenant, r.from_id, r.direct_to, r.canonical, r.version)
        for merge_id, tenant, changed in redirects
        for r in changed
    ]
    merge_column, tenant_column, ids, direct_to, canonical_ids, versions = columns(rows, 6)
    written = connection.exec_driver_sql(
        compiled.customers.canonical,
        {
            "merge_ids": merge_column,
            "tenants": tenant_column,
            "ids": ids,
            "direct_to": direct_to,
            "canonical_ids": canonical_ids,
            "versions": versions,
            "changed_at": now,
        },
    )
    if written.rowcount != len(rows):
        raise AssertionError("the identity map changed under its lock")


def pair_parameters(pairs: Sequence[Pair]) -> Mapping[str, Any]:
    """The parameters of the CTE `t`."""
    return {
        "merge_ids": [pair.merge_id for pair in pairs],
        "tenants": [pair.tenant_id for pair in pairs],
        "losers": [pair.loser_id for pair in pairs],
        "winners": [pair.winner_id for pair in pairs],
        "positions": [pair.position for pair in pairs],
    }


def _change_winners(
    connection: Connection, compiled: CompiledPlan, plans: Sequence[MergePlan], merge_ids: Sequence[str]
) -> dict[str, int]:
    changes = [
        json.dumps({"before": plan.fields.before, "wrote": plan.fields.patch}, default=_as_json) for plan in plans
    ]
    rows = connection.exec_driver_sql(
        compiled.customers.winners,
        {
            "merge_ids": merge_ids,
            "tenants": [plan.order.tenant_id for plan in plans],
            "winners": [plan.winner.root_id for plan in plans],
            "changes": changes,
        },
    )
    return {merge_id: version for merge_id, version in rows}  # noqa: C416 - rows are no pairs to mypy


def _relink_members(connection: Connection, compiled: CompiledPlan, plans: Sequence[MergePlan]) -> None:
    """Records merged into a loser before now point at the new root; most merges have none."""
    rows = [
        (plan.order.tenant_id, member.customer_id, plan.winner.root_id)
        for plan in plans
        for loser in plan.losers
        for member in loser.records
        if member is not loser.root
    ]
    if rows:
        tenants, ids, roots = columns(rows, 3)
        connection.exec_driver_sql(compiled.customers.links, {"tenants": tenants, "ids": ids, "roots": roots})


def _record_merges(
    connection: Connection,
    compiled: CompiledPlan,
    plans: Sequence[MergePlan],
    merge_ids: Sequence[str],
    now: datetime,
) -> None:
    orders = [plan.order for plan in plans]
    connection.exec_driver_sql(
        compiled.customers.merges,
        {
            "merge_ids": merge_ids,
            "tenants": [order.tenant_id for order in orders],
            "command_ids": [order.command_id for order in orders],
            "winners": [plan.winner.root_id for plan in plans],
            "actors": [order.requested_by.id for order in orders],
            "reasons": [order.reason for order in orders],
            "candidate_ids": [order.candidate_id for order in orders],
            "policy_version": compiled.policy.version,
            "merged_at": now,
            "undoable_until": now + compiled.policy.undo_window,
        },
    )


def _consent(channel: str, granted: object, evidence: str | None) -> ConsentDecision:
    return ConsentDecision(channel=channel, result="GRANTED" if granted is True else "DENIED", evidence=evidence)


def _external_id(loser_id: str, winner_id: str, system: str, id_: str) -> ExternalIdMove:
    return ExternalIdMove(system=system, id=id_, from_id=loser_id, to_id=winner_id)


def _as_json(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
