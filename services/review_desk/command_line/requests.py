"""`review-desk requests | request approve | request remove | request merge-and-remove | report`."""

import argparse
from typing import TYPE_CHECKING, Any

from event_runtime.command_line import Arguments, Command, add_json
from review_desk.command_line.choices import actor, actor_arguments, not_before, terms_arguments
from review_desk.command_line.starting import desk
from review_desk.command_line.values import any_id, positive, tenant_id

if TYPE_CHECKING:
    from review_desk.app import App
    from review_desk.application.review_requests import Terms

_STATUSES = (
    "recommended", "approved", "running", "deferred", "merged", "unmerging", "unmerged", "removed", "rejected",
)  # fmt: skip


def request_commands() -> list[Command]:
    """The worker's list of merges."""
    return [
        Command(name="requests", help="the worker's merge requests and how eligible they are now", run=_requests,
                arguments=_requests_arguments),
        Command(name="request approve", help="approve recommendations, many at once", run=_approve,
                arguments=_approve_arguments),
        Command(name="request remove", help="take requests off the list, many at once", run=_remove,
                arguments=_remove_arguments),
        Command(name="request merge-and-remove", help="merge what is eligible now and take the rest off the list",
                run=_merge_and_remove, arguments=_merge_and_remove_arguments),
        Command(name="report", help="all requests for a file or a printer", run=_report,
                arguments=_report_arguments),
    ]  # fmt: skip


def _requests_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--status", action="append", default=[], choices=_STATUSES,
                        help="may be repeated (default: the open ones)")  # fmt: skip
    parser.add_argument("--limit", type=positive, default=100, help="at most so many (default %(default)s)")
    _tenant_argument(parser)
    add_json(parser)


def _requests(options: Arguments) -> int:
    from review_desk.adapters.merge_requests import OPEN_STATUSES
    from review_desk.terminal.requests import requests

    return requests(
        desk(),
        tenant_id=options.tenant,
        statuses=options.status or OPEN_STATUSES,
        limit=options.limit,
        form="json" if options.json else "table",
    )


def _approve_arguments(parser: argparse.ArgumentParser) -> None:
    _which_arguments(parser, "eligible", "every recommendation that nothing stands against now")
    terms_arguments(parser)
    actor_arguments(parser)
    add_json(parser)


def _approve(options: Arguments) -> int:
    from review_desk.terminal.request_reviews import approve

    app = desk()
    return approve(app, options.request, actor(options), _terms(app, options), **_which(options))


def _remove_arguments(parser: argparse.ArgumentParser) -> None:
    _which_arguments(parser, "ineligible", "every open request that a rule stands against now")
    actor_arguments(parser)
    add_json(parser)


def _remove(options: Arguments) -> int:
    from review_desk.terminal.request_reviews import remove

    reason = options.reason or "removed at the desk"
    return remove(desk(), options.request, actor(options), reason, **_which(options))


def _merge_and_remove_arguments(parser: argparse.ArgumentParser) -> None:
    _which_arguments(parser)
    parser.add_argument("--waive", metavar="RULE", action="append", default=[], type=any_id, help="may be repeated")
    actor_arguments(parser)
    add_json(parser)


def _merge_and_remove(options: Arguments) -> int:
    from review_desk.terminal.request_reviews import merge_and_remove

    app = desk()
    return merge_and_remove(app, options.request, actor(options), _terms(app, options), **_which(options))


def _report_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table")
    parser.add_argument("--status", action="append", default=[], choices=_STATUSES,
                        help="may be repeated (default: all)")  # fmt: skip
    _tenant_argument(parser)


def _report(options: Arguments) -> int:
    from review_desk.adapters.merge_requests import STATUSES
    from review_desk.terminal.requests import requests

    return requests(
        desk(), tenant_id=options.tenant, statuses=options.status or STATUSES, limit=None, form=options.format
    )


def _which_arguments(parser: argparse.ArgumentParser, some: str | None = None, help_: str = "") -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("request", metavar="REQUEST", nargs="*", type=any_id, default=[], help="ids of requests")
    which.add_argument("--all", dest="which", action="store_const", const="all", help="everything on the list")
    if some is not None:
        which.add_argument(f"--{some}", dest="which", action="store_const", const=some, help=help_)
    _tenant_argument(parser)


def _which(options: Arguments) -> dict[str, Any]:
    return {"tenant_id": options.tenant, "which": options.which or "named", "as_json": options.json}


def _terms(app: "App", options: Arguments) -> "Terms":
    from review_desk.application.review_requests import Terms

    return Terms(
        reason=options.reason or "reviewed at the desk",
        waived_rules=tuple(options.waive),
        wait=getattr(options, "wait", False),
        not_before=not_before(app, options),
    )


def _tenant_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tenant", type=tenant_id, help="default: all tenants")
