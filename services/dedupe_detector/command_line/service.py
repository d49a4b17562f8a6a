"""`dedupe-detector run | relay | status`."""

from argparse import ArgumentParser

from dedupe_detector.command_line.starting import app
from event_runtime.command_line import Arguments, Command, add_json


def service_commands() -> list[Command]:
    """The service, and how it is doing."""
    return [
        Command(name="run", help="consume customer events, publish candidates", run=_run, arguments=_run_arguments),
        Command(name="relay", help="only publish what is in the outbox", run=_relay),
        Command(
            name="status", help="what the index holds, and what scores it", run=_status, arguments=_status_arguments
        ),
    ]


def _run_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--no-relay", action="store_true", help="leave publishing to another process (see relay)")


def _run(options: Arguments) -> int:
    parts = app()
    return parts.consumer_service(relay=parts.settings.relay.enabled and not options.no_relay).run()


def _relay(_: Arguments) -> int:
    return app().relay_service().run()


def _status_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--tenant", help="default: all of them")
    add_json(parser)


def _status(options: Arguments) -> None:
    from dedupe_detector.terminal.status import status

    status(app(), tenant_id=options.tenant, as_json=options.json)
