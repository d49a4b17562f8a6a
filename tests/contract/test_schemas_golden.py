"""The golden files: what these bytes mean, for implementations in any language. Two of them check each other here."""

import json
from io import BytesIO
from typing import Any

import avro.io
import avro.schema
import pytest

from contract_samples import GOLDEN, Case, cases, codec
from customer_events import CATALOGUE, schemas_directory
from event_runtime.records import content_digest

CASES = pytest.mark.parametrize("case", list(cases()), ids=str)


def test_every_released_schema_has_its_golden_file() -> None:
    released = {path.name.removesuffix(".avsc") for path in (schemas_directory() / "released").glob("*.avsc")}
    assert {path.name.removesuffix(".json") for path in GOLDEN.glob("*.json")} == released


@CASES
def test_golden_bytes_decode_to_what_they_mean(case: Case) -> None:
    event = codec().decode(case.single_object)
    assert type(event) is CATALOGUE[case.event].model
    assert event == case.model()
    # a later version may have added fields, at their default
    assert json.loads(event.model_dump_json()).items() >= case.datum.items()


@CASES
def test_what_golden_bytes_mean_encodes_to_them_while_the_version_is_current(case: Case) -> None:
    value = codec().encode(case.model())
    assert case.single_object[:10] == b"\xc3\x01" + case.fingerprint
    if value[2:10] == case.fingerprint:
        assert value == case.single_object
    assert codec().decode(value) == case.model()


@CASES
def test_another_implementation_reads_the_golden_bytes_alike(case: Case) -> None:
    body = BytesIO(case.single_object[10:])
    reader = avro.io.DatumReader(avro.schema.parse(case.schema.read_text("utf-8")))
    assert _as_json(reader.read(avro.io.BinaryDecoder(body))) == case.datum
    assert body.read() == b""


@CASES
def test_content_is_the_same_whether_read_from_bytes_or_from_json(case: Case) -> None:
    assert content_digest(codec().decode(case.single_object)) == content_digest(case.model())


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_json(inner) for inner in value]
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else value
