"""Schema, model, catalogue and the published page say the same about every event."""

import json
import re
import types
import typing
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from pydantic.fields import FieldInfo

from customer_events import (
    CATALOGUE,
    DEFAULT_STREAMS,
    INPUT_COLUMNS,
    NOTICES,
    TERMINAL_OUTCOMES,
    TOPICS,
    Attributes,
    StreamEvent,
)
from customer_events.base import WireModel
from customer_events.documents.__main__ import main as documents
from event_runtime import runtime_ddl

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "schemas"
PLACE = ("stream", "sequence", "prev_hash")
REQUIRED = "required"

EVENTS = pytest.mark.parametrize("name", CATALOGUE)


@EVENTS
def test_a_schema_and_its_model_have_the_same_fields_types_and_defaults_in_the_same_order(name: str) -> None:
    assert _shape_of_schema(_schema(name), {}) == _shape_of_model(CATALOGUE[name].model)


@EVENTS
def test_a_schema_is_named_as_the_interface_says(name: str) -> None:
    schema = _schema(name)
    assert (schema["namespace"], schema["name"]) == ("customer_merge", name)
    assert CATALOGUE[name].schema_file == f"{re.sub('(?<!^)(?=[A-Z])', '-', name).lower()}.v1.avsc"


def test_every_schema_belongs_to_an_event_and_every_event_has_one() -> None:
    assert {path.name for path in SCHEMAS.glob("*.avsc")} == {event.schema_file for event in CATALOGUE.values()}


@EVENTS
def test_every_field_and_every_record_has_a_doc_and_every_enumeration_a_default(name: str) -> None:
    for part in _parts(_schema(name)):
        if part.get("type") in ("record", "enum"):
            assert len(part["doc"]) > 5, part["name"]
        if part.get("type") == "enum":
            assert part["default"] in part["symbols"], part["name"]
        for field in part.get("fields", ()):
            assert field["doc"].endswith("."), field["name"]


@EVENTS
def test_what_is_optional_is_null_first_with_null_as_default(name: str) -> None:
    for part in _parts(_schema(name)):
        for field in part.get("fields", ()):
            if isinstance(field["type"], list):
                assert field["type"][0] == "null", field["name"]
                assert len(field["type"]) == 2, field["name"]
                assert field["default"] is None, field["name"]


@EVENTS
def test_a_tenant_comes_first_except_after_the_place_in_a_stream(name: str) -> None:
    fields = tuple(field["name"] for field in _schema(name)["fields"])
    sequenced = CATALOGUE[name].sequenced
    assert fields[: 4 if sequenced else 1] == ((*PLACE, "tenant_id") if sequenced else ("tenant_id",))
    assert sequenced == (CATALOGUE[name].topic == "customer-merged")


def test_a_type_that_several_schemas_use_is_the_same_in_all() -> None:
    definitions: dict[str, Any] = {}
    for name in CATALOGUE:
        for part in _parts(_schema(name)):
            if "name" in part and part.get("type") in ("record", "enum", "fixed"):
                inner = {key: value for key, value in part.items() if key != "namespace"}
                assert definitions.setdefault(part["name"], inner) == inner, part["name"]


def test_the_customer_columns_are_the_attributes_of_a_customer_event() -> None:
    assert ("customer_id", "source", *Attributes.model_fields) == INPUT_COLUMNS


def test_every_topic_has_events_and_every_event_a_topic() -> None:
    assert {event.topic for event in CATALOGUE.values()} == set(TOPICS)
    outcomes = {event.model for event in CATALOGUE.values() if event.topic == "merge-outcome"}
    assert outcomes == {*TERMINAL_OUTCOMES, *NOTICES}


def test_the_topics_are_cleaned_up_as_agreed() -> None:
    kept = {name: topic.cleanup for name, topic in TOPICS.items() if topic.cleanup != "delete"}
    assert kept == {"customer-merged": "keep", "customer-alias": "compact"}
    assert TOPICS["customer-merged"].configuration["retention.ms"] == "-1"
    assert TOPICS["customer-alias"].configuration["cleanup.policy"] == "compact"


def test_the_catalogue_has_as_many_streams_as_an_outbox() -> None:
    assert TOPICS["customer-merged"].partitions == DEFAULT_STREAMS == runtime_ddl.DEFAULT_STREAMS


def test_the_documents_are_current() -> None:
    assert documents(["--check"]) == 0, "run `make docs`"


def test_the_documents_are_written_into_a_tree_that_lacks_them(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "schemas").mkdir()
    assert documents(["--check", "--into", str(tmp_path)]) == 1
    assert documents(["--into", str(tmp_path)]) == 0
    assert documents(["--check", "--into", str(tmp_path)]) == 0


@EVENTS
def test_the_page_of_events_lists_every_field_with_its_type_and_default(name: str) -> None:
    page = (ROOT / "docs/events.md").read_text("utf-8")
    section = page.split(f"\n### {name}\n")[1].split("\n## ")[0].split("\n### ")[0]
    rows = [
        re.split(r" *\| *", line)[1:4]
        for line in section.splitlines()
        if line.startswith("|") and not line.startswith(("| field |", "|---"))
    ]
    expected = [
        (field, _page_type(shape), "" if default == REQUIRED else f"`{json.dumps(default)}`")
        for field, shape, default in _shape_of_model(CATALOGUE[name].model)[1]
    ]
    assert [(field, re.sub(r"\[(\w+)\]\(#\w+\)", r"\1", kind), default) for field, kind, default in rows] == expected


@EVENTS
def test_every_text_and_every_array_of_a_model_is_bounded(name: str) -> None:
    schema = CATALOGUE[name].model.model_json_schema()
    for part in _parts([schema, list(schema.get("$defs", {}).values()), list(schema.get("properties", {}).values())]):
        if part.get("type") == "string" and "enum" not in part and "const" not in part:
            assert part.get("format") == "date-time" or "maxLength" in part, part
        if part.get("type") == "array":
            assert "maxItems" in part, part
        if part.get("type") == "object" and "additionalProperties" in part and part["additionalProperties"]:
            assert "maxProperties" in part, part
        if part.get("type") == "integer":
            assert {"minimum", "maximum"} <= set(part), part


def _schema(name: str) -> Any:
    return json.loads((SCHEMAS / CATALOGUE[name].schema_file).read_text("utf-8"))


def _parts(value: Any) -> list[Any]:
    """Every JSON object in a value."""
    found = [value] if isinstance(value, dict) else []
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        found += _parts(inner)
    return found


def _shape_of_schema(schema: Any, named: dict[str, Any]) -> Any:
    match schema:
        case str():
            return named.get(schema, schema)
        case ["null", value]:
            return ("optional", _shape_of_schema(value, named))
        case {"logicalType": "timestamp-micros", "type": "long"}:
            return "timestamp"
        case {"type": "array", "items": items}:
            return ("array", _shape_of_schema(items, named))
        case {"type": "map", "values": values}:
            return ("map", _shape_of_schema(values, named))
        case {"type": "enum", "name": name, "symbols": symbols}:
            return named.setdefault(name, ("enum", name, tuple(symbols)))
        case {"type": "fixed", "name": name, "size": size}:
            return named.setdefault(name, ("fixed", size))
        case {"type": "record", "name": name, "fields": fields}:
            shapes = [
                (field["name"], _shape_of_schema(field["type"], named), field.get("default", REQUIRED))
                for field in fields
            ]
            return named.setdefault(name, (name, shapes))
    pytest.fail(f"a kind of schema that the contract does not use: {schema}")


def _shape_of_model(model: type[WireModel]) -> Any:
    hints = typing.get_type_hints(model, include_extras=True)
    fields = []
    for attribute, field in model.model_fields.items():
        # the place in a stream has zeros in Python only, for a builder that does not know it yet
        place = issubclass(model, StreamEvent) and attribute in PLACE
        default = REQUIRED if place else _default(field)
        fields.append((field.serialization_alias or attribute, _shape_of_type(hints[attribute]), default))
    return (model.__name__.rstrip("_"), fields)


def _default(field: FieldInfo) -> Any:
    if field.is_required():
        return REQUIRED
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, Enum):
        return default.value
    return list(default) if isinstance(default, tuple) else default


def _shape_of_type(hint: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        fixed = [item.max_length for item in getattr(arguments[1], "metadata", ()) if hasattr(item, "max_length")]
        return ("fixed", 32) if arguments[0] is bytes and fixed == [32] else _shape_of_type(arguments[0])
    if origin in {types.UnionType, typing.Union}:
        return ("optional", _shape_of_type(next(part for part in arguments if part is not types.NoneType)))
    if origin is tuple:
        return ("array", _shape_of_type(arguments[0]))
    if origin is dict:
        return ("map", _shape_of_type(arguments[1]))
    primitives = {str: "string", int: "long", float: "double", bool: "boolean", bytes: "bytes", datetime: "timestamp"}
    if hint in primitives:
        return primitives[hint]
    if hint.__name__ == "AwareDatetime":
        return "timestamp"
    if issubclass(hint, Enum):
        return ("enum", hint.__name__, tuple(member.value for member in hint))
    return _shape_of_model(hint)


def _page_type(shape: Any) -> str:
    match shape:
        case ("optional", value):
            return f"{_page_type(value)}?"
        case ("array", items):
            return f"[{_page_type(items)}]"
        case ("map", values):
            return f"map of {_page_type(values)}"
        case ("enum", name, _) | (str(name), list()):
            return name
        case ("fixed", size):
            return f"{size} bytes"
    return {"long": "integer", "double": "number", "timestamp": "time"}.get(str(shape), str(shape))
