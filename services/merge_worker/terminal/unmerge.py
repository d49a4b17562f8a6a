"""`merge-worker unmerge MERGE_ID`: one merge, alone or with the newer ones that stand on it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.exc import DBAPIError
from uuid_utils import uuid7

import customer_events as wire
from customer_identity.merging import Refused
from event_runtime.output import say
from merge_engine import MergeRecord, RootMoved
from merge_worker.adapters.commands import Command
from merge_worker.adapters.merge_orders import unmerge_order
from merge_worker.app import App
from merge_worker.terminal.send import send


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """Who undoes a merge, why, and how; `newest_first`: what was built on it, too."""

    merge_id: str
    actor: str
    reason: str
    mode: str
    newest_first: bool


def unmerge(app: App, undo: Undo, *, wait: bool, timeout_s: float) -> int:
    """Publish the command that undoes a merge; 1 when it is refused, as far as that is waited for."""
    with app.database.connect() as connection:
        record = app.merge_engine.merge_record(connection, undo.merge_id)
    if record is None:
        say(f"there is no merge {undo.merge_id}")
        return 1
    if undo.newest_first:
        return _newest_first(app, record, undo, timeout_s)
    if undo.mode == wire.UnmergeMode.LINEAR.value:
        _say_order(app, record, undo)
    return send(app, [Command.of(_command(record, undo))], wait=wait, timeout_s=timeout_s)


def _newest_first(app: App, record: MergeRecord, undo: Undo, timeout_s: float) -> int:
    """One after the other, each when the one before has ended. Stopped half-way it can be run again."""
    tried: set[str] = set()
    while True:
        order = _order(app, record, undo)
        if isinstance(order, Refused):
            for error in order.errors:
                say(f"{error.rule}: {error.message}; {error.remediation}")
            return 1
        first = next(iter(order), record.merge_id)
        if first in tried:
            say(f"merge {first} is still there; see merge-worker status {first}")
            return 1
        tried.add(first)
        with app.database.connect() as connection:
            step = app.merge_engine.merge_record(connection, first) or record
        say(f"merge {first}, {len(order)} to go")
        status = send(app, [Command.of(_command(step, undo))], wait=True, timeout_s=timeout_s)
        if status or first == record.merge_id:
            return status


def _say_order(app: App, record: MergeRecord, undo: Undo) -> None:
    try:
        order = _order(app, record, undo)
    except (DBAPIError, RootMoved):
        return  # others are at work there, or this role may not lock: the worker's answer names what is newer
    if not isinstance(order, Refused) and len(order) > 1:
        say(f"newer merges stand on it; undo in this order, or all of them with --newest-first: {' '.join(order)}")


def _order(app: App, record: MergeRecord, undo: Undo) -> tuple[str, ...] | Refused:
    with app.database.connect() as connection, connection.begin() as transaction:
        order = app.merge_engine.undo_order(connection, unmerge_order(_command(record, undo)))
        transaction.rollback()
    return order


def _command(record: MergeRecord, undo: Undo) -> wire.UnmergeCustomers:
    return wire.UnmergeCustomers(
        tenant_id=record.tenant_id,
        command_id=str(uuid7()),
        merge_id=record.merge_id,
        mode=wire.UnmergeMode(undo.mode),
        requested_by=wire.Actor(id=undo.actor, roles=("merge",)),
        reason=undo.reason,
        issued_at=datetime.now(UTC),
    )
