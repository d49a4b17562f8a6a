"""`merge-worker status`: what goes by an id, or how the worker is doing."""

from event_runtime.output import say, show_facts, show_json, show_table
from merge_worker.app import App
from merge_worker.application.show_status import StatusOf, StatusOfAll


def status(app: App, any_id: str | None, *, tenant_id: str, as_json: bool) -> int:
    """Print the status; 1 when nothing goes by the id."""
    with app.database.connect() as connection:
        if any_id is None:
            _show_all(app.show_status.of_all(connection), as_json=as_json)
            return 0
        found = app.show_status.of(connection, tenant_id, any_id)
    if not found.found:
        say(f"nothing goes by the id {any_id} in tenant {tenant_id}")
        return 1
    if as_json:
        show_json(found)
    else:
        _show(found)
    return 0


def _show(found: StatusOf) -> None:
    if found.customer is not None:
        customer = found.customer
        facts: dict[str, object] = {
            "customer": customer.customer_id,
            "status": customer.status,
            "version": customer.version,
            "is now": customer.canonical_id,
            "merged into it": customer.merged,
        }
        show_facts("Customer", facts)
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
            ("merge", "state", "winner", "losers", "by", "merged", "relinked"),
            [
                (
                    one.merge_id,
                    one.state,
                    one.winner_id,
                    one.loser_ids,
                    one.actor,
                    one.merged_at,
                    [f"{entry.system} {entry.status}" for entry in one.relinked],
                )
                for one in found.merges
            ],
        )


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
