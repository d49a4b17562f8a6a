"""Carrying out the plans of one wave: children, records, edges, map, each in one statement for all of them."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from uuid_utils.compat import uuid7

from customer_identity.merging import (
    Disposition,
    LoserResult,
    Merged,
    Redirect,
    RuleWarning,
    VersionedId,
)
from customer_identity.merging.identity_map import redirects_of_merge
from customer_identity.merging.planning import MergePlan
from event_runtime.columns import longs, texts
from event_runtime.database import execute
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.large.freeing import free_values
from merge_engine.large.sizing import Sizes, leave_rows
from merge_engine.loading import text_columns
from merge_engine.moving_children import Pair, move_children, pair_parameters


def apply_plans(
    connection: Connection,
    compiled: CompiledPlan,
    plans: Sequence[MergePlan],
    now: datetime,
    sizes: Sizes,
) -> list[Merged]:
    """Merge. Every root of every plan is locked, and no root appears in two plans.

    The rows of large merges follow in chunks, as far as nothing depends on them.
    """
    if not plans:
        return []
    merge_ids = [str(uuid7()) for _ in plans]
    moving = frozenset(merge_ids[position] for position in sizes.large)
    pairs = [
        Pair(
            merge_id=merge_id,
            tenant_id=plan.order.tenant_id,
            loser_id=loser.root_id,
            winner_id=plan.winner.root_id,
            position=position,
            facilitator_id=None if plan.facilitator is None else plan.facilitator.root_id,
            patch=patch,
        )
        for merge_id, plan, patch in zip(merge_ids, plans, _patches(compiled, plans), strict=True)
        for position, loser in enumerate(plan.losers, start=1)
    ]
    chosen = [(merge_id, plan.order) for merge_id, plan in zip(merge_ids, plans, strict=True)]
    parameters = pair_parameters(pairs)
    moves = move_children(
        connection, compiled, pairs, chosen, parameters=parameters, moving=moving, occupied=sizes.occupied
    )
    free_values(connection, compiled, [(merge_ids[position], plans[position]) for position in sizes.large])
    # Losers before the winner: what only one record may hold, such as an e-mail address, is free when it is wanted.
    loser_versions = _change_losers(connection, compiled, pairs, parameters, moving)
    winner_versions = _change_winners(connection, compiled, plans, merge_ids)
    redirects = [redirects_of_merge(plan.winner.root_id, plan.losers) for plan in plans]
    tenants = [plan.order.tenant_id for plan in plans]
    keep_redirects(connection, compiled, zip(merge_ids, tenants, redirects, strict=True), now)
    _relink_members(connection, compiled, plans)
    disposition = Disposition(compiled.plan.disposition.kind.upper())
    _record_merges(connection, compiled, plans, merge_ids, parameters, now=now)
    tables = moves.tables(compiled.children)
    merged = [
        Merged(
            order=plan.order,
            merge_id=merge_id,
            winner=VersionedId(id=plan.winner.root_id, version=winner_versions[merge_id]),
            losers=tuple(
                LoserResult(id=loser.root_id, version=loser_versions[merge_id, loser.root_id], disposition=disposition)
                for loser in plan.losers
            ),
            redirects=changed,
            external_ids=tuple(moves.external_ids.get(merge_id, ())),
            moved=moves.moved(merge_id, tables),
            field_decisions=plan.fields.decisions,
            consent_decisions=tuple(moves.consents.get(merge_id, ())),
            undoable_until=now + compiled.policy.undo_window,
            policy_version=compiled.policy.version,
            warnings=tuple(RuleWarning(rule=warning.rule, message=warning.message) for warning in plan.warnings),
            merged_at=now,
            rows="MOVING" if merge_id in moving else "COMPLETE",
        )
        for plan, merge_id, changed in zip(plans, merge_ids, redirects, strict=True)
    ]
    leave_rows(connection, compiled, [one for one in merged if one.merge_id in moving])
    return merged


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
    merge_column, tenant_column, ids, direct_to, canonical_ids = text_columns([row[:5] for row in rows], 5)
    written = execute(
        connection,
        compiled.customers.canonical,
        {
            "merge_ids": merge_column,
            "tenants": tenant_column,
            "ids": ids,
            "direct_to": direct_to,
            "canonical_ids": canonical_ids,
            "versions": longs([row[5] for row in rows]),
            "changed_at": now,
        },
    )
    if written.rowcount != len(rows):
        raise AssertionError("the identity map changed under its lock")


def _patches(compiled: CompiledPlan, plans: Sequence[MergePlan]) -> list[str]:
    """What each merge writes to its winner, for tables that copy it."""
    if not any(child.refresh for child in compiled.children):
        return ["{}"] * len(plans)
    return [json.dumps(plan.fields.patch, default=_as_json) for plan in plans]


def _change_winners(
    connection: Connection, compiled: CompiledPlan, plans: Sequence[MergePlan], merge_ids: Sequence[str]
) -> dict[str, int]:
    rows = [
        (merge_id, plan.order.tenant_id, plan.winner.root_id, _change(plan))
        for merge_id, plan in zip(merge_ids, plans, strict=True)
    ]
    changed = [row for row in rows if row[3] != _NO_CHANGE]
    unchanged = [row[:3] for row in rows if row[3] == _NO_CHANGE]
    versions: list[tuple[str, int]] = []
    if changed:
        names = ("merge_ids", "tenants", "winners", "changes")
        parameters = dict(zip(names, text_columns(changed, 4), strict=True))
        versions += execute(connection, compiled.customers.winners, parameters)
    if unchanged:
        merges, tenants, winners = text_columns(unchanged, 3)
        one = {"merge_ids": merges, "tenants": tenants, "winners": winners, "changes": _NO_CHANGE}
        versions += execute(connection, compiled.customers.unchanged_winners, one)
    return dict(versions)


_NO_CHANGE = json.dumps({"before": {}, "wrote": {}})


def _change(plan: MergePlan) -> str:
    """What the journal keeps of the winner's fields; an undo that decides them again needs the order's choices, too."""
    if not plan.fields.patch and not plan.order.field_choices:
        return _NO_CHANGE
    change: dict[str, Any] = {"before": plan.fields.before, "wrote": plan.fields.patch}
    if plan.order.field_choices:
        change["choices"] = [asdict(choice) for choice in plan.order.field_choices]
    return json.dumps(change, default=_as_json)


def _change_losers(
    connection: Connection,
    compiled: CompiledPlan,
    pairs: Sequence[Pair],
    parameters: Mapping[str, Any],
    moving: Collection[str],
) -> dict[tuple[str, str], int]:
    """Mark or delete the losers; one whose rows still hang on it is deleted when they have moved."""
    later = [pair for pair in pairs if pair.merge_id in moving] if compiled.chunks.versions is not None else []
    at_once = pair_parameters([pair for pair in pairs if pair not in later]) if later else parameters
    versions = [*execute(connection, compiled.customers.losers, {**at_once, **compiled.mark_parameters})]
    if later and compiled.chunks.versions is not None:
        versions += execute(connection, compiled.chunks.versions, pair_parameters(later))
    return {(merge_id, loser_id): version for merge_id, loser_id, version in versions}


def _relink_members(connection: Connection, compiled: CompiledPlan, plans: Sequence[MergePlan]) -> None:
    """Records merged into a loser before now point at the new root; most merges have none."""
    rows = [
        (plan.order.tenant_id, member.customer_id, plan.winner.root_id)
        for plan in plans
        for loser in plan.losers
        for member in loser.records
        if member is not loser.root
    ]
    if rows and compiled.customers.links is not None:
        tenants, ids, roots = text_columns(rows, 3)
        execute(connection, compiled.customers.links, {"tenants": tenants, "ids": ids, "roots": roots})


def _record_merges(
    connection: Connection,
    compiled: CompiledPlan,
    plans: Sequence[MergePlan],
    merge_ids: Sequence[str],
    pairs: Mapping[str, Any],
    *,
    now: datetime,
) -> None:
    """The merges, and the edge of each loser; `pairs` are the parameters of all pairs."""
    orders = [plan.order for plan in plans]
    execute(
        connection,
        compiled.customers.merges,
        {
            "edge_merge_ids": pairs["merge_ids"],
            "edge_tenants": pairs["tenants"],
            "losers": pairs["losers"],
            "edge_winners": pairs["winners"],
            "positions": pairs["positions"],
            "merge_ids": texts(merge_ids),
            "tenants": texts([order.tenant_id for order in orders]),
            "command_ids": texts([order.command_id for order in orders]),
            "winners": texts([plan.winner.root_id for plan in plans]),
            "actors": texts([order.requested_by.id for order in orders]),
            "reasons": texts([order.reason for order in orders]),
            "candidate_ids": texts([order.candidate_id for order in orders]),
            "facilitators": texts([None if plan.facilitator is None else plan.facilitator.root_id for plan in plans]),
            "policy_version": compiled.policy.version,
            "merged_at": now,
            "undoable_until": now + compiled.policy.undo_window,
        },
    )


def _as_json(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
