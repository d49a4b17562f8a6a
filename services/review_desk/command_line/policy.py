"""`review-desk policy check | show | pause | resume`."""

import argparse

from event_runtime.command_line import Arguments, Command, add_json
from review_desk.command_line.choices import actor, actor_arguments
from review_desk.command_line.starting import desk, settings


def policy_commands() -> list[Command]:
    """What is approved without a person, and the switch of that."""
    return [
        Command(name="policy check", help="check an approval policy file", run=_check,
                arguments=_check_arguments),
        Command(name="policy show", help="the policy in force, and whether it is paused", run=_show,
                arguments=add_json),
        Command(name="policy pause", help="no automatic approval until it is resumed", run=_pause,
                arguments=actor_arguments),
        Command(name="policy resume", help="approve automatically again, what waited included", run=_resume,
                arguments=actor_arguments),
    ]  # fmt: skip


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", nargs="?", help="default: the configured policy")
    add_json(parser)


def _check(options: Arguments) -> int:
    from review_desk.terminal.policy_check import check_policy

    return check_policy(options.file or settings().policy, as_json=options.json)


def _show(options: Arguments) -> int:
    from review_desk.terminal.policy import show_policy

    return show_policy(desk(), as_json=options.json)


def _pause(options: Arguments) -> int:
    from review_desk.terminal.policy import pause

    return pause(desk(), actor(options), options.reason or "paused at the desk")


def _resume(options: Arguments) -> int:
    from review_desk.terminal.policy import resume

    return resume(desk(), actor(options), options.reason or "resumed at the desk")
