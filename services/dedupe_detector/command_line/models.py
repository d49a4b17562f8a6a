"""`dedupe-detector models list | pin | unpin`."""

from argparse import ArgumentParser

from dedupe_detector.command_line.starting import app, tenant_arguments
from event_runtime.command_line import Arguments, Command


def models_commands() -> list[Command]:
    """The fits of a tenant, and which of them scores."""
    return [
        Command(
            name="models list", help="the models fitted to a tenant's records", run=_list, arguments=tenant_arguments
        ),
        Command(
            name="models pin", help="score with one version until it is unpinned", run=_pin, arguments=_pin_arguments
        ),
        Command(
            name="models unpin",
            help="score with the newest fit again, and go on fitting",
            run=_unpin,
            arguments=tenant_arguments,
        ),
    ]


def _pin_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("version", metavar="VERSION", help="as models list shows it")
    tenant_arguments(parser)


def _list(options: Arguments) -> None:
    from dedupe_detector.terminal.models import list_models

    list_models(app(), tenant_id=options.tenant, as_json=options.json)


def _pin(options: Arguments) -> None:
    from dedupe_detector.terminal.models import pin_model

    pin_model(app(), options.version, tenant_id=options.tenant)


def _unpin(options: Arguments) -> None:
    from dedupe_detector.terminal.models import unpin_model

    unpin_model(app(), tenant_id=options.tenant)
