"""`dedupe-detector evaluate`."""

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path

from dedupe_detector.command_line.starting import no_clash
from event_runtime.command_line import Arguments, Command, add_json


def evaluate_commands() -> list[Command]:
    """Found pairs held against the truth."""
    return [
        Command(name="evaluate", help="score found pairs against the truth", run=_evaluate, arguments=_arguments),
    ]


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("pairs", type=Path, metavar="pairs.csv", help="as match writes it")
    parser.add_argument("--truth", type=Path, required=True, metavar="truth.csv", help="customer_id,entity_id")
    parser.add_argument("--clusters", type=Path, metavar="clusters.csv", help="score clusters as well")
    parser.add_argument("--link", type=Path, metavar="records.csv", help="count only pairs across its sources")
    parser.add_argument("--plot", type=_png, metavar="out.png", help="draw precision and recall, reliability, scores")
    add_json(parser)


def _png(text: str) -> Path:
    if not text.lower().endswith(".png"):
        raise ArgumentTypeError("must be the name of a .png file")
    return Path(text)


def _evaluate(options: Arguments) -> None:
    from dedupe_detector.terminal.evaluate import evaluate

    no_clash(options.pairs, options.truth, options.clusters, options.link, options.plot)
    evaluate(
        options.pairs,
        options.truth,
        records=options.link,
        clusters=options.clusters,
        plot=options.plot,
        as_json=options.json,
    )
