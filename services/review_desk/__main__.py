"""The command line of the review desk. What a command needs is imported when it runs, so that --help is quick."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from event_runtime.command_line import Arguments, Command, add_json, run_cli, user_name
from event_runtime.service_commands import shared_commands
from review_desk.terminal import arguments

if TYPE_CHECKING:
    from datetime import datetime

    from customer_events import Actor
    from review_desk.app import App
    from review_desk.application.approve_cases import Choices
    from review_desk.application.review_requests import Terms
    from review_desk.settings import DeskSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    return run_cli(
        "review-desk",
        "Policy and people decide which candidates become merge commands.",
        [*_service_commands(), *_case_commands(), *_customer_commands(), *_list_commands()],
        argv=argv,
        refusals=_refusals,
    )


def _service_commands() -> list[Command]:
    return [
        Command(name="run", help="consume candidates and outcomes, decide, publish commands", run=_run,
                arguments=arguments.run_arguments),
        Command(name="relay", help="only publish what is in the outbox", run=_relay),
        *shared_commands(_settings, package="review_desk", schema="review"),
    ]  # fmt: skip


def _case_commands() -> list[Command]:
    return [
        Command(name="list", help="cases, the surest first; the undecided ones unless --state says otherwise",
                run=_list, arguments=arguments.list_arguments),
        Command(name="show", help="one case: evidence, preview, what stands against it, who decided what",
                run=_show, arguments=arguments.show_arguments),
        Command(name="approve", help="approve cases: their merges are sent, or wait for one in flight",
                run=_approve, arguments=arguments.approve_arguments),
        Command(name="reject", help="the pairs of these cases are different people, and stay apart",
                run=_reject, arguments=arguments.reject_arguments),
    ]  # fmt: skip


def _customer_commands() -> list[Command]:
    return [
        Command(name="search", help="find customers; all that is given must match", run=_search,
                arguments=arguments.search_arguments),
        Command(name="account", help="one customer: record, rows, merged accounts, cases", run=_account,
                arguments=arguments.account_arguments),
        Command(name="merge", help="merge LOSERs into WINNER, now or later", run=_merge,
                arguments=arguments.merge_arguments),
        Command(name="recommend", help="put a merge on the list for somebody who may merge", run=_recommend,
                arguments=arguments.recommend_arguments),
        Command(name="remove", help="take the open requests for these customers off the list", run=_remove,
                arguments=arguments.pair_arguments),
    ]  # fmt: skip


def _list_commands() -> list[Command]:
    return [
        Command(name="requests", help="the worker's merge requests and how eligible they are now", run=_requests,
                arguments=arguments.requests_arguments),
        Command(name="request approve", help="approve recommendations, many at once", run=_approve_requests,
                arguments=arguments.approve_requests_arguments),
        Command(name="request remove", help="take requests off the list, many at once", run=_remove_requests,
                arguments=arguments.remove_requests_arguments),
        Command(name="request merge-and-remove", help="merge what is eligible now and take the rest off the list",
                run=_merge_and_remove, arguments=arguments.merge_and_remove_arguments),
        Command(name="report", help="all requests for a file or a printer", run=_report,
                arguments=arguments.report_arguments),
        Command(name="policy check", help="check an approval policy file", run=_policy_check,
                arguments=arguments.policy_check_arguments),
        Command(name="policy show", help="the policy in force, and whether it is paused", run=_policy_show,
                arguments=add_json),
        Command(name="policy pause", help="no automatic approval until it is resumed", run=_pause,
                arguments=arguments.actor_arguments),
        Command(name="policy resume", help="approve automatically again, what waited included", run=_resume,
                arguments=arguments.actor_arguments),
    ]  # fmt: skip


def _run(options: Arguments) -> int:
    app = _app()
    return app.consumer_service(relay=app.settings.relay.enabled and not options.no_relay).run()


def _relay(_options: Arguments) -> int:
    return _app().relay_service().run()


def _list(options: Arguments) -> int:
    from review_desk.terminal.case_commands import list_cases

    return list_cases(
        _app(),
        tenant_id=options.tenant,
        states=options.state,
        grades=options.grade,
        limit=options.limit,
        as_json=options.json,
    )


def _show(options: Arguments) -> int:
    from review_desk.terminal.case_commands import show

    return show(_app(), options.case, as_json=options.json)


def _approve(options: Arguments) -> int:
    from review_desk.terminal.case_commands import approve

    app = _app()
    choices = _choices(app, options, options.winner, "approved at the desk")
    return approve(app, options.case, _actor(options), choices, as_json=options.json)


def _reject(options: Arguments) -> int:
    from review_desk.terminal.case_commands import reject

    reason = options.reason or "rejected at the desk"
    return reject(_app(), options.case, _actor(options), reason, as_json=options.json)


def _search(options: Arguments) -> int:
    from merge_engine import SearchCriteria
    from review_desk.terminal.customer_commands import search

    criteria = SearchCriteria(
        name=options.name,
        phone=options.phone,
        email=options.email,
        national_id=options.national_id,
        customer_id=options.id,
        postal_code=options.postcode,
    )
    if criteria == SearchCriteria():
        print("review-desk search: give at least one of --name --phone --email --national-id --id --postcode",
              file=sys.stderr)  # fmt: skip
        return 2
    app = _app()
    return search(app, options.tenant or app.settings.tenant, criteria, limit=options.limit, as_json=options.json)


def _account(options: Arguments) -> int:
    from review_desk.terminal.customer_commands import account

    app = _app()
    return account(app, options.tenant or app.settings.tenant, options.customer_id, as_json=options.json)


def _merge(options: Arguments) -> int:
    from review_desk.terminal.customer_commands import merge

    return _of_pair(options, merge, "merged at the desk")


def _recommend(options: Arguments) -> int:
    from review_desk.terminal.customer_commands import recommend

    return _of_pair(options, recommend, "recommended at the desk")


def _of_pair(options: Arguments, act: Callable[..., int], reason: str) -> int:
    app = _app()
    tenant_id = options.tenant or app.settings.tenant
    choices = _choices(app, options, options.winner, reason)
    return act(app, tenant_id, _actor(options), options.loser, choices, as_json=options.json)


def _remove(options: Arguments) -> int:
    from review_desk.terminal.customer_commands import remove

    app = _app()
    return remove(
        app,
        options.tenant or app.settings.tenant,
        _actor(options),
        winner_id=options.winner,
        losers=options.loser,
        reason=options.reason or "removed at the desk",
        as_json=options.json,
    )


def _requests(options: Arguments) -> int:
    from review_desk.adapters.merge_requests import OPEN_STATUSES
    from review_desk.terminal.list_commands import requests

    return requests(
        _app(),
        tenant_id=options.tenant,
        statuses=options.status or OPEN_STATUSES,
        limit=options.limit,
        form="json" if options.json else "table",
    )


def _approve_requests(options: Arguments) -> int:
    from review_desk.terminal.request_commands import approve

    app = _app()
    return approve(app, options.request, _actor(options), _terms(app, options), **_which(options))


def _remove_requests(options: Arguments) -> int:
    from review_desk.terminal.request_commands import remove

    reason = options.reason or "removed at the desk"
    return remove(_app(), options.request, _actor(options), reason, **_which(options))


def _merge_and_remove(options: Arguments) -> int:
    from review_desk.terminal.request_commands import merge_and_remove

    app = _app()
    return merge_and_remove(app, options.request, _actor(options), _terms(app, options), **_which(options))


def _which(options: Arguments) -> dict[str, Any]:
    return {"tenant_id": options.tenant, "which": options.which or "named", "as_json": options.json}


def _terms(app: "App", options: Arguments) -> "Terms":
    from review_desk.application.review_requests import Terms

    return Terms(
        reason=options.reason or "reviewed at the desk",
        waived_rules=tuple(options.waive),
        wait=getattr(options, "wait", False),
        not_before=_not_before(app, options),
    )


def _report(options: Arguments) -> int:
    from review_desk.adapters.merge_requests import STATUSES
    from review_desk.terminal.list_commands import requests

    return requests(
        _app(), tenant_id=options.tenant, statuses=options.status or STATUSES, limit=None, form=options.format
    )


def _policy_check(options: Arguments) -> int:
    from review_desk.terminal.policy_check import check_policy

    return check_policy(options.file or _settings().policy, as_json=options.json)


def _policy_show(options: Arguments) -> int:
    from review_desk.terminal.policy_commands import show_policy

    return show_policy(_app(), as_json=options.json)


def _pause(options: Arguments) -> int:
    from review_desk.terminal.policy_commands import pause

    return pause(_app(), _actor(options), options.reason or "paused at the desk")


def _resume(options: Arguments) -> int:
    from review_desk.terminal.policy_commands import resume

    return resume(_app(), _actor(options), options.reason or "resumed at the desk")


def _actor(options: Arguments) -> "Actor":
    from customer_events import Actor

    return Actor(id=options.actor or user_name(), roles=tuple(options.role or ("merge",)))


def _choices(app: "App", options: Arguments, winner_id: str | None, reason: str) -> "Choices":
    from review_desk.application.approve_cases import Choices

    return Choices(
        reason=options.reason or reason,
        winner_id=winner_id,
        fields=tuple(options.field),
        rows=tuple(options.keep),
        facilitator_id=options.facilitator,
        waived_rules=tuple(getattr(options, "waive", ())),
        wait_until_eligible=getattr(options, "wait", False),
        not_before=_not_before(app, options),
    )


def _not_before(app: "App", options: Arguments) -> "datetime | None":
    at = getattr(options, "at", None)
    if at != "schedule":
        return at
    from review_desk.terminal.list_commands import next_schedule

    return next_schedule(app)


def _settings() -> "DeskSettings":
    from review_desk.settings import DeskSettings

    return DeskSettings.load(os.environ)


def _app() -> "App":
    from review_desk.app import App

    return App(_settings())


def _refusals() -> tuple[type[Exception], ...]:
    from merge_engine import MergeEngineError

    return (MergeEngineError,)


if __name__ == "__main__":
    sys.exit(main())
