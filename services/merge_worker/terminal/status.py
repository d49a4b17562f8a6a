"""`merge-worker status`: what goes by an id, or how the worker is doing."""

from typing import Any

from event_runtime.output import plain, say, show_facts, show_json, show_table
from merge_engine import LargeMerge
from merge_worker.adapters.commands import waiting_command
from merge_worker.adapters.requests import Request
from merge_worker.app import App
from merge_worker.application.show_status import StatusOf, StatusOfAll


def status(app: App, any_id: str | None, *, tenant_id: str, as_json: bool) -> int:
    """Print the status; 1 when nothing goes by the id."""
    with app.database.connect() as connection:
        if any_id is None:
            _show_all(app.use_cases.show_status.of_all(connection), as_json=as_json)
            return 0
        found = app.use_cases.show_status.of(connection, tenant_id, any_id)
    if not found.found:
        say(f"nothing goes by the id {any_id} in tenant {tenant_id}")
        return 1
    if as_json:
        show_json(_json(found))
    else:
        _show(found)
    return 0


def _json(found: StatusOf) -> dict[str, Any]:
    """What other programs rely on: docs/merge-state.md."""
    return {**plain(found), "requests": [_request_json(request) for request in found.requests]}


def _request_json(request: Request) -> dict[str, Any]:
    command = waiting_command(request)
    return {
        "request_id": request.request_id,
        "command_id": request.command_id,
        "status": request.status,
        "winner_id": command.winner_id,
        "loser_ids": list(command.loser_ids),
        "requested_by": request.requested_by,
        "reason": command.reason,
        "waiting_for": list(request.waiting_for),
        "failed_rules": list(request.rules),
        "next_attempt_at": plain(request.next_attempt_at),
        "expires_at": plain(request.expires_at),
        "merge_id": request.merge_id,
        "created_at": plain(request.created_at),
        "updated_at": plain(request.updated_at),
    }


def _show(found: StatusOf) -> None:
    if found.state is not None:
        state = found.state
        facts: dict[str, object] = {
            "customer": state.customer_id,
            "state": state.state,
            "is now": state.canonical_id,
            "merged by": state.merged_by,
            "merged at": state.merged_at,
            "merge": state.merge_id,
            "accounts merged into it": state.merged_accounts,
            "open requests": state.open_requests,
            "rows still move": state.rows_moving,
        }
        show_facts("Merge state", {name: value for name, value in facts.items() if value is not None})
    if found.customer is not None:
        customer = found.customer
        show_facts(
            "Customer",
            {
                "customer": customer.customer_id,
                "status": customer.status,
                "version": customer.version,
                "merged into it": customer.merged,
            },
        )
    if found.command is not None:
        command = found.command
        facts = {
            "command": command.command_id,
            "accepted": command.accepted_at,
            "outcome": command.outcome or "still to come",
        }
        show_facts("Command", facts)
    if found.requests:
        show_table(
            "Requests",
            ("request", "status", "customers", "by", "waits for", "next try"),
            [
                (one.request_id, one.status, one.customer_ids, one.requested_by, one.waiting_for, one.next_attempt_at)
                for one in found.requests
            ],
        )
    if found.merges:
        show_table(
            "Merges",
            ("merge", "state", "winner", "losers", "by", "merged", "relinked", "rows moved"),
            [
                (
                    one.merge_id,
                    one.state,
                    one.winner_id,
                    one.loser_ids,
                    one.actor,
                    one.merged_at,
                    [f"{entry.system} {entry.status}" for entry in one.relinked],
                    "" if one.large is None else _rows(one.large),
                )
                for one in found.merges
            ],
        )


def _rows(large: LargeMerge) -> str:
    if not large.listed:
        return "being listed"
    return f"{large.rows_moved} of {large.rows_total}{' back' if large.going_back else ''}"


def _show_all(totals: StatusOfAll, *, as_json: bool) -> None:
    if as_json:
        show_json(totals)
        return
    facts = {
        "merges": totals.merges,
        "commands accepted": totals.commands,
        "commands without an outcome yet": totals.open_commands,
        "records in quarantine": totals.quarantined,
        "events not yet published": totals.unpublished_rows,
    }
    show_facts("Worker", facts | {f"requests {state}": count for state, count in totals.requests.items()})
    show_table(
        "Relinking, merges by system",
        ("system", "done", "waiting", "failed", "overdue"),
        [(one.system, one.done, one.waiting, one.failed, one.overdue) for one in totals.systems],
    )
    if totals.moving:
        show_table(
            "Large merges whose rows still move or go back",
            ("merge", "winner", "rows moved", "since", "problem"),
            [(one.merge_id, one.winner_id, _rows(one), one.started_at, one.problem or "") for one in totals.moving],
        )
