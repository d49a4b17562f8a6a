"""The command line of the merge worker: command_line/ has what can be typed, terminal/ what it does and prints.

What a command needs is imported when it runs, so that --help is quick.
"""

import sys
from collections.abc import Sequence

from event_runtime.command_line import run_cli
from event_runtime.service_commands import shared_commands
from merge_worker.command_line.audit import audit_commands
from merge_worker.command_line.erasures import erasure_commands
from merge_worker.command_line.plan import plan_commands
from merge_worker.command_line.schedule import schedule_commands
from merge_worker.command_line.send import send_commands
from merge_worker.command_line.service import service_commands
from merge_worker.command_line.starting import refusals, settings
from merge_worker.command_line.unmerge import unmerge_commands


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    return run_cli(
        "merge-worker",
        "Merge commands in, merged customers out.",
        [
            *service_commands(),
            *audit_commands(),
            *send_commands(),
            *erasure_commands(),
            *unmerge_commands(),
            *schedule_commands(),
            *plan_commands(),
            *shared_commands(settings, package="merge_worker", schema="merge"),
        ],
        argv=argv,
        refusals=refusals,
    )


if __name__ == "__main__":
    sys.exit(main())
