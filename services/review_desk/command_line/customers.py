"""`review-desk search | account | merge | recommend | remove`: customers."""

import argparse
from collections.abc import Callable

from event_runtime.command_line import WRONG_USAGE, Arguments, Command, add_json
from review_desk.command_line.choices import actor, actor_arguments, choice_arguments, choices, pick_arguments
from review_desk.command_line.starting import desk
from review_desk.command_line.values import any_id, any_text, positive, tenant_id


def customer_commands() -> list[Command]:
    """People work with customers directly."""
    return [
        Command(name="search", help="find customers; all that is given must match", run=_search,
                arguments=_search_arguments),
        Command(name="account", help="one customer: record, rows, merged accounts, cases", run=_account,
                arguments=_account_arguments),
        Command(name="merge", help="merge LOSERs into WINNER, now or later", run=_merge,
                arguments=_merge_arguments),
        Command(name="recommend", help="put a merge on the list for somebody who may merge", run=_recommend,
                arguments=_recommend_arguments),
        Command(name="remove", help="take the open requests for these customers off the list", run=_remove,
                arguments=_pair_arguments),
    ]  # fmt: skip


def _search_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", type=any_text, help="any word of it, or how one begins")
    for name in ("phone", "email", "national-id", "id", "postcode"):
        parser.add_argument(f"--{name}", type=any_text)
    parser.add_argument("--limit", type=positive, default=50, help="at most so many (default %(default)s)")
    _tenant_argument(parser)
    add_json(parser)


def _search(options: Arguments) -> int:
    from event_runtime.output import say
    from merge_engine import SearchCriteria
    from review_desk.terminal.customers import search

    criteria = SearchCriteria(
        name=options.name,
        phone=options.phone,
        email=options.email,
        national_id=options.national_id,
        customer_id=options.id,
        postal_code=options.postcode,
    )
    if criteria == SearchCriteria():
        say("review-desk search: give at least one of --name --phone --email --national-id --id --postcode")
        return WRONG_USAGE
    app = desk()
    return search(app, options.tenant or app.settings.tenant, criteria, limit=options.limit, as_json=options.json)


def _account_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("customer_id", metavar="CUSTOMER_ID", type=any_id)
    _tenant_argument(parser)
    add_json(parser)


def _account(options: Arguments) -> int:
    from review_desk.terminal.customers import account

    app = desk()
    return account(app, options.tenant or app.settings.tenant, options.customer_id, as_json=options.json)


def _merge_arguments(parser: argparse.ArgumentParser) -> None:
    _pair_arguments(parser)
    choice_arguments(parser)


def _merge(options: Arguments) -> int:
    from review_desk.terminal.customers import merge

    return _of_pair(options, merge, "merged at the desk")


def _recommend_arguments(parser: argparse.ArgumentParser) -> None:
    _pair_arguments(parser)
    pick_arguments(parser)


def _recommend(options: Arguments) -> int:
    from review_desk.terminal.customers import recommend

    return _of_pair(options, recommend, "recommended at the desk")


def _remove(options: Arguments) -> int:
    from review_desk.terminal.customers import remove

    app = desk()
    return remove(
        app,
        options.tenant or app.settings.tenant,
        actor(options),
        winner_id=options.winner,
        losers=options.loser,
        reason=options.reason or "removed at the desk",
        as_json=options.json,
    )


def _pair_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("winner", metavar="WINNER", type=any_id)
    parser.add_argument("loser", metavar="LOSER", nargs="+", type=any_id)
    _tenant_argument(parser)
    actor_arguments(parser)
    add_json(parser)


def _of_pair(options: Arguments, act: Callable[..., int], reason: str) -> int:
    app = desk()
    chosen = choices(app, options, options.winner, reason)
    tenant = options.tenant or app.settings.tenant
    return act(app, tenant, actor(options), options.loser, chosen, as_json=options.json)


def _tenant_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tenant", type=tenant_id, help="default: the configured tenant")
