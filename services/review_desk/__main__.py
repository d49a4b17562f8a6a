"""The command line of the review desk: command_line/ has what can be typed, terminal/ what it does and prints.

What a command needs is imported when it runs, so that --help is quick.
"""

import sys
from collections.abc import Sequence

from event_runtime.command_line import run_cli
from event_runtime.service_commands import shared_commands
from review_desk.command_line.cases import case_commands
from review_desk.command_line.customers import customer_commands
from review_desk.command_line.policy import policy_commands
from review_desk.command_line.requests import request_commands
from review_desk.command_line.service import service_commands
from review_desk.command_line.starting import refusals, settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    return run_cli(
        "review-desk",
        "Policy and people decide which candidates become merge commands.",
        [
            *service_commands(),
            *shared_commands(settings, package="review_desk", schema="review"),
            *case_commands(),
            *customer_commands(),
            *request_commands(),
            *policy_commands(),
        ],
        argv=argv,
        refusals=refusals,
    )


if __name__ == "__main__":
    sys.exit(main())
