"""Columns of values for statements that take lists by `unnest`, encoded as the server takes them.

The driver looks at every value of a list again for every statement it is given to. A column is encoded once, however
many statements take it, and in a fraction of the time; a statement still casts it (`:ids::text[]`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct, pack
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Dumper
from psycopg.postgres import types

# PostgreSQL's `array_send`: dimensions, whether there are nulls, element type; then length and lower bound of the one
# dimension; then each element behind its length, which is -1 for a null.
_EMPTY = Struct("!iiI").pack
_HEAD = Struct("!iiIii").pack
_LENGTH = Struct("!i").pack


class _Lengths(dict[int, bytes]):
    """Lengths encoded, short ones beforehand."""

    def __missing__(self, length: int) -> bytes:
        return _LENGTH(length)


_LENGTHS = _Lengths({length: _LENGTH(length) for length in range(1_024)})
_LONG = Struct("!q").pack
_LONG_BYTES = 8
_NULL = _LENGTH(-1)
_MAY_HAVE_NULLS = 1
_TEXT, _BYTEA, _BIGINT = types["text"].oid, types["bytea"].oid, types["int8"].oid


@dataclass(frozen=True, slots=True)
class Column:
    """A column of values, encoded; which values, its class says."""

    encoded: bytes

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.encoded)} bytes)"


class Texts(Column):
    """A column of type text."""


class Byteas(Column):
    """A column of type bytea."""


class Longs(Column):
    """A column of type bigint."""


def texts(values: Sequence[str | None]) -> Texts:
    """Encode texts."""
    if None in values:
        return Texts(_array(_TEXT, [value if value is None else value.encode() for value in values]))
    return Texts(_array(_TEXT, list(map(str.encode, values))))  # type: ignore[arg-type]  # there is no None


def byteas(values: Sequence[bytes | None]) -> Byteas:
    """Encode byte strings."""
    return Byteas(_array(_BYTEA, values))


def longs(values: Sequence[int | None]) -> Longs:
    """Encode integers."""
    if None in values or not values:
        return Longs(_array(_BIGINT, [None if value is None else _LONG(value) for value in values]))
    interleaved: list[Any] = [_LONG_BYTES] * (2 * len(values))
    interleaved[1::2] = values
    return Longs(_HEAD(1, 0, _BIGINT, len(values), 1) + pack("!" + "iq" * len(values), *interleaved))


def _array(oid: int, values: Sequence[bytes | None]) -> bytes:
    if not values:
        return _EMPTY(0, 0, oid)
    # each value behind its length; a null is a length and nothing
    parts: list[bytes] = [b""] * (2 * len(values))
    if None in values:
        parts[::2] = [_NULL if value is None else _LENGTHS[len(value)] for value in values]
        parts[1::2] = [value or b"" for value in values]
    else:
        parts[::2] = [_LENGTHS[length] for length in map(len, values)]  # type: ignore[arg-type]  # there is no None
        parts[1::2] = values  # type: ignore[assignment]
    return _HEAD(1, _MAY_HAVE_NULLS, oid, len(values), 1) + b"".join(parts)


class _ColumnDumper(Dumper):
    format = pq.Format.BINARY

    def dump(self, obj: Column) -> bytes:
        return obj.encoded


class _TextsDumper(_ColumnDumper):
    oid = types["text"].array_oid


class _ByteasDumper(_ColumnDumper):
    oid = types["bytea"].array_oid


class _LongsDumper(_ColumnDumper):
    oid = types["int8"].array_oid


psycopg.adapters.register_dumper(Texts, _TextsDumper)
psycopg.adapters.register_dumper(Byteas, _ByteasDumper)
psycopg.adapters.register_dumper(Longs, _LongsDumper)
