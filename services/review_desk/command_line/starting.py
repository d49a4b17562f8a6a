"""What the commands start from: the settings and the desk's parts."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from review_desk.app import App
    from review_desk.settings import DeskSettings


def settings() -> "DeskSettings":
    """The settings of the environment. Raises SettingError."""
    from review_desk.settings import DeskSettings

    return DeskSettings.load(os.environ)


def desk() -> "App":
    """The desk's parts. Raises SettingError."""
    from review_desk.app import App

    return App(settings())


def refusals() -> tuple[type[Exception], ...]:
    """Exceptions of a library whose message is for the user."""
    from merge_engine import MergeEngineError

    return (MergeEngineError,)
