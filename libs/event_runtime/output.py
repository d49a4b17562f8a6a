"""What commands write: results on stdout as JSON, CSV or a table, and one line for the person on stderr."""

import csv
import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from typing import Any, TextIO


def say(message: str) -> None:
    """Tell the person at the terminal something that is no result: one line on stderr."""
    sys.stderr.write(f"{cell(message)}\n")


def show_json(value: object, stream: TextIO | None = None) -> None:
    """Write one JSON document; values of the program become objects with their field names."""
    out = stream or sys.stdout
    out.write(json.dumps(plain(value), indent=2, ensure_ascii=False, default=str) + "\n")


def show_json_lines(values: Iterable[object]) -> None:
    """Write one JSON document a line, each as soon as it is there."""
    for value in values:
        sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, default=str) + "\n")
        sys.stdout.flush()


def show_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Write rows that name their columns: as lines of JSON, or as a table without a title."""
    if as_json:
        show_json_lines(rows)
    elif rows:
        show_table("", tuple(rows[0]), [tuple(row.values()) for row in rows])


def show_facts(title: str, facts: Mapping[str, object]) -> None:
    """Write names and values."""
    show_table(title, ("what", "value"), facts.items())


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table as wide as the terminal allows, or tab-separated lines where there is none."""
    shown = [[cell(value) for value in row] for row in rows]
    if not shown:
        sys.stdout.write(f"# {cell(title)}: none\n")
    elif sys.stdout.isatty():
        _show_rich_table(title, columns, shown)
    else:
        lines = [f"# {cell(title)}"] if title else []
        sys.stdout.write("\n".join([*lines, *("\t".join(row) for row in [columns, *shown])]) + "\n")


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[object]], stream: TextIO | None = None) -> None:
    """Write rows under a header; a cell that a spreadsheet would take for a formula is written as text."""
    writer = csv.writer(stream or sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_no_formula(cell(value)) for value in row])


def plain(value: object) -> Any:
    """The value in the types that JSON knows; dataclasses become objects, sets become sorted lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {entry.name: plain(getattr(value, entry.name)) for entry in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(plain(each) for each in value)
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value


def cell(value: object) -> str:
    """One cell: empty for None, no line breaks, and no control characters that could write over the screen."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case Enum():
            return cell(value.value)
        case float() if abs(value) <= 1:  # a probability
            return f"{value:.4g}"
        case datetime():
            return value.isoformat(" ", timespec="seconds")
        case list() | tuple() | frozenset() | set():
            return ", ".join(cell(each) for each in value)
        case _:
            return "".join(character if character.isprintable() else " " for character in str(value))


def _show_rich_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(title=escape(cell(title)) or None, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)


def _no_formula(value: str) -> str:
    return f"'{value}" if value.startswith(("=", "+", "-", "@")) else value
