"""Where a story is printed: plain text on standard output, with a little colour on a terminal."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_WIDTH = 124
_LONGEST_CELL = 60


class Page:
    """Prints the parts of a story in the order in which they are told."""

    def __init__(self, names: Mapping[str, str]) -> None:
        """On standard output, as it is now. `names` are printed in the place of ids, but in commands and SQL."""
        self._names = names
        self._console = Console(highlight=False, markup=False, soft_wrap=False)
        if not self._console.is_terminal:
            self._console.width = _WIDTH
        self._console.width = min(self._console.width, _WIDTH)
        self._chapters = 0

    def title(self, text: str, under: str) -> None:
        """The title of the story."""
        self._console.print(Text(text, style="bold"))
        self._console.print(Text(under, style="dim"))

    def chapter(self, text: str) -> None:
        """Begin a chapter."""
        self._chapters += 1
        self._console.print()
        self._console.rule(Text(f"{self._chapters}. {text}", style="bold"), align="left", style="dim")

    def words(self, text: str) -> None:
        """A paragraph."""
        self._console.print()
        self._console.print(Text(" ".join(text.split())))

    def command(self, program: str, arguments: Sequence[str], given: Mapping[str, Any] | None = None) -> None:
        """A command as it can be typed. What it reads is shown without what every command carries."""
        typed = shlex.join([program, *arguments])
        if given is not None:
            typed = f"echo '{json.dumps(given, ensure_ascii=False)}' | {typed}"
        self._console.print()
        self._console.print(_set_in(Text(f"$ {typed}", style="cyan"), 2))

    def sql(self, statement: str) -> None:
        """What the application writes."""
        text = "\n".join(line.strip() for line in statement.strip().splitlines())
        self._console.print()
        self._console.print(_set_in(Text(text, style="dim")))

    def table(self, title: str | None, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table; None is an empty cell."""
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
        shown = [[self._named(_cell(value)) for value in row] for row in rows]
        for number, column in enumerate(columns):
            figures = bool(shown) and all(_is_figure(row[number]) for row in shown if row[number])
            table.add_column(Text(column), justify="right" if figures else "left", overflow="fold")
        for row in shown:
            table.add_row(*(Text(value) for value in row))
        self._console.print()
        if title:
            self._console.print(_set_in(Text(title, style="bold"), 2))
        self._console.print(_set_in(table if shown else Text("(nothing)", style="dim")))

    def printed(self, text: str) -> None:
        """What a command printed: its tables (tab-separated, under a title that begins with #) and its other lines."""
        for block in re.split(r"^(?=# )", text, flags=re.MULTILINE):
            title, _, rest = block.partition("\n")
            tabbed = [line.split("\t") for line in rest.splitlines() if "\t" in line]
            if title.startswith("# ") and tabbed:
                columns = len(tabbed[0])
                self.table(title[2:], tabbed[0], [row for row in tabbed[1:] if len(row) == columns])
                self.lines(line for line in rest.splitlines() if "\t" not in line)
            else:
                self.lines(block.removeprefix("# ").splitlines())

    def lines(self, lines: Iterable[str]) -> None:
        """Lines as they are, set in; a mark at the beginning of one gives it its colour."""
        for line in map(self._named, lines):
            style = next((style for mark, style in _MARKS.items() if line.lstrip().startswith(mark)), "")
            self._console.print(_set_in(Text(line, style=style)))

    def blank(self) -> None:
        """An empty line."""
        self._console.print()

    def _named(self, text: str) -> str:
        for id_, name in self._names.items():
            text = text.replace(id_, name)
        return text


def _set_in(shown: Text | Table, by: int = 4) -> Padding:
    return Padding(shown, (0, 0, 0, by), expand=False)


_MARKS = {"✓": "green", "✗": "red", "!": "yellow"}


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}…"


def _is_figure(text: str) -> bool:
    return text.replace(".", "", 1).replace("-", "", 1).isdecimal()
