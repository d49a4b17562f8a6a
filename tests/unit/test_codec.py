"""The codec on what the project itself writes."""

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from contract_samples import Case, cases, codec, data
from customer_events import (
    CATALOGUE,
    Actor,
    Attributes,
    CustomerCreated,
    CustomerMerged,
    MergeCustomers,
    MovedRows,
    RecommendMerge,
    VersionedId,
    schemas_directory,
)
from customer_events.base import StreamEvent
from event_runtime.codec import Codec, EventTooLarge, SchemaStore, Undecodable, payload_of
from event_runtime.drafts import Draft, Place, payload_hash, seal_body
from event_runtime.records import content_digest
from event_runtime.schemas import SchemaRefused, load_schema
from rig.examples import examples

COMMAND = MergeCustomers(
    tenant_id="acme",
    command_id="cmd-1",
    winner_id="A",
    loser_ids=("B",),
    requested_by=Actor(id="alice", roles=("merge",)),
    reason="duplicate",
    issued_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
)


@pytest.mark.parametrize("name", CATALOGUE)
@settings(max_examples=examples(15))
@given(st.data())
def test_any_event_survives_the_wire(name: str, drawn: st.DataObject) -> None:
    event = drawn.draw(data(name))
    again = codec().decode(codec().encode(event))
    assert again == event
    assert content_digest(again) == content_digest(event)


def test_times_keep_their_microseconds_and_come_back_in_utc() -> None:
    east = COMMAND.issued_at.astimezone(timezone(timedelta(hours=5, minutes=45)))
    command = codec().decode(codec().encode(COMMAND.model_copy(update={"issued_at": east})))
    assert isinstance(command, MergeCustomers)
    assert command.issued_at == COMMAND.issued_at
    assert command.issued_at.tzinfo is UTC


def test_a_time_without_a_zone_is_refused_when_the_event_is_built() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        MergeCustomers.model_validate({**COMMAND.model_dump(), "issued_at": datetime(2026, 1, 1)})  # noqa: DTZ001 - the subject


def test_the_framing_can_be_cut_off() -> None:
    value = codec().encode(COMMAND)
    assert codec().framing_bytes == 10
    assert payload_of(value) == value[10:]


@pytest.mark.parametrize("case", [case for case in cases() if CATALOGUE[case.event].sequenced], ids=str)
def test_an_event_sealed_with_its_place_is_the_event_encoded_with_it(case: Case) -> None:
    event: Any = case.model()
    blank = event.model_copy(update={"stream": 0, "sequence": 0, "prev_hash": bytes(32)})
    draft = Draft(
        event_id="1",
        event_type=case.event,
        tenant_id="acme",
        topic="customer-merged",
        key=None,
        headers="{}",
        body=codec().encode(blank),
        sequenced=True,
        framing_bytes=codec().framing_bytes,
    )
    place = Place(stream=event.stream, sequence=event.sequence, prev_hash=event.prev_hash)
    sealed = seal_body(draft, place)
    assert sealed == codec().encode(event)
    assert payload_hash(draft, sealed) == hashlib.sha256(payload_of(sealed)).digest()


def test_an_event_too_large_for_a_record_is_not_encoded() -> None:
    event = CustomerCreated(
        tenant_id="acme",
        customer_id="A",
        version=1,
        occurred_at=COMMAND.issued_at,
        source="shop",
        attributes=Attributes(),
        extra={f"field {number}": "x" * 10_000 for number in range(120)},
    )
    with pytest.raises(EventTooLarge, match=r"CustomerCreated has \d+ bytes, the limit is 1000000"):
        codec().encode(event)


def test_a_codec_decodes_only_the_events_it_was_given() -> None:
    commands_only = Codec(SchemaStore(schemas_directory()), {"MergeCustomers": CATALOGUE["MergeCustomers"]})
    other = next(case for case in cases() if case.event == "CustomerCreated")
    with pytest.raises(Undecodable, match=r"customer_merge\.CustomerCreated is not expected here") as refused:
        commands_only.decode(other.single_object)
    assert refused.value.class_ == "UNKNOWN_EVENT"


def test_a_codec_without_a_schema_for_one_of_its_events_is_not_built(tmp_path: Path) -> None:
    with pytest.raises(SchemaRefused, match="no schema of MergeCustomers, version 1"):
        Codec(SchemaStore(tmp_path), {"MergeCustomers": CATALOGUE["MergeCustomers"]})


def test_a_schema_uri_names_the_schema_by_its_fingerprint() -> None:
    fingerprint = codec().encode(COMMAND)[2:10].hex()
    assert codec().schema_uri("MergeCustomers") == f"urn:avro:customer_merge.MergeCustomers:crc-64-avro:{fingerprint}"


def test_the_digest_of_content_ignores_fields_at_their_default_and_the_order_of_a_map() -> None:
    spelled_out = COMMAND.model_copy(update={"waived_rules": (), "deadline": None, "expected_versions": {}})
    assert content_digest(spelled_out) == content_digest(COMMAND)
    fields = COMMAND.model_dump()
    one = MergeCustomers.model_validate(fields | {"expected_versions": {"A": 1, "B": 2}})
    other = MergeCustomers.model_validate(fields | {"expected_versions": {"B": 2, "A": 1}})
    assert content_digest(one) == content_digest(other) != content_digest(COMMAND)


def test_a_field_that_a_newer_version_adds_changes_no_digest_while_it_is_at_its_default() -> None:
    class Newer(MergeCustomers):
        priority: int = 0

    newer = Newer.model_validate(COMMAND.model_dump())
    Newer.__name__ = "MergeCustomers"
    assert content_digest(newer) == content_digest(COMMAND)
    assert content_digest(newer.model_copy(update={"priority": 1})) != content_digest(COMMAND)


def test_two_kinds_of_event_with_the_same_fields_have_different_digests() -> None:
    fields = COMMAND.model_dump(exclude={"approvals", "on_ineligible"})
    assert content_digest(RecommendMerge.model_validate(fields)) != content_digest(COMMAND)


def test_an_event_never_shows_what_it_carries() -> None:
    planted = CustomerCreated(
        tenant_id="acme",
        customer_id="A",
        version=1,
        occurred_at=COMMAND.issued_at,
        source="shop",
        attributes=Attributes(full_name="Zoe Planted", email="zoe@planted.example"),
    )
    assert "lanted" not in f"{planted} {planted!r} {planted.attributes} {[planted]}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("customer_id", ""),
        ("customer_id", "x" * 201),
        ("customer_id", "line\nbreak"),
        ("tenant_id", "a:b"),
        ("version", -1),
        ("version", 2**63),
        ("extra", {"field": "a\x00b"}),
        ("extra", {str(number): "" for number in range(201)}),
        ("surprise", "x"),
    ],
)
def test_values_out_of_bounds_are_refused_without_being_repeated(field: str, value: object) -> None:
    fields = {
        "tenant_id": "acme",
        "customer_id": "A",
        "version": 1,
        "occurred_at": COMMAND.issued_at,
        "source": "shop",
        "attributes": {},
    }
    CustomerCreated.model_validate(fields)
    with pytest.raises(ValidationError) as refused:
        CustomerCreated.model_validate({**fields, field: value})
    assert "input_value" not in str(refused.value)


def test_an_event_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        COMMAND.reason = "another"  # type: ignore[misc]  # the subject


def test_optional_arrays_are_arrays_and_not_branches_of_a_union() -> None:
    merged = next(case for case in cases() if case.event == "CustomerMerged").model()
    assert isinstance(merged, CustomerMerged)
    rows = (MovedRows(table="orders", rows=1), MovedRows(table="tickets", rows=2))
    event = merged.model_copy(update={"moved": rows, "winner": VersionedId(id="W", version=9)})
    again = codec().decode(codec().encode(event))
    assert isinstance(again, CustomerMerged)
    assert again.moved == rows


def test_the_catalogue_gives_every_event_a_key_within_its_tenant() -> None:
    for case in cases():
        kind, event = CATALOGUE[case.event], case.model()
        key = kind.key(event)
        if kind.sequenced:
            assert isinstance(event, StreamEvent)
            assert key == str(event.stream)
        elif kind.topic == "merge-quarantine":
            assert key == "merge-command/1/1099511627776" or case.name == "minimal"
        else:
            assert key.startswith("acme:")
            assert len(key) > len("acme:")
        assert kind.subject(event)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({}, "acme:A"),
        ({"winner_id": None}, "acme:B"),
    ],
)
def test_a_merge_command_is_keyed_by_its_winner_or_else_its_first_loser(changes: dict[str, object], key: str) -> None:
    assert CATALOGUE["MergeCustomers"].key(COMMAND.model_copy(update=changes)) == key


def test_a_schema_written_for_another_model_version_is_found_by_name_and_major(tmp_path: Path) -> None:
    class Note(BaseModel):
        text: str

    class Kind:
        name, major, model = "Note", 2, Note

    one = '{"type": "record", "name": "Note", "fields": [{"name": "text", "type": "string"}]}'
    two = one.replace('"text", "type": "string"', '"text", "type": "string", "aliases": ["words"]')
    words = one.replace("text", "words")
    (tmp_path / "released").mkdir()
    (tmp_path / "note.v1.avsc").write_text(words)
    (tmp_path / "note.v2.avsc").write_text(two)
    (tmp_path / "released/note.v1.0.avsc").write_text(words)
    store = SchemaStore(tmp_path)
    assert store.current("Note", 1).fingerprint != store.current("Note", 2).fingerprint
    old = b"\xc3\x01" + store.current("Note", 1).fingerprint + b"\x04hi"
    assert Codec(store, {"Note": Kind()}).decode(old) == Note(text="hi")


def test_what_an_older_version_wrote_is_read_as_the_newest(tmp_path: Path) -> None:
    class Mood(StrEnum):
        CALM = "CALM"
        OTHER = "OTHER"

    class Note(BaseModel):
        text: str
        mood: Mood
        tags: tuple[str, ...] = ()
        author: str | None = None

    class Kind:
        name, major, model = "Note", 1, Note

    def schema(symbols: list[str], *more: dict[str, object]) -> str:
        mood = {"type": "enum", "name": "Mood", "symbols": symbols, "default": "OTHER"}
        fields = [{"name": "text", "type": "string"}, {"name": "mood", "type": mood}, *more]
        return json.dumps({"type": "record", "name": "Note", "fields": fields})

    newest = schema(
        ["CALM", "OTHER"],
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "author", "type": ["null", "string"], "default": None},
    )
    older = schema(["CALM", "OTHER", "WILD"], {"name": "colour", "type": "string", "default": ""})
    (tmp_path / "released").mkdir()
    (tmp_path / "released/note.v1.0.avsc").write_text(older)
    (tmp_path / "released/note.v1.1.avsc").write_text(newest)
    (tmp_path / "note.v1.avsc").write_text(newest)
    codec_of_notes = Codec(SchemaStore(tmp_path), {"Note": Kind()})
    written = b"\xc3\x01" + load_schema(older).fingerprint + b"\x04hi" + b"\x04" + b"\x06red"
    assert codec_of_notes.decode(written) == Note(text="hi", mood=Mood.OTHER)
    newest_note = Note(text="hi", mood=Mood.CALM, tags=("a",), author="me")
    assert codec_of_notes.decode(codec_of_notes.encode(newest_note)) == newest_note


def test_two_current_schemas_of_one_event_are_refused(tmp_path: Path) -> None:
    text = '{"type": "record", "name": "Note", "fields": [{"name": "text", "type": "string"}]}'
    (tmp_path / "note.v1.avsc").write_text(text)
    (tmp_path / "other.v1.avsc").write_text(text)
    with pytest.raises(SchemaRefused, match="Note has another current schema of this version"):
        SchemaStore(tmp_path)
