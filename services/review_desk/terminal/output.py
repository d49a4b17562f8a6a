"""JSON, tables and CSV on stdout; one line for people on stderr."""

import csv
import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, TextIO


def say(message: str) -> None:
    """One line for the person, on stderr."""
    sys.stderr.write(f"{cell(message)}\n")


def write_json(value: object, stream: TextIO | None = None) -> None:
    """A value of the program as one JSON document."""
    json.dump(plain(value), stream or sys.stdout, ensure_ascii=False, indent=2)
    (stream or sys.stdout).write("\n")


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[object]], stream: TextIO | None = None) -> None:
    """Rows under a header; a cell that a spreadsheet would take for a formula is written as text."""
    writer = csv.writer(stream or sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_no_formula(cell(value)) for value in row])


def write_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table as wide as the terminal allows, or tab-separated lines where there is none."""
    shown = [[cell(value) for value in row] for row in rows]
    if not shown:
        sys.stdout.write(f"# {title}: none\n")
        return
    if not sys.stdout.isatty():
        sys.stdout.write(f"# {title}\n" + "".join("\t".join(row) + "\n" for row in [list(columns), *shown]))
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(*columns, title=escape(title), title_justify="left", header_style="bold")
    for row in shown:
        table.add_row(*(escape(value) for value in row))
    Console().print(table)


def plain(value: object) -> Any:
    """The value in the types that JSON knows; dataclasses become objects."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {entry.name: plain(getattr(value, entry.name)) for entry in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(plain(each) for each in value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value


def cell(value: object) -> str:
    """One cell: empty for None, no line breaks, and no control characters that could write over the screen."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case Enum():
            return str(value.value)
        case float():
            return f"{value:.4g}"
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S")
        case list() | tuple() | frozenset() | set():
            return ", ".join(cell(each) for each in value)
        case _:
            return "".join(character if character.isprintable() else " " for character in str(value))


def _no_formula(value: str) -> str:
    return f"'{value}" if value.startswith(("=", "+", "-", "@")) else value
