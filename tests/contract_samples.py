"""Events for tests of the contract: the golden files, and any event that a schema allows."""

import json
from collections.abc import Iterator
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st

from customer_events import CATALOGUE, AnyEvent, schemas_directory
from event_runtime.codec import Codec, SchemaStore

GOLDEN = schemas_directory() / "golden"


class Case(NamedTuple):
    """One event of a golden file: its fields as JSON, and its bytes."""

    path: Path
    event: str
    schema: Path
    fingerprint: bytes
    name: str
    datum: dict[str, Any]
    single_object: bytes

    def model(self) -> AnyEvent:
        """The event, read from its JSON."""
        return CATALOGUE[self.event].model.model_validate_json(json.dumps(self.datum))

    def __str__(self) -> str:
        return f"{self.path.stem}-{self.name}"


def cases() -> Iterator[Case]:
    """Every event of every golden file."""
    for path in sorted(GOLDEN.glob("*.json")):
        golden = json.loads(path.read_text("utf-8"))
        for case in golden["cases"]:
            yield Case(
                path=path,
                event=golden["event"],
                schema=schemas_directory() / golden["schema"],
                fingerprint=bytes.fromhex(golden["fingerprint"]),
                name=case["case"],
                datum=case["datum"],
                single_object=bytes.fromhex(case["single_object"]),
            )


@cache
def codec() -> Codec:
    """The project's codec, without a schema registry."""
    return Codec(SchemaStore(schemas_directory()), CATALOGUE)


def data(name: str) -> st.SearchStrategy[AnyEvent]:
    """Any event of this kind, by its schema."""
    schema = json.loads((schemas_directory() / CATALOGUE[name].schema_file).read_text("utf-8"))
    return _values(schema, {}).map(CATALOGUE[name].model.model_validate)


def _values(schema: Any, named: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    match schema:
        case ["null", value]:
            return st.none() | _values(value, named)
        case {"logicalType": "timestamp-micros"}:
            return st.datetimes(timezones=st.just(UTC))
        case {"type": "array", "items": items}:
            return st.lists(_values(items, named), min_size=2, max_size=4)
        case {"type": "map", "values": values}:
            return st.dictionaries(_PRIMITIVES["string"], _values(values, named), max_size=4)
        case {"type": "enum", "name": name, "symbols": symbols}:
            return named.setdefault(name, st.sampled_from(symbols))
        case {"type": "fixed", "name": name, "size": size}:
            return named.setdefault(name, st.binary(min_size=size, max_size=size))
        case {"type": "record", "name": name, "fields": fields}:
            parts = {field["name"]: _values(field["type"], named) for field in fields}
            return named.setdefault(name, st.fixed_dictionaries(parts))
    return named[schema] if schema in named else _PRIMITIVES[schema]


_PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    # what every kind of text accepts: an id without a colon
    "string": st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters=":"), min_size=1, max_size=200),
    "long": st.integers(0, 2**63 - 1),
    "double": st.floats(0, 1),
    "boolean": st.booleans(),
    "bytes": st.binary(max_size=300),
}
