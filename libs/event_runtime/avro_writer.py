"""Writes events in Avro's binary encoding: a schema compiled to functions, one for each of its types.

A third of the time of a writer that looks at the schema again for every value. It knows only what the schemas of events
are made of: a union is null and one other type.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from keyword import iskeyword
from operator import attrgetter
from struct import Struct
from typing import Any

from event_runtime.schemas import Schema, SchemaRefused

Write = Callable[[bytearray, Any], None]
"""Appends the encoding of a value."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_pack_double = Struct("<d").pack


def long_bytes(value: int) -> bytes:
    """An `int` or `long`."""
    if 0 <= value < len(_SMALL):
        return _SMALL[value]
    # Avro 1.12, "Binary encoding": zig-zag, then seven bits a byte, least significant first
    rest = (value << 1) ^ (value >> 63)
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append((rest & 0x7F) | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


# Lengths, counts and versions are small nearly always.
_SMALL: tuple[bytes, ...] = ()
_SMALL = tuple(long_bytes(number) for number in range(1_024))
_FIRST_BRANCH, _SECOND_BRANCH = long_bytes(0), long_bytes(1)


def compiled(schema: Schema) -> Write:
    """The writer of an event. It takes whatever has the fields as attributes; that of `from` is called `from_`.

    Raises:
        SchemaRefused: the schema has a type that events do not have.
    """
    return _Compiler(schema).fields(schema.parsed["fields"])


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceGap:
    """The writers of the fields before and after `stream` and `sequence`; `optional`: those two may be null."""

    before: Write
    after: Write
    optional: bool


def compiled_around_place(schema: Schema) -> PlaceGap:
    """The writers of an event that names the place of another one. Raises SchemaRefused."""
    fields = schema.parsed["fields"]
    names = [field["name"] for field in fields]
    if "stream" not in names or names[names.index("stream") + 1 :][:1] != ["sequence"]:
        raise SchemaRefused(f"{schema.name} has no place: no fields stream and sequence, one behind the other")
    at = names.index("stream")
    compiler = _Compiler(schema)
    return PlaceGap(
        before=compiler.fields(fields[:at]),
        after=compiler.fields(fields[at + 2 :]),
        optional=isinstance(fields[at]["type"], list),
    )


class _Compiler:
    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def fields(self, fields: Sequence[Any]) -> Write:
        names = [field["name"] for field in fields]
        attributes = [f"{name}_" if iskeyword(name) else name for name in names]
        return _record_of(attributes, [self._writer(field["type"]) for field in fields])

    def _writer(self, schema: Any) -> Write:
        if isinstance(schema, list):
            return self._optional(schema)
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind == "long" and not isinstance(schema, str) and schema.get("logicalType") == "timestamp-micros":
            return _write_timestamp
        if kind in _PRIMITIVES:
            return _PRIMITIVES[kind]
        match kind:
            case "record":
                return self.fields(schema["fields"])
            case "array":
                return _array_of(self._writer(schema["items"]))
            case "map":
                return _map_of(self._writer(schema["values"]))
            case "enum":
                return _enum_of(schema["symbols"])
            case "fixed":
                return _write_fixed
        if kind not in self._schema.named:
            raise SchemaRefused(f"{self._schema.name} has values of the type {kind}, which events do not have")
        return self._writer(self._schema.named[kind])

    def _optional(self, union: Sequence[Any]) -> Write:
        if len(union) != 2 or union[0] != "null":
            raise SchemaRefused(f"{self._schema.name} has a union that is not null and one other type")
        write = self._writer(union[1])

        def write_optional(to: bytearray, value: Any) -> None:
            if value is None:
                to += _FIRST_BRANCH
            else:
                to += _SECOND_BRANCH
                write(to, value)

        return write_optional


def _record_of(attributes: Sequence[str], writers: Sequence[Write]) -> Write:
    if not attributes:
        return lambda _to, _record: None
    if len(attributes) == 1:
        (attribute,), (write_only,) = attributes, writers
        return lambda to, record: write_only(to, getattr(record, attribute))
    values_of = attrgetter(*attributes)

    def write_record(to: bytearray, record: Any) -> None:
        for write, value in zip(writers, values_of(record)):  # noqa: B905 - as many as there are attributes
            write(to, value)

    return write_record


def _array_of(write: Write) -> Write:
    def write_array(to: bytearray, values: Any) -> None:
        if values:
            to += long_bytes(len(values))
            for value in values:
                write(to, value)
        to += b"\0"

    return write_array


def _map_of(write: Write) -> Write:
    def write_map(to: bytearray, values: Any) -> None:
        if values:
            to += long_bytes(len(values))
            for name, value in values.items():
                _write_string(to, name)
                write(to, value)
        to += b"\0"

    return write_map


def _enum_of(symbols: Sequence[str]) -> Write:
    encoded = {symbol: long_bytes(number) for number, symbol in enumerate(symbols)}

    def write_enum(to: bytearray, value: Any) -> None:
        to += encoded[value]

    return write_enum


def _write_string(to: bytearray, value: str) -> None:
    encoded = value.encode()
    to += long_bytes(len(encoded))
    to += encoded


def _write_bytes(to: bytearray, value: bytes) -> None:
    to += long_bytes(len(value))
    to += value


def _write_fixed(to: bytearray, value: bytes) -> None:
    to += value


def _write_long(to: bytearray, value: int) -> None:
    to += long_bytes(value)


def _write_boolean(to: bytearray, value: bool) -> None:  # noqa: FBT001 - a value like any other
    to += b"\1" if value else b"\0"


def _write_double(to: bytearray, value: float) -> None:
    to += _pack_double(value)


def _write_timestamp(to: bytearray, value: datetime) -> None:
    to += _timestamp_bytes(value)


@lru_cache(maxsize=64)  # the merges of a batch were made at the same moment
def _timestamp_bytes(value: datetime) -> bytes:
    return long_bytes((value - _EPOCH) // _MICROSECOND)


_PRIMITIVES: dict[str, Write] = {
    "string": _write_string,
    "bytes": _write_bytes,
    "int": _write_long,
    "long": _write_long,
    "boolean": _write_boolean,
    "double": _write_double,
}
