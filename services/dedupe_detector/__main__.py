"""The command line of the detector. What a command needs is imported when it runs, so that --help is quick."""

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from event_runtime.command_line import Arguments, Command, add_json, run_cli
from event_runtime.service_commands import shared_commands

if TYPE_CHECKING:
    from customer_identity.matching.model import Model
    from dedupe_detector.app import App
    from dedupe_detector.settings import DetectorSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    return run_cli(
        "dedupe-detector",
        "Finds customers recorded twice, as they are recorded.",
        [
            Command(name="run", help="consume customer events, publish candidates", run=_run, arguments=_run_arguments),
            Command(name="relay", help="only publish what is in the outbox", run=_relay),
            *shared_commands(_settings, package="dedupe_detector", schema="detector"),
            Command(name="match", help="match a customer file as a stream", run=_match, arguments=_match_arguments),
            Command(name="evaluate", help="score found pairs against the truth", run=_evaluate,
                    arguments=_evaluate_arguments),
            Command(name="explain", help="why two customers look like one person, or do not", run=_explain,
                    arguments=_explain_arguments),
            Command(name="models list", help="the models fitted to a tenant's records", run=_list_models,
                    arguments=_models_arguments),
            Command(name="models pin", help="score with one version until it is unpinned", run=_pin_model,
                    arguments=_pin_arguments),
            Command(name="models unpin", help="score with the newest fit again, and go on fitting", run=_unpin_model,
                    arguments=_models_arguments),
            Command(name="train", help="fit a model to a customer file, without labels", run=_train,
                    arguments=_train_arguments),
        ],
        argv=argv,
        refusals=_refusals,
    )  # fmt: skip


def _run_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--no-relay", action="store_true", help="leave publishing to another process (see relay)")


def _match_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("input", type=Path, metavar="INPUT.csv", help="customers, in the order they came")
    parser.add_argument("--output", type=Path, required=True, metavar="pairs.csv", help="where the pairs go")
    parser.add_argument("--clusters", type=Path, metavar="clusters.csv", help="where an entity id per customer goes")
    parser.add_argument("--model", type=Path, metavar="model.json", help="default: the shipped model")
    parser.add_argument("--micro-batch", type=_count, default=100, metavar="N", help="records read at a time (100)")
    parser.add_argument("--link-sources", action="store_true", help="only pairs whose sources differ")
    add_json(parser)


def _evaluate_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("pairs", type=Path, metavar="pairs.csv", help="as match writes it")
    parser.add_argument("--truth", type=Path, required=True, metavar="truth.csv", help="customer_id,entity_id")
    parser.add_argument("--clusters", type=Path, metavar="clusters.csv", help="score clusters as well")
    parser.add_argument("--link", type=Path, metavar="records.csv", help="count only pairs across its sources")
    add_json(parser)


def _explain_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("id_a", metavar="ID_A", help="a customer id")
    parser.add_argument("id_b", metavar="ID_B", help="another customer id")
    parser.add_argument("--tenant", help="default: the setting TENANT")
    add_json(parser)


def _train_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("input", type=Path, metavar="INPUT.csv", help="customers")
    parser.add_argument("--output", type=Path, required=True, metavar="model.json", help="where the model goes")
    parser.add_argument("--model", type=Path, metavar="model.json", help="where to start; default: the shipped model")
    add_json(parser)


def _models_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--tenant", help="default: the setting TENANT")
    add_json(parser)


def _pin_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("version", metavar="VERSION", help="as models list shows it")
    _models_arguments(parser)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise ArgumentTypeError("must be a number of records, 1 or more")
    return int(text)


def _run(options: Arguments) -> int:
    app = _app()
    return app.consumer_service(relay=app.settings.relay.enabled and not options.no_relay).run()


def _relay(_: Arguments) -> int:
    return _app().relay_service().run()


def _match(options: Arguments) -> None:
    from dedupe_detector.application.match_file import FileMatch
    from event_runtime.output import show_json_lines

    _no_clash(options.input, options.output, options.clusters)
    report = FileMatch(
        source=options.input,
        pairs=options.output,
        clusters=options.clusters,
        model=_model(options.model),
        micro_batch=options.micro_batch,
        link_sources=options.link_sources,
    ).run()
    if options.json:
        show_json_lines([report])
    else:
        print(
            f"{report.records} records, {report.pairs} pairs, {report.seconds:.2f} seconds, "
            f"{report.records_per_second:.0f} records per second, peak memory {report.peak_memory_mb:.0f} MB"
        )


def _evaluate(options: Arguments) -> None:
    from dedupe_detector.application.evaluate_pairs import evaluate_pairs
    from event_runtime.output import show_json_lines

    figures = evaluate_pairs(options.pairs, options.truth, records=options.link, clusters=options.clusters)
    if options.json:
        show_json_lines([figures])
    else:
        for name, value in figures.items():
            print(f"{name:<20} {value}")


def _explain(options: Arguments) -> None:
    from event_runtime.output import show_json_lines

    app = _app()
    with app.database.connect() as connection:
        found = app.explain.explain(connection, options.tenant or app.settings.tenant, options.id_a, options.id_b)
    if options.json:
        show_json_lines([found])
    else:
        print(found.as_text())


def _list_models(options: Arguments) -> None:
    from dataclasses import asdict

    from dedupe_detector.adapters.model_tables import listing
    from event_runtime.output import show_rows

    app = _app()
    with app.database.connect() as connection:
        found = listing(connection, options.tenant or app.settings.tenant)
    show_rows([asdict(model) for model in found], as_json=options.json)


def _pin_model(options: Arguments) -> None:
    from dedupe_detector.adapters.model_tables import pin
    from event_runtime.faults import Fault
    from event_runtime.output import say

    app = _app()
    tenant = options.tenant or app.settings.tenant
    with app.database.begin() as connection:
        if not pin(connection, tenant, options.version):
            raise Fault(f"tenant {tenant} has no model {options.version}: see models list")
    say(f"tenant {tenant} is scored with {options.version} until models unpin")


def _unpin_model(options: Arguments) -> None:
    from dedupe_detector.adapters.model_tables import unpin
    from event_runtime.output import say

    app = _app()
    tenant = options.tenant or app.settings.tenant
    with app.database.begin() as connection:
        was_pinned = unpin(connection, tenant)
    say(f"tenant {tenant} is scored with its newest fit" + ("" if was_pinned else ", as before"))


def _train(options: Arguments) -> None:
    from dedupe_detector.application.train_model import train_model
    from event_runtime.output import show_json_lines

    _no_clash(options.input, options.output, options.model)
    report = train_model(options.input, options.output, _model(options.model))
    if options.json:
        show_json_lines([report])
    else:
        print(
            f"model {report.version} from {report.records} records and {report.candidate_pairs} candidate pairs: "
            f"{report.duplicates_per_record} duplicates a record"
        )


def _no_clash(*paths: Path | None) -> None:
    """One file given in two places would be overwritten while it is read."""
    from event_runtime.faults import SettingError

    given = [path.resolve() for path in paths if path is not None]
    if len(set(given)) < len(given):
        raise SettingError("one file is named twice: input and outputs must differ")


def _model(path: Path | None) -> "Model":
    from dedupe_detector.adapters.files import read_model, shipped_model

    return shipped_model() if path is None else read_model(path)


def _refusals() -> tuple[type[Exception], ...]:
    from customer_identity.faults import IdentityFault

    return (IdentityFault,)


def _settings() -> "DetectorSettings":
    from dedupe_detector.settings import DetectorSettings

    return DetectorSettings.load(os.environ)


def _app() -> "App":
    from dedupe_detector.app import App

    return App(_settings())


if __name__ == "__main__":
    sys.exit(main())
