"""The arguments of each command. Standard library only: --help needs nothing else."""

import argparse
import unicodedata
from datetime import UTC, datetime

from event_runtime.command_line import add_json

_STATES = ("OPEN", "WAITING", "APPROVED", "DONE", "REJECTED", "WITHDRAWN", "CLOSED")
_GRADES = ("CERTAIN", "PROBABLE", "POSSIBLE")
_STATUSES = (
    "recommended", "approved", "running", "deferred", "merged", "unmerging", "unmerged", "removed", "rejected",
)  # fmt: skip
_ROLES = ("recommend", "merge", "protected-data", "admin")


def run_arguments(parser: argparse.ArgumentParser) -> None:
    """`run`."""
    parser.add_argument("--no-relay", action="store_true", help="leave publishing to `review-desk relay`")


def list_arguments(parser: argparse.ArgumentParser) -> None:
    """`list`."""
    parser.add_argument("--state", action="append", default=[], choices=(*_STATES, "all"), help="may be repeated")
    parser.add_argument("--grade", action="append", default=[], choices=_GRADES, help="may be repeated")
    parser.add_argument("--limit", type=_positive, help="at most so many")
    parser.add_argument("--tenant", type=_tenant, help="default: all tenants")
    add_json(parser)


def show_arguments(parser: argparse.ArgumentParser) -> None:
    """`show`."""
    parser.add_argument("case", metavar="CASE", type=_id, help="number of the case, or id of its candidate")
    add_json(parser)


def approve_arguments(parser: argparse.ArgumentParser) -> None:
    """`approve`."""
    parser.add_argument("case", metavar="CASE", nargs="+", type=_id, help="number of a case, or id of its candidate")
    parser.add_argument("--winner", metavar="CUSTOMER_ID", type=_id, help="who survives (default: the plan chooses)")
    choice_arguments(parser)
    actor_arguments(parser)
    add_json(parser)


def reject_arguments(parser: argparse.ArgumentParser) -> None:
    """`reject`."""
    parser.add_argument("case", metavar="CASE", nargs="+", type=_id, help="number of a case, or id of its candidate")
    actor_arguments(parser)
    add_json(parser)


def search_arguments(parser: argparse.ArgumentParser) -> None:
    """`search`."""
    parser.add_argument("--name", type=_text, help="any word of it, or how one begins")
    for name in ("phone", "email", "national-id", "id", "postcode"):
        parser.add_argument(f"--{name}", type=_text)
    parser.add_argument("--limit", type=_positive, default=50, help="at most so many (default %(default)s)")
    parser.add_argument("--tenant", type=_tenant, help="default: the configured tenant")
    add_json(parser)


def account_arguments(parser: argparse.ArgumentParser) -> None:
    """`account`."""
    parser.add_argument("customer_id", metavar="CUSTOMER_ID", type=_id)
    parser.add_argument("--tenant", type=_tenant, help="default: the configured tenant")
    add_json(parser)


def pair_arguments(parser: argparse.ArgumentParser) -> None:
    """`remove`, and what `merge` and `recommend` begin with."""
    parser.add_argument("winner", metavar="WINNER", type=_id)
    parser.add_argument("loser", metavar="LOSER", nargs="+", type=_id)
    parser.add_argument("--tenant", type=_tenant, help="default: the configured tenant")
    actor_arguments(parser)
    add_json(parser)


def recommend_arguments(parser: argparse.ArgumentParser) -> None:
    """`recommend`."""
    pair_arguments(parser)
    _picks(parser)


def merge_arguments(parser: argparse.ArgumentParser) -> None:
    """`merge`."""
    pair_arguments(parser)
    choice_arguments(parser)


def choice_arguments(parser: argparse.ArgumentParser) -> None:
    """What is decided along with a merge."""
    _picks(parser)
    terms_arguments(parser)


def terms_arguments(parser: argparse.ArgumentParser) -> None:
    """On what terms a merge runs."""
    parser.add_argument("--waive", metavar="RULE", action="append", default=[], type=_id,
                        help="let it pass although this rule fails; takes the role that the rule names")  # fmt: skip
    parser.add_argument("--wait", "--wait-until-eligible", dest="wait", action="store_true",
                        help="send it although temporary rules fail; the worker tries until they pass")  # fmt: skip
    parser.add_argument("--at", metavar="TIME", type=_time,
                        help="not before this time (ISO 8601, UTC unless it says otherwise), or: schedule")  # fmt: skip


def _picks(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--field", "--choose", dest="field", metavar="FIELD=CUSTOMER_ID", action="append", default=[],
                        type=_choice, help="take a field from this customer; may be repeated")  # fmt: skip
    parser.add_argument("--keep", metavar="TABLE:ID,ID", action="append", default=[], type=_rows,
                        help="of this table keep only these rows; no ids: none; may be repeated")  # fmt: skip
    parser.add_argument("--facilitator", metavar="CUSTOMER_ID", type=_id,
                        help="who takes over what neither of them can keep")  # fmt: skip


def actor_arguments(parser: argparse.ArgumentParser) -> None:
    """Who acts, and why."""
    parser.add_argument(
        "--as", dest="actor", metavar="ID", type=_id, help="who decides (default: the user of this terminal)"
    )
    parser.add_argument("--role", action="append", choices=_ROLES, help="may be repeated (default: merge)")
    parser.add_argument("--reason", default="", type=_text, help="kept with the decision")


def approve_requests_arguments(parser: argparse.ArgumentParser) -> None:
    """`request approve`."""
    _which_arguments(parser, "eligible", "every recommendation that nothing stands against now")
    terms_arguments(parser)
    actor_arguments(parser)
    add_json(parser)


def remove_requests_arguments(parser: argparse.ArgumentParser) -> None:
    """`request remove`."""
    _which_arguments(parser, "ineligible", "every open request that a rule stands against now")
    actor_arguments(parser)
    add_json(parser)


def merge_and_remove_arguments(parser: argparse.ArgumentParser) -> None:
    """`request merge-and-remove`."""
    _which_arguments(parser)
    parser.add_argument("--waive", metavar="RULE", action="append", default=[], type=_id, help="may be repeated")
    actor_arguments(parser)
    add_json(parser)


def _which_arguments(parser: argparse.ArgumentParser, some: str | None = None, help_: str = "") -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("request", metavar="REQUEST", nargs="*", type=_id, default=[], help="ids of requests")
    which.add_argument("--all", dest="which", action="store_const", const="all", help="everything on the list")
    if some is not None:
        which.add_argument(f"--{some}", dest="which", action="store_const", const=some, help=help_)
    parser.add_argument("--tenant", type=_tenant, help="default: all tenants")


def requests_arguments(parser: argparse.ArgumentParser) -> None:
    """`requests`."""
    parser.add_argument("--status", action="append", default=[], choices=_STATUSES,
                        help="may be repeated (default: the open ones)")  # fmt: skip
    parser.add_argument("--limit", type=_positive, default=100, help="at most so many (default %(default)s)")
    parser.add_argument("--tenant", type=_tenant, help="default: all tenants")
    add_json(parser)


def report_arguments(parser: argparse.ArgumentParser) -> None:
    """`report`."""
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table")
    parser.add_argument("--status", action="append", default=[], choices=_STATUSES,
                        help="may be repeated (default: all)")  # fmt: skip
    parser.add_argument("--tenant", type=_tenant, help="default: all tenants")


def policy_check_arguments(parser: argparse.ArgumentParser) -> None:
    """`policy check`."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="default: the configured policy")
    add_json(parser)


def _choice(value: str) -> tuple[str, str]:
    name, equals, customer_id = value.partition("=")
    if not (name and equals and customer_id):
        raise argparse.ArgumentTypeError(f"{value!r} is not FIELD=CUSTOMER_ID")
    return _id(name), _id(customer_id)


def _rows(value: str) -> tuple[str, tuple[str, ...]]:
    table, sign, ids = value.partition(":" if ":" in value else "=")
    if not (table and sign):
        raise argparse.ArgumentTypeError(f"{value!r} is not TABLE:ID,ID")
    return _id(table), tuple(_id(one) for one in ids.split(",") if one)


def _time(value: str) -> str | datetime:
    if value == "schedule":
        return value
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is no time such as 2026-03-01T02:00+01:00") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _positive(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 9 and int(value) > 0):
        raise argparse.ArgumentTypeError(f"{value!r} is no whole number from 1 up")
    return int(value)


# The bounds of the contract (customer_events.base), so that a mistake is told before anything is asked of the database.
def _id(value: str) -> str:
    if not 1 <= len(value) <= 200 or any(unicodedata.category(character) == "Cc" for character in value):
        raise argparse.ArgumentTypeError("an id has 1 to 200 characters, none of them a control character")
    return value


def _tenant(value: str) -> str:
    if ":" in value:
        raise argparse.ArgumentTypeError("a tenant's id holds no colon")
    return _id(value)


def _text(value: str) -> str:
    if len(value) > 2_000 or "\x00" in value:
        raise argparse.ArgumentTypeError("a text has at most 2,000 characters")
    return value
