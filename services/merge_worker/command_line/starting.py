"""What the commands start from: the settings, the worker's parts, and the options that several of them have."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from event_runtime.command_line import Arguments

if TYPE_CHECKING:
    from merge_worker.app import App
    from merge_worker.settings import MergeWorkerSettings
    from merge_worker.vouching import Vouching

DEFAULT_TENANT = "default"
DEFAULT_WAIT_S = 120.0


def settings() -> "MergeWorkerSettings":
    """The settings of the environment. Raises SettingError."""
    from merge_worker.settings import MergeWorkerSettings

    return MergeWorkerSettings.load(os.environ)


def service_app() -> "App":
    """The parts of a process that serves, and logs what it meets. Raises SettingError."""
    from merge_worker.app import App

    return App(settings())


def tool(*, plan: str | None = None, vouch: "Vouching | None" = None) -> "App":
    """The parts of a command, with another plan than the configured one if one is given. Raises SettingError."""
    import logging

    from merge_worker.app import App

    # A command says what went wrong in one line; Kafka's client would tell of every try to connect.
    logging.getLogger().addHandler(logging.NullHandler())
    configured = settings()
    return App(configured if plan is None else configured.model_copy(update={"plan": plan}), vouch)


def sender(options: Arguments) -> "App":
    """The parts of a command that publishes, vouched for as `vouch_arguments` say. Raises SettingError."""
    from merge_worker.vouching import Vouching

    key = None if options.sign_key is None else Path(options.sign_key)
    return tool(vouch=Vouching(key=key, key_id=options.key_id, approve_by=options.approve_by))


def refusals() -> tuple[type[Exception], ...]:
    """Exceptions of a library whose message is for the user."""
    from merge_engine import MergeEngineError

    return (MergeEngineError,)


def tenant_argument(parser: argparse.ArgumentParser) -> None:
    """`--tenant`."""
    parser.add_argument(
        "--tenant", default=DEFAULT_TENANT, help="the tenant of ids and of lines that name none (default: %(default)s)"
    )


def vouch_arguments(parser: argparse.ArgumentParser) -> None:
    """`--sign-key` and `--approve-by`: why the worker should believe what is sent."""
    parser.add_argument("--sign-key", metavar="FILE", help="sign with this private key (authority signature)")
    parser.add_argument("--key-id", metavar="ID", help="by what name the worker knows it (default: that of the file)")
    parser.add_argument(
        "--approve-by", metavar="NAME", help="note in the database that NAME approves (authority approval)"
    )


def wait_arguments(parser: argparse.ArgumentParser) -> None:
    """`--wait` and how long."""
    parser.add_argument("--wait", action="store_true", help="wait for the outcomes and print each as a line of JSON")
    parser.add_argument(
        "--timeout", type=float, default=DEFAULT_WAIT_S, metavar="SECONDS", help="how long (default: %(default)s)"
    )
