"""`merge-worker erasures list | confirm | decline`."""

import argparse

from event_runtime.command_line import Arguments, Command, add_json, user_name
from merge_worker.command_line.starting import tenant_argument, tool


def erasure_commands() -> list[Command]:
    """Requests to be forgotten."""
    return [
        Command(
            name="erasures list",
            help="who is to be forgotten, and what that waits for",
            arguments=_list_arguments,
            run=_list,
        ),
        Command(
            name="erasures confirm",
            help="forget a customer and everybody merged with it",
            arguments=_decision_arguments,
            run=_confirm,
        ),
        Command(
            name="erasures decline",
            help="forget nobody; the request ends",
            arguments=_decision_arguments,
            run=_decline,
        ),
    ]


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="those that are done or declined, too")
    add_json(parser)


def _list(options: Arguments) -> int:
    from merge_worker.terminal.erasures import list_erasures

    return list_erasures(tool(), everything=options.all, as_json=options.json)


def _decision_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("customer_id", metavar="CUSTOMER_ID", help="the customer that the request names")
    parser.add_argument("--by", default=user_name(), help="who decides (default: %(default)s)")
    tenant_argument(parser)


def _confirm(options: Arguments) -> int:
    return _decide(options, confirmed=True)


def _decline(options: Arguments) -> int:
    return _decide(options, confirmed=False)


def _decide(options: Arguments, *, confirmed: bool) -> int:
    from merge_worker.terminal.erasures import decide

    return decide(tool(), options.customer_id, tenant_id=options.tenant, confirmed=confirmed, by=options.by)
