"""FULL_TRANSITIVE: every released version of an event reads what every other one of the same major wrote."""

import hashlib
import itertools
import json
import re
from collections import defaultdict
from io import BytesIO
from typing import Any

import avro.compatibility
import avro.schema
import fastavro
import pytest

from contract_samples import Case, cases
from customer_events import CATALOGUE, schemas_directory
from event_runtime.schemas import load_schema

RELEASED = schemas_directory() / "released"
FIELD_DEFAULTS = (type(None), bool, int, float, list, dict)


def _matched(pattern: str, name: str) -> tuple[str | Any, ...]:
    found = re.fullmatch(pattern, name)
    assert found is not None
    return found.groups()


def _versions() -> dict[tuple[str, int], dict[int, str]]:
    versions: dict[tuple[str, int], dict[int, str]] = defaultdict(dict)
    for path in RELEASED.glob("*.avsc"):
        event, major, minor = _matched(r"(.+)\.v(\d+)\.(\d+)\.avsc", path.name)
        versions[event, int(major)][int(minor)] = path.read_text("utf-8")
    return versions


VERSIONS = _versions()
PAIRS = [
    pytest.param(old, new, id=f"{event}.v{major}.{first}-{second}")
    for (event, major), minors in VERSIONS.items()
    for (first, old), (second, new) in itertools.product(minors.items(), repeat=2)
]


@pytest.mark.parametrize(("writer", "reader"), PAIRS)
def test_every_released_version_reads_what_every_other_wrote(writer: str, reader: str) -> None:
    assert incompatibilities(writer, reader) == []


@pytest.mark.parametrize("case", list(cases()), ids=str)
def test_every_released_version_reads_the_golden_bytes_of_every_other(case: Case) -> None:
    event, major, _minor = _matched(r"(.+)\.v(\d+)\.(\d+)", case.path.stem)
    for reader in VERSIONS[event, int(major)].values():
        body = BytesIO(case.single_object[10:])
        read = fastavro.schemaless_reader(body, load_schema(case.schema.read_text()).parsed, load_schema(reader).parsed)
        assert isinstance(read, dict)
        assert set(read) == {field["name"] for field in json.loads(reader)["fields"]}
        assert body.read() == b""


def test_the_current_schema_is_the_newest_released_one() -> None:
    for event in CATALOGUE.values():
        current = (schemas_directory() / event.schema_file).read_text("utf-8")
        minors = VERSIONS[event.schema_file.split(".")[0], event.major]
        assert current == minors[max(minors)], event.name
        assert sorted(minors) == list(range(len(minors))), event.name


def test_no_released_schema_was_ever_changed_or_removed() -> None:
    lines = (line.split("  ") for line in (RELEASED / "SHA256SUMS").read_text().splitlines())
    listed = {name: digest for digest, name in lines}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in RELEASED.glob("*.avsc")}
    assert found == listed


def test_two_released_schemas_never_share_a_fingerprint() -> None:
    fingerprints = [load_schema(text).fingerprint for minors in VERSIONS.values() for text in minors.values()]
    assert len(fingerprints) == len(set(fingerprints))


def test_fingerprints_are_those_of_another_implementation() -> None:
    for minors in VERSIONS.values():
        for text in minors.values():
            # the canonical form has no attributes, but this implementation leaves the braces of a type that had one
            plain = avro.schema.parse(json.dumps(_without_logical_types(json.loads(text))))
            assert plain.fingerprint("CRC-64-AVRO") == load_schema(text).fingerprint


# The rules themselves, on a schema of their own.
BASE: dict[str, Any] = {
    "type": "record",
    "name": "Sample",
    "namespace": "customer_merge",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"], "default": "A"}},
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
    ],
}


def _changed(field: str | None, **changes: Any) -> str:
    schema = json.loads(json.dumps(BASE))
    if field is None:
        schema["fields"].append(changes)
    else:
        next(entry for entry in schema["fields"] if entry["name"] == field).update(changes)
    return json.dumps(schema)


def _removed(field: str) -> str:
    return json.dumps({**BASE, "fields": [entry for entry in BASE["fields"] if entry["name"] != field]})


@pytest.mark.parametrize(
    "changed",
    [
        _changed(None, name="more", type=["null", "long"], default=None),
        _changed(None, name="more", type={"type": "map", "values": "string"}, default={}),
        _changed("kind", type={"type": "enum", "name": "Kind", "symbols": ["A", "B", "C"], "default": "A"}),
        _changed("id", doc="Better words."),
        _removed("note"),
        _changed("note", name="remark"),
    ],
    ids=["optional field", "field with a default", "symbol", "doc", "optional field removed", "one removed, one added"],
)
def test_a_change_that_readers_do_not_notice_is_compatible_both_ways(changed: str) -> None:
    base = json.dumps(BASE)
    assert incompatibilities(base, changed) + incompatibilities(changed, base) == []


@pytest.mark.parametrize(
    "changed",
    [
        _changed(None, name="more", type="long"),
        _changed("id", type="long"),
        _changed("id", type=["null", "string"]),
        _changed("at", type="long"),
        _changed("at", type={"type": "long", "logicalType": "timestamp-millis"}),
        _changed("kind", type={"type": "enum", "name": "Sort", "symbols": ["A", "B"], "default": "A"}),
        _changed("tags", type={"type": "array", "items": "long"}),
        _changed(None, name="more", type="string", default="text"),
        _removed("id"),
    ],
    ids=[
        "required field",
        "other type",
        "became optional",
        "logical type gone",
        "other logical type",
        "other name of an enumeration",
        "other items",
        "default that is a text",
        "required field removed",
    ],
)
def test_a_change_that_breaks_somebody_is_found(changed: str) -> None:
    base = json.dumps(BASE)
    assert incompatibilities(base, changed) + incompatibilities(changed, base)


def test_a_symbol_added_to_an_enumeration_without_a_default_breaks_its_readers() -> None:
    old, new = (
        _changed("kind", type={"type": "enum", "name": "Kind", "symbols": symbols})
        for symbols in (["A", "B"], ["A", "B", "C"])
    )
    assert incompatibilities(new, old)


def incompatibilities(writer: str, reader: str) -> list[str]:
    """Why a reader cannot read all that a writer may write: Avro's own rules, and two of ours."""
    read, written = json.loads(reader), json.loads(writer)
    result = avro.compatibility.ReaderWriterCompatibilityChecker().get_compatibility(  # type: ignore[no-untyped-call]
        reader=avro.schema.parse(json.dumps(_with_symbols_of(read, written))), writer=avro.schema.parse(writer)
    )
    found = (
        [] if result.compatibility is avro.compatibility.SchemaCompatibilityType.compatible else list(result.messages)
    )
    ours, theirs = _fields(read), _fields(written)
    for name in ours.keys() & theirs.keys():
        if _logical(ours[name]["type"]) != _logical(theirs[name]["type"]):
            found.append(f"{name}: another logical type")
    for name, field in ours.items():
        # a reader gives a missing field its default as it stands in JSON
        if "default" in field and not isinstance(field["default"], FIELD_DEFAULTS) and not _symbols(field["type"]):
            found.append(f"{name}: a default of this kind is not used")
    return found


def _with_symbols_of(reader: Any, writer: Any) -> Any:
    """The reader's schema with the writer's symbols added to enumerations that have a default.

    Avro resolves a symbol the reader does not know to the default of its enumeration; this checker does not know that.
    """
    known = {part["name"]: part["symbols"] for part in _parts(writer) if part.get("type") == "enum"}
    reader = json.loads(json.dumps(reader))
    for part in _parts(reader):
        if part.get("type") == "enum" and "default" in part:
            part["symbols"] = list(dict.fromkeys([*part["symbols"], *known.get(part["name"], ())]))
    return reader


def _fields(schema: Any) -> dict[str, Any]:
    """Every field of every record in a schema, by record and name."""
    return {
        f"{part['name']}.{field['name']}": field
        for part in _parts(schema)
        if part.get("type") == "record"
        for field in part["fields"]
    }


def _parts(value: Any) -> list[Any]:
    found = [value] if isinstance(value, dict) else []
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        found += _parts(inner)
    return found


def _logical(schema: Any) -> list[str]:
    return sorted(part["logicalType"] for part in _parts([schema]) if "logicalType" in part)


def _symbols(schema: Any) -> bool:
    return any("symbols" in part for part in _parts([schema])) or (isinstance(schema, str) and schema[0].isupper())


def _without_logical_types(schema: Any) -> Any:
    if isinstance(schema, dict):
        if "logicalType" in schema:
            return schema["type"]
        return {key: _without_logical_types(value) for key, value in schema.items()}
    return [_without_logical_types(value) for value in schema] if isinstance(schema, list) else schema
