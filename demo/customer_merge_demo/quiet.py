"""Keeps the demonstration's own log lines off the terminal: they go to a file beside those of the services."""

from __future__ import annotations

import logging
from pathlib import Path

from event_runtime import logs


def quiet_logs(directory: Path) -> None:
    """Send this process's structured logs to `customer-merge.log` in `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    logs.configure("customer-merge")
    root = logging.getLogger()
    file = logging.FileHandler(directory / "customer-merge.log", mode="w", encoding="utf-8")
    for handler in root.handlers:
        file.setFormatter(handler.formatter)
    root.handlers[:] = [file]
