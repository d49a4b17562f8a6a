"""Avro schemas: every version ever released, and what a schema must not be.

A schema decides how much work and memory a few bytes can cause. So a schema is refused that is recursive (a reader
would recurse as deep as the sender likes), that has a value of no bytes outside a union (an array of a billion nulls is
five bytes long), or that is itself too large or too deep. What is left costs at most one small object a byte.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import fastavro.schema

from event_runtime.faults import Fault

MAX_SCHEMA_CHARACTERS: Final = 512 * 1024
MAX_JSON_DEPTH: Final = 64  # three levels a nested record
MAX_TYPE_DEPTH: Final = 64  # of values inside values, references followed; fastavro recurses this deep on the C stack

_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


class SchemaRefused(Fault):
    """A schema is not usable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """One version of the schema of an event.

    `name` is the record's name without its namespace, `fingerprint` the eight bytes of CRC-64-AVRO as single-object
    encoding has them (little-endian), `parsed` what fastavro works with, `named` the types in it by full name, `text`
    the schema as written.
    """

    name: str
    full_name: str
    fingerprint: bytes
    parsed: Any
    named: Mapping[str, Any]
    text: str

    def __repr__(self) -> str:
        return f"Schema({self.full_name}, {self.fingerprint.hex()})"


def load_schema(text: str) -> Schema:
    """Parse a record schema.

    Raises:
        SchemaRefused: not JSON, not Avro, not a record, recursive, too large, too deep, or with values of no bytes.
    """
    if len(text) > MAX_SCHEMA_CHARACTERS:
        raise SchemaRefused(f"the schema has {len(text)} characters, the limit is {MAX_SCHEMA_CHARACTERS}")
    _check_depth(text)
    try:
        named: dict[str, Any] = {}
        parsed = fastavro.schema.parse_schema(json.loads(text), named_schemas=named)
        canonical = fastavro.schema.to_parsing_canonical_form(parsed)
    except (ValueError, TypeError, KeyError, AttributeError, fastavro.schema.SchemaParseException) as error:
        # UnknownType is a ValueError; the others come of JSON that is no schema at all
        raise SchemaRefused(f"not an Avro schema: {type(error).__name__}") from error
    if not isinstance(parsed, dict) or parsed.get("type") != "record":
        raise SchemaRefused("the schema is not a record")
    if _Height(named).of(parsed) > MAX_TYPE_DEPTH:
        raise SchemaRefused(f"its values are nested more than {MAX_TYPE_DEPTH} deep")
    full_name = str(parsed["name"])
    return Schema(
        name=full_name.rpartition(".")[2],
        full_name=full_name,
        fingerprint=bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO")),
        parsed=parsed,
        named=named,
        text=text,
    )


class SchemaStore:
    """The schemas in a directory.

    `<event>.v<major>.avsc` is current, `released/<event>.v<major>.<minor>.avsc` keeps every version that ever was.

    Raises:
        SchemaRefused: a file is not usable, or two current schemas have one name and major version.
    """

    def __init__(self, directory: Path) -> None:
        self._current: dict[tuple[str, int], Schema] = {}
        self._by_fingerprint: dict[bytes, Schema] = {}
        for path in sorted(directory.glob("*.v*.avsc")):
            schema = self._load(path)
            key = (schema.name, int(path.suffixes[-2].removeprefix(".v")))
            if key in self._current:
                raise SchemaRefused(f"{path.name}: {schema.name} has another current schema of this version")
            self._current[key] = schema
        for path in sorted(directory.glob("released/*.v*.avsc")):
            self._load(path)

    def current(self, name: str, major: int) -> Schema:
        """What this event is written with, and read as.

        Raises:
            SchemaRefused: there is none.
        """
        try:
            return self._current[name, major]
        except KeyError:
            raise SchemaRefused(f"no schema of {name}, version {major}") from None

    def by_fingerprint(self, fingerprint: bytes) -> Schema | None:
        """The released schema with this fingerprint."""
        return self._by_fingerprint.get(fingerprint)

    def _load(self, path: Path) -> Schema:
        text = path.read_text(encoding="utf-8")
        try:
            schema = _load_cached(text)
        except SchemaRefused as error:
            raise SchemaRefused(f"{path.name}: {error}") from error
        return self._by_fingerprint.setdefault(schema.fingerprint, schema)


_load_cached = cache(load_schema)  # a current schema and its released copy are the same text


class TooManyItems(Fault):
    """The arrays and maps of a record have more items than it may have."""


def skim(schema: Schema, value: bytes, position: int, *, max_items: int) -> int:
    """Walk over an encoded record without building it; the position after it.

    Raises:
        TooManyItems: the arrays and maps in it have more than `max_items` items together.
        EOFError: a length exceeds the bytes that are left.
        IndexError: a union branch that does not exist.
    """
    skimmer = _Skimmer(value, position, max_items, schema.named)
    skimmer.skip(schema.parsed)
    return skimmer.position


class _Skimmer:
    def __init__(self, value: bytes, position: int, items_left: int, named: Mapping[str, Any]) -> None:
        self.position = position
        self._value = value
        self._items_left = items_left
        self._named = named

    def skip(self, schema: Any) -> None:
        if isinstance(schema, list):
            branch = self._long()
            if branch < 0:
                raise IndexError(branch)
            self.skip(schema[branch])
            return
        kind = schema if isinstance(schema, str) else schema["type"]
        match kind:
            case "record":
                for field in schema["fields"]:
                    self.skip(field["type"])
            case "array":
                self._skip_blocks(None, schema["items"])
            case "map":
                self._skip_blocks("string", schema["values"])
            case "int" | "long" | "enum":
                self._long()
            case "string" | "bytes":
                self._advance(self._long())
            case "fixed":
                self._advance(schema["size"])
            case "null" | "boolean" | "float" | "double":
                self._advance({"null": 0, "boolean": 1, "float": 4, "double": 8}[kind])
            case name:
                self.skip(self._named[name])

    def _skip_blocks(self, key: str | None, item: Any) -> None:
        while count := self._long():
            if count < 0:  # then the block's size in bytes follows, which a skimmer that trusts nobody does not use
                self._long()
            self._items_left -= abs(count)
            if self._items_left < 0:
                raise TooManyItems
            for _ in range(abs(count)):
                if key is not None:
                    self.skip(key)
                self.skip(item)

    def _advance(self, size: int) -> None:
        if not 0 <= size <= len(self._value) - self.position:
            raise EOFError
        self.position += size

    def _long(self) -> int:
        encoded, shift = 0, 0
        while True:
            if self.position >= len(self._value) or shift > 63:
                raise EOFError
            byte = self._value[self.position]
            self.position += 1
            encoded |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (encoded >> 1) ^ -(encoded & 1)
            shift += 7


def _check_depth(text: str) -> None:
    # Brackets inside strings count too: a doc with sixty-four of them open is refused as well.
    depth = 0
    for character in text:
        if character in "[{":
            depth += 1
            if depth > MAX_JSON_DEPTH:
                raise SchemaRefused(f"the schema is nested more than {MAX_JSON_DEPTH} deep")
        elif character in "]}":
            depth -= 1


class _Height:
    """How many levels of values a type nests, each type being looked at once."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._known: dict[str, int] = {}
        self._inside: set[str] = set()

    def of(self, schema: Any, *, in_union: bool = False) -> int:
        if isinstance(schema, list):
            return 1 + max((self.of(branch, in_union=True) for branch in schema), default=0)
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind == "null" and not in_union:
            raise SchemaRefused("a null outside a union has no bytes")
        if kind in _PRIMITIVES:
            return 1
        if kind in {"array", "map"}:
            return 1 + self.of(schema["items" if kind == "array" else "values"])
        return self._of_named(kind if kind in self._named else schema["name"])

    def _of_named(self, name: str) -> int:
        if name in self._inside:
            raise SchemaRefused(f"{name} contains itself")
        if name not in self._known:
            self._inside.add(name)
            self._known[name] = self._of_definition(name, self._named[name])
            self._inside.remove(name)
        return self._known[name]

    def _of_definition(self, name: str, definition: Any) -> int:
        match definition:
            case {"type": "enum"}:
                return 1
            case {"type": "fixed", "size": int(size)} if size > 0:
                return 1
            case {"type": "record", "fields": fields} if fields:
                return 1 + max(self.of(field["type"]) for field in fields)
        raise SchemaRefused(f"{name} has no bytes, or is of a kind that is not used")
