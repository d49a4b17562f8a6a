"""`dedupe-detector match`."""

from argparse import ArgumentParser
from pathlib import Path

from dedupe_detector.command_line.starting import micro_batch_argument, model_argument, no_clash
from event_runtime.command_line import Arguments, Command, add_json


def match_commands() -> list[Command]:
    """A customer file, matched as a stream."""
    return [Command(name="match", help="match a customer file as a stream", run=_match, arguments=_arguments)]


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("input", type=Path, metavar="INPUT.csv", help="customers, in the order they came")
    parser.add_argument("--output", type=Path, required=True, metavar="pairs.csv", help="where the pairs go")
    parser.add_argument("--clusters", type=Path, metavar="clusters.csv", help="where an entity id per customer goes")
    model_argument(parser)
    micro_batch_argument(parser, default=100)
    parser.add_argument("--link-sources", action="store_true", help="only pairs whose sources differ")
    add_json(parser)


def _match(options: Arguments) -> None:
    from dedupe_detector.terminal.match import match

    no_clash(options.input, options.output, options.clusters, options.model)
    match(
        options.input,
        pairs=options.output,
        clusters=options.clusters,
        model=options.model,
        micro_batch=options.micro_batch,
        link_sources=options.link_sources,
        as_json=options.json,
    )
