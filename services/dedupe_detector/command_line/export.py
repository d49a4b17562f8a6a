"""`dedupe-detector export-splink`."""

from argparse import ArgumentParser
from pathlib import Path

from dedupe_detector.command_line.starting import app, model_argument, no_clash, tenant_arguments
from event_runtime.command_line import Arguments, Command


def export_commands() -> list[Command]:
    """A base for Splink."""
    return [
        Command(
            name="export-splink",
            help="a base with its keys, and the model as Splink settings, for Spark",
            run=_export,
            arguments=_arguments,
        )
    ]


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("input", type=Path, nargs="?", metavar="FILE.csv", help="customers; default: the whole index")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="a new directory")
    model_argument(parser, what="default: the shipped model, or the one that scores the index")
    tenant_arguments(parser)


def _export(options: Arguments) -> None:
    from dedupe_detector.terminal.export import export_file, export_index

    no_clash(options.input, options.output, options.model)
    if options.input is not None:
        export_file(options.input, options.output, model=options.model, as_json=options.json)
    else:
        export_index(app(), options.output, model=options.model, tenant_id=options.tenant, as_json=options.json)
