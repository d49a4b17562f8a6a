"""`merge-worker run | relay | status`."""

import argparse

from event_runtime.command_line import Arguments, Command, add_json
from merge_worker.command_line.starting import service_app, tenant_argument, tool


def service_commands() -> list[Command]:
    """The service, and how it is doing."""
    return [
        Command(
            name="run",
            help="consume commands, merge, and publish what became of them",
            arguments=_run_arguments,
            run=_run,
        ),
        Command(name="relay", help="only publish what is in the outbox", run=_relay),
        Command(
            name="status",
            help="what goes by an id, or how the worker is doing",
            arguments=_status_arguments,
            run=_status,
        ),
    ]


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-relay", action="store_true", help="leave publishing to `merge-worker relay`")


def _run(options: Arguments) -> int:
    app = service_app()
    return app.consumer_service(relay=app.settings.relay.enabled and not options.no_relay).run()


def _relay(_options: Arguments) -> int:
    return service_app().relay_service().run()


def _status_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", nargs="?", help="a customer, command, request or merge")
    tenant_argument(parser)
    add_json(parser)


def _status(options: Arguments) -> int:
    from merge_worker.terminal.status import status

    return status(tool(), options.id, tenant_id=options.tenant, as_json=options.json)
