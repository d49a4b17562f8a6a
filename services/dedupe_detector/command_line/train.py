"""`dedupe-detector train`."""

from argparse import ArgumentParser
from pathlib import Path

from dedupe_detector.command_line.starting import app, model_argument, no_clash
from event_runtime.command_line import Arguments, Command, add_json


def train_commands() -> list[Command]:
    """A model fitted to a customer base."""
    return [
        Command(
            name="train",
            help="fit a model to a customer base; without labels, or better with them",
            run=_train,
            arguments=_arguments,
        )
    ]


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("input", nargs="?", type=Path, metavar="INPUT.csv", help="customers")
    parser.add_argument(
        "--from-index", action="store_true", help="learn from the service's records and from what people decided"
    )
    parser.add_argument("--tenant", help="with --from-index; default: the setting TENANT")
    parser.add_argument("--output", type=Path, required=True, metavar="model.json", help="where the model goes")
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FILE.csv",
        help="what is known of some: customer_id_a,customer_id_b,label with 1 for one person and 0 for two; "
        "or, as in a truth, customer_id,entity_id",
    )
    model_argument(parser, what="where to start; default: the shipped model")
    add_json(parser)


def _train(options: Arguments) -> None:
    from dedupe_detector.terminal.train import train, train_from_index
    from event_runtime.faults import SettingError

    if options.from_index == (options.input is not None):
        raise SettingError("train learns from INPUT.csv or --from-index: name one of them")
    if options.from_index and options.labels is not None:
        raise SettingError("--labels goes with INPUT.csv: with --from-index the decisions of people are the labels")
    if options.tenant and not options.from_index:
        raise SettingError("--tenant goes with --from-index: a file has one tenant")
    no_clash(options.input, options.output, options.model, options.labels)
    if options.from_index:
        train_from_index(app(), options.output, tenant_id=options.tenant, model=options.model, as_json=options.json)
    else:
        train(options.input, options.output, model=options.model, labels=options.labels, as_json=options.json)
