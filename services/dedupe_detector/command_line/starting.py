"""What the commands start from: the settings, the detector's parts, and the options that several of them have."""

import os
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

from event_runtime.command_line import add_json

if TYPE_CHECKING:
    from dedupe_detector.app import App
    from dedupe_detector.settings import DetectorSettings


def settings() -> "DetectorSettings":
    """The settings of the environment. Raises SettingError."""
    from dedupe_detector.settings import DetectorSettings

    return DetectorSettings.load(os.environ)


def app() -> "App":
    """The detector's parts. Raises SettingError."""
    from dedupe_detector.app import App

    return App(settings())


def refusals() -> tuple[type[Exception], ...]:
    """Exceptions of a library whose message is for the user."""
    from customer_identity.faults import IdentityFault

    return (IdentityFault,)


def tenant_arguments(parser: ArgumentParser) -> None:
    """`--tenant` and `--json`."""
    parser.add_argument("--tenant", help="default: the setting TENANT")
    add_json(parser)


def model_argument(parser: ArgumentParser, *, what: str = "default: the shipped model") -> None:
    """`--model`."""
    parser.add_argument("--model", type=Path, metavar="model.json", help=what)


def micro_batch_argument(parser: ArgumentParser, *, default: int, what: str = "records read at a time") -> None:
    """`--micro-batch`."""
    parser.add_argument("--micro-batch", type=_count, default=default, metavar="N", help=f"{what} (%(default)s)")


def no_clash(*paths: Path | None) -> None:
    """One file given in two places would be overwritten while it is read. Raises SettingError."""
    from event_runtime.faults import SettingError

    given = [path.resolve() for path in paths if path is not None]
    if len(set(given)) < len(given):
        raise SettingError("one file is named twice: input and outputs must differ")


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise ArgumentTypeError("must be a number of records, 1 or more")
    return int(text)
