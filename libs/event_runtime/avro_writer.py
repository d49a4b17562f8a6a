"""Writes events in Avro's binary encoding: a schema compiled to functions, one for each of its records.

A record's function is one expression made from its schema, as the standard library makes the `__init__` of a dataclass:
a quarter of the time of a writer that looks at the schema again for every value. It knows only what the schemas of
events are made of: a union is null and one other type.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from keyword import iskeyword
from struct import Struct
from typing import Any

from event_runtime.schemas import Schema, SchemaRefused

Write = Callable[[Any], bytes]
"""The encoding of a value."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def long_bytes(value: int) -> bytes:
    """An `int` or `long`."""
    # Avro 1.12, "Binary encoding": zig-zag, then seven bits a byte, least significant first
    rest = (value << 1) ^ (value >> 63)
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append((rest & 0x7F) | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


class _Longs(dict[int, bytes]):
    """Numbers encoded: small ones beforehand, as lengths, counts and versions are small nearly always."""

    def __missing__(self, value: int) -> bytes:
        return long_bytes(value)


_LONGS = _Longs({number: long_bytes(number) for number in range(1_024)})
_FIRST_BRANCH, _SECOND_BRANCH = long_bytes(0), long_bytes(1)


def compiled(schema: Schema) -> Write:
    """The writer of an event. It takes whatever has the fields as attributes; that of `from` is called `from_`.

    Raises:
        SchemaRefused: the schema has a type that events do not have.
    """
    return _Compiler(schema).record(schema.parsed["fields"])


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
        before=compiler.record(fields[:at]),
        after=compiler.record(fields[at + 2 :]),
        optional=isinstance(fields[at]["type"], list),
    )


class _Compiler:
    """Makes source text. `known` is everything that it names besides built-in functions."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._known: dict[str, Any] = {"longs": _LONGS, "array": _array, "map_": _map, "timestamp": _timestamp}
        self._known |= {"double": Struct("<d").pack, "null": _FIRST_BRANCH, "other": _SECOND_BRANCH, "join": b"".join}

    def record(self, fields: Sequence[Any]) -> Write:
        parts = [part for field in fields for part in self._parts(_attribute("value", field["name"]), field["type"])]
        return self._function(parts)

    def _function(self, parts: Collection[str]) -> Write:
        source = f"lambda value: join(({''.join(f'{part}, ' for part in parts)}))"
        write: Write = eval(source, self._known)  # noqa: S307 - made here; what a schema gives are names, checked
        return write

    def _named(self, thing: object) -> str:
        name = f"known_{len(self._known)}"
        self._known[name] = thing
        return name

    def _writer(self, schema: Any) -> str:
        """The name of a function that writes one value."""
        return self._named(self._function(self._parts("value", schema)))

    def _parts(self, value: str, schema: Any) -> list[str]:
        """Expressions of bytes, which one behind the other are the encoding of the expression `value`."""
        if isinstance(schema, list):
            return [f"null if {value} is None else other + {self._writer(self._only(schema))}({value})"]
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind in self._schema.named:
            return self._parts(value, self._schema.named[kind])
        match kind:
            case "record":
                fields = schema["fields"]
                return [part for f in fields for part in self._parts(_attribute(value, f["name"]), f["type"])]
            case "array":
                return [f"array({value}, {self._writer(schema['items'])})"]
            case "map":
                return [f"map_({value}, {self._writer('string')}, {self._writer(schema['values'])})"]
            case "enum":
                symbols = {symbol: long_bytes(number) for number, symbol in enumerate(schema["symbols"])}
                return [f"{self._named(symbols)}[{value}]"]
            case "string":
                return [f"longs[len(encoded := {value}.encode())]", "encoded"]
            case "bytes":
                return [f"longs[len({value})]", value]
            case "fixed":
                return [value]
            case "long" if not isinstance(schema, str) and schema.get("logicalType") == "timestamp-micros":
                return [f"timestamp({value})"]
            case "int" | "long":
                return [f"longs[{value}]"]
            case "boolean":
                return [f"b'\\1' if {value} else b'\\0'"]
            case "double":
                return [f"double({value})"]
        raise SchemaRefused(f"{self._schema.name} has values of the type {kind}, which events do not have")

    def _only(self, union: Sequence[Any]) -> Any:
        if len(union) != 2 or union[0] != "null":
            raise SchemaRefused(f"{self._schema.name} has a union that is not null and one other type")
        return union[1]


def _attribute(value: str, name: str) -> str:
    if not name.isidentifier():
        raise SchemaRefused(f"{name!r} is no name of a field")
    return f"{value}.{name}_" if iskeyword(name) else f"{value}.{name}"


def _array(values: Sequence[Any], write: Write) -> bytes:
    if not values:
        return b"\0"
    return b"".join((_LONGS[len(values)], *map(write, values), b"\0"))


def _map(values: Mapping[str, Any], write_name: Write, write: Write) -> bytes:
    if not values:
        return b"\0"
    pairs = [part for name, value in values.items() for part in (write_name(name), write(value))]
    return b"".join((_LONGS[len(values)], *pairs, b"\0"))


@lru_cache(maxsize=64)  # the merges of a batch were made at the same moment
def _timestamp(value: datetime) -> bytes:
    return long_bytes((value - _EPOCH) // _MICROSECOND)
