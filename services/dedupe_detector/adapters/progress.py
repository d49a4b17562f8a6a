"""How far long work has come: a bar on a terminal, a line a second elsewhere; always on stderr."""

import sys
import time
from types import TracebackType
from typing import Any, Self

_LINE_EVERY_SECONDS = 1.0


class Progress:
    """Counts records; a context manager."""

    def __init__(self, what: str, *, total: int | None = None, done: int = 0, unit: str = "records") -> None:
        """`total`: how many there are, if it is known; `done`: how many of them an earlier run has done."""
        self._what = what
        self._total = total
        self._before = done
        self._unit = unit
        self._count = 0
        self._started = self._said = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
            from rich.progress import (  # noqa: PLC0415
                BarColumn,
                ProgressColumn,
                SpinnerColumn,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )
            from rich.progress import Progress as Bar  # noqa: PLC0415

            columns: list[ProgressColumn] = [
                SpinnerColumn(),
                TextColumn(f"{{task.description}} {{task.completed:,}} {self._unit}"),
                TimeElapsedColumn(),
            ]
            if self._total is not None:
                columns[1:] = [
                    TextColumn(f"{{task.description}} {{task.completed:,}} of {{task.total:,}} {self._unit}"),
                    BarColumn(),
                    TimeRemainingColumn(),
                ]
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._bar.add_task(self._what, total=self._total, completed=self._before)
        return self

    def done(self, count: int) -> None:
        """So many more records are done."""
        self._count += count
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0], count)
        elif time.monotonic() - self._said >= _LINE_EVERY_SECONDS:
            self._said = time.monotonic()
            rate = self._count / (self._said - self._started)
            of_all = "" if self._total is None else f" of {self._total:,}"
            count = self._before + self._count
            sys.stderr.write(f"{self._what}: {count:,}{of_all} {self._unit}, {rate:,.0f} a second\n")

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
