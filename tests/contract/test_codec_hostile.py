"""Bytes from anybody give an event or `Undecodable`, soon, in bounded memory, and without repeating them."""

import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract_samples import cases, codec
from customer_events import CATALOGUE, AnyEvent, schemas_directory
from event_runtime.codec import SchemaStore, Undecodable
from event_runtime.schemas import SchemaRefused, load_schema, skim
from rig.examples import examples

CASES = list(cases())
SINGLE_OBJECTS = [case.single_object for case in CASES]
FRAMES = sorted({case.single_object[:10] for case in CASES})
FULL = {case.event: case.single_object for case in CASES if case.name == "full"}
CLASSES = {"EMPTY", "TOO_LARGE", "NOT_AVRO", "UNKNOWN_SCHEMA", "MALFORMED", "INVALID"}
FUZZ = settings(max_examples=examples(400))


def outcome(value: bytes) -> AnyEvent | Undecodable:
    try:
        result: AnyEvent | Undecodable = codec().decode(value)  # type: ignore[assignment]  # of the catalogue
    except Undecodable as undecodable:
        result = undecodable
    kind = result.class_ if isinstance(result, Undecodable) else type(result).__name__
    assert kind in CLASSES | set(CATALOGUE)
    return result


def refusal(value: bytes) -> Undecodable:
    undecodable = outcome(value)
    assert isinstance(undecodable, Undecodable)
    return undecodable


@FUZZ
@given(st.binary(max_size=400))
def test_bytes_of_no_kind_are_undecodable(value: bytes) -> None:
    refusal(value)


@FUZZ
@given(st.sampled_from(FRAMES), st.binary(max_size=400))
def test_any_payload_behind_any_fingerprint_is_an_event_or_undecodable(frame: bytes, payload: bytes) -> None:
    outcome(frame + payload)


@FUZZ
@given(st.sampled_from(SINGLE_OBJECTS), st.data())
def test_an_event_with_damaged_bytes_is_an_event_or_undecodable(value: bytes, data: st.DataObject) -> None:
    damaged = bytearray(value)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(10, len(damaged) - 1))
        replaced = data.draw(st.integers(0, 8))
        damaged[at : at + replaced] = data.draw(st.binary(max_size=12))
        if len(damaged) <= 11:
            break
    outcome(bytes(damaged))


@pytest.mark.parametrize("event", FULL)
def test_an_event_cut_short_anywhere_is_undecodable(event: str) -> None:
    value = FULL[event]
    for length in range(len(value)):
        refusal(value[:length])


@pytest.mark.parametrize("event", FULL)
def test_an_event_with_bytes_left_over_is_undecodable(event: str) -> None:
    assert refusal(FULL[event] + b"\x00").reason == f"{event}: 1 bytes left over"


@pytest.mark.parametrize(
    ("value", "class_"),
    [
        (b"", "EMPTY"),
        (b"\xc3", "NOT_AVRO"),
        (b"\xc3\x01", "UNKNOWN_SCHEMA"),
        (b"\xc3\x01" + bytes(8), "UNKNOWN_SCHEMA"),
        (b"\x00\x00\x00\x00\x01payload", "UNKNOWN_SCHEMA"),
        (b"\x00\x00", "NOT_AVRO"),
        (b'{"command_id": "cmd-1"}', "NOT_AVRO"),
        (FRAMES[0], "MALFORMED"),
        (FRAMES[0] + bytes(1_000_000), "TOO_LARGE"),
        (bytes(1_000_001), "TOO_LARGE"),
    ],
)
def test_each_fault_has_its_class(value: bytes, class_: str) -> None:
    assert refusal(value).class_ == class_


# A CustomerMerged up to the array `redirects`: place, three ids, the winner, one loser.
_BEFORE_REDIRECTS = (
    next(case for case in CASES if case.event == "CustomerMerged" and case.name == "minimal").single_object.split(
        b"\x04id\x06\x00\x00"
    )[0]
    + b"\x04id\x06\x00\x00"
)


def _long(value: int) -> bytes:
    rest, encoded = (value << 1) ^ (value >> 63), bytearray()
    while rest > 0x7F:
        encoded.append((rest & 0x7F) | 0x80)
        rest >>= 7
    return bytes([*encoded, rest])


BOMBS = {
    "an array of more items than there are atoms": _BEFORE_REDIRECTS + _long(2**62),
    "the same in a block with its size": _BEFORE_REDIRECTS + _long(-(2**62)) + _long(8),
    "a block of the least number there is": _BEFORE_REDIRECTS + _long(-(2**63)) + _long(8),
    "a text longer than memory": _BEFORE_REDIRECTS + _long(1) + _long(2**62),
    "a text of negative length": _BEFORE_REDIRECTS + _long(1) + _long(-1),
    "a number that never ends": _BEFORE_REDIRECTS + b"\x80" * 900_000,
    "small redirects without end": _BEFORE_REDIRECTS + _long(240_000) + bytes(960_000),
    "empty blocks without end": _BEFORE_REDIRECTS + (_long(-1) + _long(4) + bytes(4)) * 160_000,
    "small redirects below the size that is looked through": _BEFORE_REDIRECTS + _long(4_000) + bytes(16_000),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_costs_neither_time_nor_memory(bomb: str) -> None:
    codec().decode(FULL["CustomerMerged"])  # what is built at first use is not the bomb's
    tracemalloc.start()
    began = time.perf_counter()
    refused = refusal(BOMBS[bomb])
    seconds = time.perf_counter() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.class_ in {"TOO_LARGE", "MALFORMED", "INVALID"}
    assert peak < 12_000_000, f"{peak} bytes"
    assert seconds < 20, f"{seconds} s"  # a second on an idle machine, tracemalloc's own cost included


@pytest.mark.parametrize("event", FULL)
def test_a_walk_over_an_event_ends_where_the_event_ends(event: str) -> None:
    schema = load_schema((schemas_directory() / CATALOGUE[event].schema_file).read_text("utf-8"))
    assert skim(schema, FULL[event], 10, max_items=1_000) == len(FULL[event])


def test_a_large_honest_event_is_decoded() -> None:
    case = next(case for case in CASES if case.event == "CustomerMerged" and case.name == "full")
    event = case.model()
    redirects = [{"from": f"C-{n}", "direct_to": "W", "canonical": "W", "version": n} for n in range(9_000)]
    large = type(event).model_validate({**event.model_dump(), "redirects": redirects})
    value = codec().encode(large)
    assert len(value) > 100_000
    assert codec().decode(value) == large


def test_a_number_out_of_the_range_of_times_is_malformed() -> None:
    case = next(case for case in CASES if case.event == "MergeRemoved" and case.name == "minimal")
    at = case.single_object[:-8]
    assert codec().decode(at + case.single_object[-8:]) == case.model()
    assert refusal(at + _long(2**62)).class_ == "MALFORMED"


def test_a_refusal_never_repeats_what_it_refuses() -> None:
    planted = "Zoe Planted"
    case = next(case for case in CASES if case.event == "CustomerCreated" and case.name == "full")
    fields = {**case.datum, "customer_id": planted + "\n", "extra": {planted: "x" * 10_001}}
    fields["attributes"] = {**case.datum["attributes"], "full_name": planted + "\x00", "email": planted * 2_000}
    value = _encoded("CustomerCreated", fields)
    refused = refusal(value)
    assert refused.class_ == "INVALID"
    assert refused.reason.startswith("CustomerCreated: customer_id: string_pattern_mismatch; attributes: ")
    causes = [refused, refused.__cause__]
    assert "lanted" not in "".join(f"{cause} {cause!r}" for cause in causes)
    assert "lanted" not in str(refusal(value[:-30]))


def _encoded(event: str, fields: dict[str, Any]) -> bytes:
    """As a producer that validates nothing would write it."""
    model = CATALOGUE[event].model
    unchecked: Any = model.model_validate({**fields, "customer_id": "x", "extra": {}, "attributes": {}})
    attributes = unchecked.attributes.model_construct(**fields["attributes"])
    update = {"customer_id": fields["customer_id"], "extra": fields["extra"], "attributes": attributes}
    return codec().encode(unchecked.model_copy(update=update))


# Schemas, from a registry or a file.


def _record(fields: list[Any], name: str = "Note") -> str:
    return json.dumps(
        {"type": "record", "name": name, "fields": [{"name": f"f{i}", "type": f} for i, f in enumerate(fields)]}
    )


def _chain(length: int) -> str:
    links: list[Any] = [{"type": "record", "name": "R0", "fields": [{"name": "x", "type": "int"}]}]
    links += [
        {"type": "record", "name": f"R{n}", "fields": [{"name": "x", "type": f"R{n - 1}"}]} for n in range(1, length)
    ]
    return _record(links)


REFUSED_SCHEMAS = {
    "itself as a field": (_record(["string", ["null", "Note"]]), "contains itself"),
    "itself through an array": (_record([{"type": "array", "items": "Note"}]), "contains itself"),
    "two records that hold each other": (
        _record(
            [{"type": "record", "name": "A", "fields": [{"name": "n", "type": {"type": "map", "values": "Note"}}]}]
        ),
        "contains itself",
    ),
    "an array of nulls": (_record([{"type": "array", "items": "null"}]), "no bytes"),
    "an array of empty records": (
        _record([{"type": "array", "items": {"type": "record", "name": "E", "fields": []}}]),
        "no bytes",
    ),
    "an array of fixed of no size": (
        _record([{"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}]),
        "no bytes",
    ),
    "a null as a field": (_record(["null"]), "no bytes"),
    "a chain of records by reference": (_chain(2_000), "nested more than 64 deep"),
    "brackets without end": ("[" * 500_000, "nested more than 64 deep"),
    "too much text": (_record(["string"]) + " " * 600_000, "the limit is"),
    "no JSON": ("record Note {}", "not an Avro schema"),
    "a number": ("7", "not an Avro schema"),
    "null": ("null", "not an Avro schema"),
    "an object without a type": ("{}", "not an Avro schema"),
    "an unknown type": (_record(["Surprise"]), "not an Avro schema"),
    "a union at the top": ('["null", "string"]', "not a record"),
    "an enumeration at the top": ('{"type": "enum", "name": "E", "symbols": ["A"]}', "not a record"),
    "a fixed with a text as its size": (_record([{"type": "fixed", "name": "F", "size": "9"}]), "no bytes"),
}


@pytest.mark.parametrize("kind", REFUSED_SCHEMAS)
def test_a_dangerous_schema_is_refused(kind: str) -> None:
    text, reason = REFUSED_SCHEMAS[kind]
    with pytest.raises(SchemaRefused, match=reason):
        load_schema(text)


def test_a_dangerous_schema_among_the_released_ones_stops_the_start_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "note.v1.avsc").write_text(REFUSED_SCHEMAS["an array of nulls"][0])
    with pytest.raises(SchemaRefused, match=r"note\.v1\.avsc: a null outside a union has no bytes"):
        SchemaStore(tmp_path)


_SCHEMA_WORDS = ["type", "name", "fields", "items", "values", "symbols", "size", "logicalType", "default"]
_TYPES = ["record", "array", "map", "enum", "fixed", "long", "string"]
_LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(_TYPES)
_ALMOST_SCHEMAS = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_SCHEMA_WORDS), inner, max_size=5),
    max_leaves=25,
)


@FUZZ
@given(_ALMOST_SCHEMAS)
def test_any_json_is_a_schema_or_refused(value: Any) -> None:
    try:
        schema = load_schema(json.dumps(value))
    except SchemaRefused:
        return
    assert schema.parsed["type"] == "record"


def test_a_schema_that_is_deep_but_bounded_is_read() -> None:
    schema = load_schema(_chain(60))
    assert skim(schema, bytes(60), 0, max_items=1) == 60
