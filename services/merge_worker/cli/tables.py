"""How results are shown: a table on a terminal, plain tab-separated lines in a pipe, JSON when asked for."""

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def show_json(value: Any) -> None:
    """Print one JSON document; values of the program become objects with their field names."""
    sys.stdout.write(json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n")


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows under column names; nothing but the title says so when there are none."""
    if sys.stdout.isatty():
        _rich_table(title, columns, rows)
        return
    sys.stdout.write(f"# {title}\n" if rows else f"# {title}: none\n")
    for row in [columns, *rows] if rows else []:
        sys.stdout.write("\t".join(_cell(value) for value in row) + "\n")


def show_facts(title: str, facts: Mapping[str, Any]) -> None:
    """Print names and values."""
    show_table(title, ("what", "value"), list(facts.items()))


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    if isinstance(value, Enum):
        return value.value
    return value.isoformat() if isinstance(value, datetime) else value


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(_cell(one) for one in value) or "-"
    text = str(value.value) if isinstance(value, Enum) else str(value)
    # A value must not be able to write to the terminal or to break a line.
    return "".join(character if character.isprintable() else " " for character in text)


def _rich_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    table = Table(title=escape(title), title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape(_cell(value)) for value in row))
    Console().print(table if rows else f"{escape(title)}: none")
