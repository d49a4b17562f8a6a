"""`review-desk search | account | merge | recommend | remove`: people work with customers directly."""

from collections.abc import Sequence

from customer_events import Actor
from event_runtime.output import plain, say, show_json, show_table
from merge_engine import SearchCriteria
from review_desk.app import App
from review_desk.application.approve_cases import Choices
from review_desk.application.request_merges import Asked
from review_desk.terminal.account import account_json, show_account
from review_desk.terminal.show import show_customers, show_failures


def search(app: App, tenant_id: str, criteria: SearchCriteria, *, limit: int, as_json: bool) -> int:
    """Print the customers that match; 1 when there is none."""
    with app.reading() as connection:
        found = app.merge_engine.search(connection, tenant_id, criteria, limit=limit)
    if as_json:
        show_json(found)
    else:
        show_customers("Customers", found)
    if not found:
        say("no customer matches")
    return 0 if found else 1


def account(app: App, tenant_id: str, customer_id: str, *, as_json: bool) -> int:
    """Print one customer in full, with what is pertinent to rules; 1 when there is no such customer."""
    with app.reading() as connection:
        shown = app.show_account(connection, tenant_id, customer_id)
    if not shown.found:
        say(f"there is no customer {customer_id} in tenant {tenant_id}")
        return 1
    if as_json:
        show_json(account_json(shown))
    else:
        show_account(customer_id, shown)
    return 0


def merge(app: App, tenant_id: str, actor: Actor, losers: Sequence[str], choices: Choices, *, as_json: bool) -> int:
    """Send the command to merge, unless a rule or a command in flight forbids it."""
    with app.database.begin() as connection:
        asked = app.request_merges.merge(connection, tenant_id, actor, losers, choices)
        app.publish(connection, asked.drafts)
    return _told(asked, "merge commands sent", as_json=as_json)


def recommend(app: App, tenant_id: str, actor: Actor, losers: Sequence[str], choices: Choices, *, as_json: bool) -> int:
    """Put a merge on the worker's list."""
    with app.database.begin() as connection:
        asked = app.request_merges.recommend(connection, tenant_id, actor, losers, choices)
        app.publish(connection, asked.drafts)
    return _told(asked, "recommendations sent", as_json=as_json)


def remove(
    app: App, tenant_id: str, actor: Actor, *, winner_id: str, losers: Sequence[str], reason: str, as_json: bool
) -> int:
    """Take the open requests for exactly these customers off the worker's list; 1 when there is none."""
    with app.database.begin() as connection:
        open_requests = app.requests.open_for(connection, tenant_id, winner_id, losers)
        ids = [request.request_id for request in open_requests]
        asked = app.request_merges.remove(connection, tenant_id, actor, ids, reason)
        app.publish(connection, asked.drafts)
    if not ids:
        say(f"no open request merges {', '.join(losers)} into {winner_id}")
        return 1
    return _told(asked, "removals sent", as_json=as_json)


def _told(asked: Asked, what: str, *, as_json: bool) -> int:
    if as_json:
        show_json(
            {
                "command_ids": list(asked.command_ids),
                "awaits_second": asked.awaits_second,
                "refused": asked.refused,
                "failures": plain(asked.failures),
            }
        )
    elif asked.refused is None:
        show_table(what.capitalize(), ("command",), [(command_id,) for command_id in asked.command_ids])
    else:
        show_failures("Rules that fail", asked.failures)
    if asked.awaits_second:
        say("above a threshold of the plan: on the list now; another person has to approve it (review-desk requests)")
    if asked.refused is not None:
        say(f"nothing was sent: {asked.refused}")
    return 0 if asked.refused is None else 1
