"""`review-desk request approve | remove | merge-and-remove`: many requests in one go."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from customer_events import Actor
from event_runtime.faults import Fault
from event_runtime.output import plain, say, show_json, show_table
from review_desk.adapters.merge_requests import OPEN_STATUSES, MergeRequest
from review_desk.app import App
from review_desk.application.review_requests import Action, Reviewed, Terms
from review_desk.terminal.show import show_failures


class NoSuchRequest(Fault):
    """There is no such request."""


def approve(
    app: App, ids: Sequence[str], actor: Actor, terms: Terms, *, tenant_id: str | None, which: str, as_json: bool
) -> int:
    """Approve recommendations: those named, or all (`all`), or all that are eligible now (`eligible`)."""

    def act(connection: Connection) -> list[Reviewed]:
        requests = _chosen(app, connection, ids, tenant_id=tenant_id, which=which, statuses=("recommended",))
        if which == "eligible":
            requests = app.review_requests.eligible(connection, requests)
        return app.review_requests.approve(connection, actor, requests, terms)

    return _review(app, act, as_json=as_json)


def remove(
    app: App, ids: Sequence[str], actor: Actor, reason: str, *, tenant_id: str | None, which: str, as_json: bool
) -> int:
    """Take requests off the list: those named, or every open one (`all`), or those not eligible now (`ineligible`)."""

    def act(connection: Connection) -> list[Reviewed]:
        requests = _chosen(app, connection, ids, tenant_id=tenant_id, which=which, statuses=OPEN_STATUSES)
        if which == "ineligible":
            fit = {one.request_id for one in app.review_requests.eligible(connection, requests)}
            requests = [one for one in requests if one.request_id not in fit]
        return app.review_requests.remove(connection, actor, requests, reason)

    return _review(app, act, as_json=as_json)


def merge_and_remove(
    app: App, ids: Sequence[str], actor: Actor, terms: Terms, *, tenant_id: str | None, which: str, as_json: bool
) -> int:
    """Merge what is eligible now of the recommendations, and take the rest off the list."""

    def act(connection: Connection) -> list[Reviewed]:
        requests = _chosen(app, connection, ids, tenant_id=tenant_id, which=which, statuses=("recommended",))
        return app.review_requests.merge_and_remove(connection, actor, requests, terms)

    return _review(app, act, as_json=as_json)


def _chosen(
    app: App,
    connection: Connection,
    ids: Sequence[str],
    *,
    tenant_id: str | None,
    which: str,
    statuses: Sequence[str],
) -> list[MergeRequest]:
    if which != "named":
        return app.requests.listed(connection, tenant_id=tenant_id, statuses=statuses, limit=None)
    found = {one.request_id: one for one in app.requests.named(connection, ids, tenant_id)}
    missing = [id_ for id_ in ids if id_ not in found]
    if missing:
        raise NoSuchRequest(f"there is no request {', '.join(missing)}; see review-desk requests")
    return [found[id_] for id_ in dict.fromkeys(ids)]


def _review(app: App, act: Callable[[Connection], list[Reviewed]], *, as_json: bool) -> int:
    with app.database.begin() as connection:
        reviewed = act(connection)
        app.publish(connection, [draft for one in reviewed for draft in one.drafts])
    if as_json:
        show_json([_json(one) for one in reviewed])
    else:
        show_table(
            "Requests",
            ("request", "merge to", "losers", "done", "command", "why not"),
            [
                (
                    one.request.request_id,
                    one.request.winner_id,
                    one.request.loser_ids,
                    one.action,
                    one.command_id,
                    one.refused,
                )
                for one in reviewed
            ],
        )
        for one in reviewed:
            show_failures(f"Request {one.request.request_id}: rules that fail", one.failures)
    done = sum(one.action is not None for one in reviewed)
    once = sum(one.action is Action.APPROVED_ONCE for one in reviewed)
    say(f"{done - once} of {len(reviewed)} requests: commands sent")
    if once:
        say(f"{once} of {len(reviewed)} requests: above a threshold of the plan; another person has to approve them")
    return 0 if done == len(reviewed) else 1


def _json(reviewed: Reviewed) -> dict[str, object]:
    return {
        "request_id": reviewed.request.request_id,
        "winner_id": reviewed.request.winner_id,
        "loser_ids": list(reviewed.request.loser_ids),
        "action": reviewed.action and reviewed.action.value,
        "command_id": reviewed.command_id,
        "refused": reviewed.refused,
        "failures": plain(reviewed.failures),
    }
