"""How far long work has come: a bar on a terminal, a line a second elsewhere; always on stderr."""

import sys
import time
from types import TracebackType
from typing import Any, Self

_LINE_EVERY_SECONDS = 1.0


class Progress:
    """Counts records; a context manager."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._count = 0
        self._started = self._said = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
            from rich.progress import Progress as Bar  # noqa: PLC0415
            from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

            columns = (
                SpinnerColumn(),
                TextColumn("{task.description} {task.completed:,} records"),
                TimeElapsedColumn(),
            )
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._bar.add_task(self._what, total=None)
        return self

    def done(self, count: int) -> None:
        """So many more records are done."""
        self._count += count
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0], count)
        elif time.monotonic() - self._said >= _LINE_EVERY_SECONDS:
            self._said = time.monotonic()
            rate = self._count / (self._said - self._started)
            sys.stderr.write(f"{self._what}: {self._count:,} records, {rate:,.0f} a second\n")

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
