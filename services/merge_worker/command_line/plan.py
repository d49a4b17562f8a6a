"""`merge-worker plan view | show | discover | check`."""

import argparse

from event_runtime.command_line import WRONG_USAGE, Arguments, Command, add_json
from merge_worker.command_line.starting import tool


def plan_commands() -> list[Command]:
    """Merge plans."""
    return [
        Command(
            name="plan view",
            help="print the SQL of a view with each person once, for mailings",
            arguments=_view_arguments,
            run=_view,
        ),
        Command(name="plan show", help="print a merge plan", arguments=_plan_argument, run=_show),
        Command(
            name="plan discover",
            help="draft a merge plan from the tables of the database",
            arguments=_discover_arguments,
            run=_discover,
        ),
        Command(
            name="plan check",
            help="compare a merge plan with the tables of the database",
            arguments=_check_arguments,
            run=_check,
        ),
    ]


def _plan_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", nargs="?", help="a path, or the name of a shipped plan (default: the one configured)")


def _view_arguments(parser: argparse.ArgumentParser) -> None:
    _plan_argument(parser)
    parser.add_argument(
        "--name", default="merge.canonical_customers", metavar="SCHEMA.VIEW", help="(default: %(default)s)"
    )


def _view(options: Arguments) -> int:
    from event_runtime.output import say
    from merge_worker.terminal.plan import plan_view

    if options.name.count(".") != 1:
        say("merge-worker plan view: --name is SCHEMA.VIEW")
        return WRONG_USAGE
    return plan_view(tool(plan=options.plan), options.name)


def _show(options: Arguments) -> int:
    from merge_worker.terminal.plan import plan_show

    return plan_show(tool(plan=options.plan))


def _discover_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--table", metavar="SCHEMA.TABLE", help="the customer table (default: found by its name)")
    parser.add_argument("--name", help="what the plan is called (default: the name of the schema)")
    parser.add_argument("--output", metavar="FILE", help="write a new file (default: standard output)")


def _discover(options: Arguments) -> int:
    from merge_worker.terminal.plan import plan_discover

    return plan_discover(tool(), table=options.table, name=options.name, output=options.output)


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    _plan_argument(parser)
    add_json(parser)


def _check(options: Arguments) -> int:
    from merge_worker.terminal.plan import plan_check

    return plan_check(tool(plan=options.plan), as_json=options.json)
