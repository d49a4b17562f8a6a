"""`merge-worker schedule list | run`."""

import argparse

from event_runtime.command_line import Arguments, Command, add_json, user_name
from merge_worker.command_line.starting import tool


def schedule_commands() -> list[Command]:
    """When everything that waits is tried."""
    return [
        Command(
            name="schedule list",
            help="when everything that waits is tried, and the last runs",
            arguments=add_json,
            run=_list,
        ),
        Command(
            name="schedule run",
            help="have everything tried now that is approved or waits",
            arguments=_run_arguments,
            run=_run,
        ),
    ]


def _list(options: Arguments) -> int:
    from merge_worker.terminal.schedule import schedule_list

    return schedule_list(tool(), as_json=options.json)


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tenant", help="only requests of this tenant (default: of all)")
    parser.add_argument("--by", default=user_name(), help="who asks (default: %(default)s)")
    add_json(parser)


def _run(options: Arguments) -> int:
    from merge_worker.terminal.schedule import schedule_run

    return schedule_run(tool(), tenant_id=options.tenant, actor=options.by, as_json=options.json)
