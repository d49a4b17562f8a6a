"""`merge-worker unmerge --policy-version V --since T`: undo everything that a version of a policy merged.

Through commands, whose ids come from the merges: stopped half-way it can be run again, and nothing is done twice.
"""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import customer_events as wire
from customer_identity import merging
from event_runtime.output import say, show_json, show_table
from merge_worker.adapters.commands import Command
from merge_worker.adapters.merge_orders import unmerge_order
from merge_worker.adapters.policy_merges import PolicyMerge, merges_of_policy, rounds
from merge_worker.app import App

# Commands of one round that are on their way at a time.
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class MassUndo:
    """What is to be undone, and who asks."""

    policy_version: str
    since: datetime
    actor: str
    reason: str
    mode: str


def mass_undo(app: App, undo: MassUndo, *, dry_run: bool, timeout_s: float, as_json: bool) -> int:
    """Undo the merges, the newest first; 1 when one is refused, or has no outcome in time."""
    with app.reading() as connection:
        merges = merges_of_policy(connection, undo.policy_version, undo.since)
    results = _tried(app, undo, merges) if dry_run else _done(app, undo, merges, timeout_s)
    counts = Counter(str(result["outcome"]) for result in results)
    if as_json:
        show_json({"dry_run": dry_run, "merges": results, "outcomes": dict(counts)})
    else:
        show_table(
            "Would be undone" if dry_run else "Undone",
            ("merge", "tenant", "winner", "merged", "outcome", "what could not go back"),
            [tuple(result.values()) for result in results],
        )
        say(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())) or "there is nothing to undo")
    return 0 if counts.keys() <= {"undone", "nothing to do"} else 1


def _tried(app: App, undo: MassUndo, merges: list[PolicyMerge]) -> list[dict[str, Any]]:
    """Undo customer by customer in a transaction that is rolled back."""
    by_root: dict[tuple[str, str], list[PolicyMerge]] = {}
    for merge in merges:
        by_root.setdefault((merge.tenant_id, merge.root_id), []).append(merge)
    results: dict[str, dict[str, Any]] = {}
    for number, own in enumerate(by_root.values(), start=1):
        with app.database.connect() as connection, connection.begin() as transaction:
            for merge in own:
                results[merge.merge_id] = _result(merge, app.merge_engine.unmerge(connection, _order(undo, merge)))
            transaction.rollback()
        if number % _AT_ONCE == 0:
            say(f"{number} of {len(by_root)} customers tried")
    return [results[merge.merge_id] for merge in merges]


def _done(app: App, undo: MassUndo, merges: list[PolicyMerge], timeout_s: float) -> list[dict[str, Any]]:
    outcomes: dict[str, tuple[str, str]] = {}
    for one_round in rounds(merges):
        for start in range(0, len(one_round), _AT_ONCE):
            some = one_round[start : start + _AT_ONCE]
            commands = {_command_id(undo, merge): merge for merge in some}
            waited = app.client.outcomes(
                sent := [Command.of(_command(undo, merge)) for merge in some], timeout_s=timeout_s
            )
            try:
                app.client.publish(sent)
                for outcome in waited.terminal():
                    outcomes[commands[outcome.command_id].merge_id] = _outcome(outcome)
            finally:
                waited.close()
            say(f"{len(outcomes)} of {len(merges)} merges")
    return [_row(merge, *outcomes.get(merge.merge_id, ("no outcome in time", ""))) for merge in merges]


def _command(undo: MassUndo, merge: PolicyMerge) -> wire.UnmergeCustomers:
    """The same command every time: its content must not differ when it is sent again."""
    return wire.UnmergeCustomers(
        tenant_id=merge.tenant_id,
        command_id=_command_id(undo, merge),
        merge_id=merge.merge_id,
        mode=wire.UnmergeMode(undo.mode),
        requested_by=wire.Actor(id=undo.actor, roles=("merge",)),
        reason=undo.reason,
        issued_at=merge.merged_at,
    )


def _command_id(undo: MassUndo, merge: PolicyMerge) -> str:
    """Whoever asks for the same in the same words asks for it once."""
    words = json.dumps([merge.tenant_id, merge.merge_id, undo.actor, undo.reason, undo.mode])
    return f"undo-{UUID(bytes=hashlib.sha256(words.encode()).digest()[:16])}"


def _order(undo: MassUndo, merge: PolicyMerge) -> merging.UnmergeOrder:
    return unmerge_order(_command(undo, merge))


def _result(merge: PolicyMerge, result: merging.UnmergeResult) -> dict[str, Any]:
    match result:
        case merging.Unmerged():
            kept = [f"{one.table}: {one.rows} rows {one.reason}" for one in result.kept]
            conflicts = [f"{one.table} {one.id}: {one.reason}" for one in result.conflicts]
            return _row(merge, "undone", "; ".join([*kept, *conflicts]))
        case merging.Noop():
            return _row(merge, "nothing to do", "")
        case merging.Refused():
            return _row(merge, "refused", "; ".join(f"{one.rule}: {one.message}" for one in result.errors))


def _outcome(outcome: Any) -> tuple[str, str]:
    match outcome:
        case wire.MergeCompleted():
            return "undone", ""
        case wire.MergeNoop():
            return "nothing to do", ""
        case wire.MergeRejected():
            return "refused", "; ".join(f"{one.rule}: {one.message}" for one in outcome.errors)
    return type(outcome).__name__, ""


def _row(merge: PolicyMerge, outcome: str, trouble: str) -> dict[str, Any]:
    return {
        "merge_id": merge.merge_id,
        "tenant_id": merge.tenant_id,
        "winner_id": merge.winner_id,
        "merged_at": merge.merged_at,
        "outcome": outcome,
        "trouble": trouble,
    }
