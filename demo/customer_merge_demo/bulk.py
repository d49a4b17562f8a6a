"""Many rows in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text


def insert_rows(connection: Connection, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
    """Insert `rows` into `table` by unnesting one array a column; `columns` maps name → PostgreSQL type.

    Names of tables and columns come from this package, never from input.
    """
    if not rows:
        return
    names = ", ".join(columns)
    arrays = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in columns.items())
    values = {name: list(column) for name, column in zip(columns, zip(*rows, strict=True), strict=True)}
    connection.execute(text(f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays})"), values)
