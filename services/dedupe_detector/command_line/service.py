"""`dedupe-detector run | relay`."""

from argparse import ArgumentParser

from dedupe_detector.command_line.starting import app
from event_runtime.command_line import Arguments, Command


def service_commands() -> list[Command]:
    """The service."""
    return [
        Command(name="run", help="consume customer events, publish candidates", run=_run, arguments=_run_arguments),
        Command(name="relay", help="only publish what is in the outbox", run=_relay),
    ]


def _run_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--no-relay", action="store_true", help="leave publishing to another process (see relay)")


def _run(options: Arguments) -> int:
    parts = app()
    return parts.consumer_service(relay=parts.settings.relay.enabled and not options.no_relay).run()


def _relay(_: Arguments) -> int:
    return app().relay_service().run()
