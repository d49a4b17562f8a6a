"""`review-desk list | show | approve | reject`: cases."""

import argparse
from pathlib import Path

from event_runtime.command_line import Arguments, Command, add_json
from review_desk.command_line.choices import actor, actor_arguments, choice_arguments, choices
from review_desk.command_line.starting import desk
from review_desk.command_line.values import any_id, positive, tenant_id

_STATES = ("OPEN", "WAITING", "HALF_APPROVED", "APPROVED", "DONE", "REJECTED", "WITHDRAWN", "CLOSED")
_GRADES = ("CERTAIN", "PROBABLE", "POSSIBLE")


def case_commands() -> list[Command]:
    """People look at cases and decide them."""
    return [
        Command(name="list", help="cases, the surest first; the undecided ones unless --state says otherwise",
                run=_list, arguments=_list_arguments),
        Command(name="show", help="one case: evidence, preview, what stands against it, who decided what",
                run=_show, arguments=_show_arguments),
        Command(name="approve", help="approve cases: their merges are sent, or wait for one in flight",
                run=_approve, arguments=_approve_arguments),
        Command(name="reject", help="the pairs of these cases are different people, and stay apart",
                run=_reject, arguments=_reject_arguments),
    ]  # fmt: skip


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", action="append", default=[], choices=(*_STATES, "all"), help="may be repeated")
    parser.add_argument("--grade", action="append", default=[], choices=_GRADES, help="may be repeated")
    parser.add_argument("--limit", type=positive, help="at most so many")
    parser.add_argument("--tenant", type=tenant_id, help="default: all tenants")
    add_json(parser)


def _list(options: Arguments) -> int:
    from review_desk.terminal.cases import list_cases

    return list_cases(
        desk(),
        tenant_id=options.tenant,
        states=options.state,
        grades=options.grade,
        limit=options.limit,
        as_json=options.json,
    )


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", metavar="CASE", type=any_id, help="number of the case, or id of its candidate")
    parser.add_argument("--svg", metavar="FILE.svg", type=Path, help="draw the evidence there, too")
    add_json(parser)


def _show(options: Arguments) -> int:
    from review_desk.terminal.cases import show

    return show(desk(), options.case, svg=options.svg, as_json=options.json)


def _approve_arguments(parser: argparse.ArgumentParser) -> None:
    _cases_argument(parser)
    parser.add_argument("--winner", metavar="CUSTOMER_ID", type=any_id, help="who survives (default: the plan chooses)")
    choice_arguments(parser)
    actor_arguments(parser)
    add_json(parser)


def _approve(options: Arguments) -> int:
    from review_desk.terminal.cases import approve

    app = desk()
    chosen = choices(app, options, options.winner, "approved at the desk")
    return approve(app, options.case, actor(options), chosen, as_json=options.json)


def _reject_arguments(parser: argparse.ArgumentParser) -> None:
    _cases_argument(parser)
    actor_arguments(parser)
    add_json(parser)


def _reject(options: Arguments) -> int:
    from review_desk.terminal.cases import reject

    reason = options.reason or "rejected at the desk"
    return reject(desk(), options.case, actor(options), reason, as_json=options.json)


def _cases_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", metavar="CASE", nargs="+", type=any_id, help="number of a case, or id of its candidate")
