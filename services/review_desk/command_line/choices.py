"""Options of every command that decides something: who acts, on what terms, with which choices; and what they say."""

import argparse
from typing import TYPE_CHECKING

from event_runtime.command_line import Arguments, user_name
from review_desk.command_line.values import any_id, any_text, field_choice, rows_choice, time

if TYPE_CHECKING:
    from datetime import datetime

    from customer_events import Actor
    from review_desk.app import App
    from review_desk.application.approve_cases import Choices

_ROLES = ("recommend", "merge", "protected-data", "admin")


def choice_arguments(parser: argparse.ArgumentParser) -> None:
    """What is decided along with a merge."""
    pick_arguments(parser)
    terms_arguments(parser)


def terms_arguments(parser: argparse.ArgumentParser) -> None:
    """On what terms a merge runs."""
    parser.add_argument("--waive", metavar="RULE", action="append", default=[], type=any_id,
                        help="let it pass although this rule fails; takes the role that the rule names")  # fmt: skip
    parser.add_argument("--wait", "--wait-until-eligible", dest="wait", action="store_true",
                        help="send it although temporary rules fail; the worker tries until they pass")  # fmt: skip
    parser.add_argument("--at", metavar="TIME", type=time,
                        help="not before this time (ISO 8601, UTC unless it says otherwise), or: schedule")  # fmt: skip


def pick_arguments(parser: argparse.ArgumentParser) -> None:
    """What is taken from whom."""
    parser.add_argument("--field", "--choose", dest="field", metavar="FIELD=CUSTOMER_ID", action="append", default=[],
                        type=field_choice, help="take a field from this customer; may be repeated")  # fmt: skip
    parser.add_argument("--keep", metavar="TABLE:ID,ID", action="append", default=[], type=rows_choice,
                        help="of this table keep only these rows; no ids: none; may be repeated")  # fmt: skip
    parser.add_argument("--facilitator", metavar="CUSTOMER_ID", type=any_id,
                        help="who takes over what neither of them can keep")  # fmt: skip


def actor_arguments(parser: argparse.ArgumentParser) -> None:
    """Who acts, and why."""
    parser.add_argument(
        "--as", dest="actor", metavar="ID", type=any_id, help="who decides (default: the user of this terminal)"
    )
    parser.add_argument("--role", action="append", choices=_ROLES, help="may be repeated (default: merge)")
    parser.add_argument("--reason", default="", type=any_text, help="kept with the decision")


def actor(options: Arguments) -> "Actor":
    """Who acts."""
    from customer_events import Actor

    return Actor(id=options.actor or user_name(), roles=tuple(options.role or ("merge",)))


def choices(app: "App", options: Arguments, winner_id: str | None, reason: str) -> "Choices":
    """What is decided along with a merge; `reason` unless one was given."""
    from review_desk.application.approve_cases import Choices

    return Choices(
        reason=options.reason or reason,
        winner_id=winner_id,
        fields=tuple(options.field),
        rows=tuple(options.keep),
        facilitator_id=options.facilitator,
        waived_rules=tuple(getattr(options, "waive", ())),
        wait_until_eligible=getattr(options, "wait", False),
        not_before=not_before(app, options),
    )


def not_before(app: "App", options: Arguments) -> "datetime | None":
    """When a merge may run; None for now."""
    at = getattr(options, "at", None)
    if at != "schedule":
        return at
    from review_desk.terminal.requests import next_schedule

    return next_schedule(app)
