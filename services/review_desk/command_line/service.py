"""`review-desk run | relay`."""

import argparse

from event_runtime.command_line import Arguments, Command
from review_desk.command_line.starting import desk


def service_commands() -> list[Command]:
    """The service."""
    return [
        Command(name="run", help="consume candidates and outcomes, decide, publish commands", run=_run,
                arguments=_run_arguments),
        Command(name="relay", help="only publish what is in the outbox", run=_relay),
    ]  # fmt: skip


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-relay", action="store_true", help="leave publishing to `review-desk relay`")


def _run(options: Arguments) -> int:
    app = desk()
    return app.consumer_service(relay=app.settings.relay.enabled and not options.no_relay).run()


def _relay(_options: Arguments) -> int:
    return desk().relay_service().run()
