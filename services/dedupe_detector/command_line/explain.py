"""`dedupe-detector explain`."""

from argparse import ArgumentParser
from pathlib import Path

from dedupe_detector.command_line.starting import app, tenant_arguments
from event_runtime.command_line import Arguments, Command


def explain_commands() -> list[Command]:
    """The reasons for a score."""
    return [
        Command(
            name="explain",
            help="why two customers look like one person, or do not",
            run=_explain,
            arguments=_arguments,
        )
    ]


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("id_a", metavar="ID_A", help="a customer id")
    parser.add_argument("id_b", metavar="ID_B", help="another customer id")
    parser.add_argument("--svg", type=Path, metavar="FILE.svg", help="draw the weights there, too")
    tenant_arguments(parser)


def _explain(options: Arguments) -> None:
    from dedupe_detector.terminal.explain import explain

    explain(app(), options.id_a, options.id_b, tenant_id=options.tenant, svg=options.svg, as_json=options.json)
