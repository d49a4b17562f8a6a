"""Shows how a run is doing: moving bars on a terminal, a line a second elsewhere. Always on standard error."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from customer_merge_demo.results.facts import Sample

_LINE_EVERY_S = 1.0


class Display(Protocol):
    """Somewhere to show progress, in use as a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def step(self, words: str) -> None:
        """Say which step begins."""

    def show(self, sample: Sample, total: int, *, last: bool = False) -> None:
        """Show where the run stands; `total` is the number of records it gets; `last`: it will not change any more."""


def display() -> Display:
    """Bars when standard error is a terminal, else lines."""
    return _Bars() if sys.stderr.isatty() else _Lines()


class _Lines:
    def __init__(self) -> None:
        self._said_at = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stderr.flush()

    def step(self, words: str) -> None:
        print(words, file=sys.stderr, flush=True)  # noqa: T201 - progress is what this file is for
        self._said_at = float("-inf")

    def show(self, sample: Sample, total: int, *, last: bool = False) -> None:
        now = time.monotonic()
        if now - self._said_at < _LINE_EVERY_S and not last:
            return
        self._said_at = now
        line = (
            f"{sample.at_s:4.0f} s  records {sample.records:,}/{total:,}  candidates {sample.candidates:,}"
            f"  approved {sample.approved:,}  merged {sample.merged:,}  relinked {sample.relinked:,}"
            f"  waiting for a person {sample.waiting:,}"
        )
        print(line, file=sys.stderr, flush=True)  # noqa: T201


class _Bars:
    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def step(self, words: str) -> None:
        self._progress.console.print(words, style="dim", highlight=False)

    def show(self, sample: Sample, total: int, *, last: bool = False) -> None:  # noqa: ARG002 - every look is shown
        bars = {
            "records in": (sample.records, total),
            "candidates": (sample.candidates, sample.candidates),
            "approved": (sample.approved, sample.approved),
            "merged": (sample.merged, sample.approved),
            "relinked everywhere": (sample.relinked, sample.merged),
            "waiting for a person": (sample.waiting, sample.waiting),
        }
        for name, (done, whole) in bars.items():
            if name not in self._tasks:
                self._tasks[name] = self._progress.add_task(name, total=None)
            self._progress.update(self._tasks[name], completed=done, total=max(whole, 1))
