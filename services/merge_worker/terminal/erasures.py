"""`merge-worker erasures`: who is to be forgotten, and the decision of a person where one is needed."""

from event_runtime.output import say, show_json, show_table
from merge_worker.adapters.erasures import CONFIRMED, WAITING, Erasure
from merge_worker.app import App


def list_erasures(app: App, *, everything: bool, as_json: bool) -> int:
    """Print the requests that are open, or all of them."""
    with app.reading() as connection:
        found = app.erasures.listed(connection, None if everything else (WAITING, CONFIRMED))
    if as_json:
        show_json({"erasures": found})
        return 0
    show_table(
        "Erasures",
        ("tenant", "customer", "state", "waits for", "members", "look at merges", "asked", "decided by"),
        [_row(one) for one in found],
    )
    return 0


def decide(app: App, customer_id: str, *, tenant_id: str, confirmed: bool, by: str) -> int:
    """Keep a person's decision; the worker carries it out. 1 when nothing waits for one."""
    with app.database.begin() as connection:
        found = app.erasures.decide(connection, tenant_id, customer_id, confirmed=confirmed, by=by)
    if not found:
        say(f"no erasure of {customer_id} waits for a decision in tenant {tenant_id}")
        return 1
    say(f"the erasure of {customer_id} is {'confirmed' if confirmed else 'declined'}")
    return 0


def _row(one: Erasure) -> tuple[object, ...]:
    return (
        one.tenant_id,
        one.customer_id,
        one.state,
        one.waiting_for,
        one.member_ids,
        one.merge_ids,
        one.requested_at,
        one.decided_by,
    )
