"""The command line of the detector: command_line/ has what can be typed, terminal/ what it does and prints.

What a command needs is imported when it runs, so that --help is quick.
"""

import os
import sys
from collections.abc import Sequence

from dedupe_detector.command_line.backfill import backfill_commands
from dedupe_detector.command_line.evaluate import evaluate_commands
from dedupe_detector.command_line.explain import explain_commands
from dedupe_detector.command_line.export import export_commands
from dedupe_detector.command_line.match import match_commands
from dedupe_detector.command_line.models import models_commands
from dedupe_detector.command_line.service import service_commands
from dedupe_detector.command_line.starting import refusals, settings
from dedupe_detector.command_line.train import train_commands
from event_runtime.command_line import run_cli
from event_runtime.service_commands import shared_commands


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    # A second thread of the arithmetic would only spin beside arrays as small as these; read when numpy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return run_cli(
        "dedupe-detector",
        "Finds customers recorded twice, as they are recorded.",
        [
            *service_commands(),
            *shared_commands(settings, package="dedupe_detector", schema="detector"),
            *backfill_commands(),
            *export_commands(),
            *match_commands(),
            *evaluate_commands(),
            *explain_commands(),
            *models_commands(),
            *train_commands(),
        ],
        argv=argv,
        refusals=refusals,
    )


if __name__ == "__main__":
    sys.exit(main())
