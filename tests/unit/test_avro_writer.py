import json
from io import BytesIO

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract_samples import codec, data
from customer_events import CATALOGUE, CustomerAlias, MergeCompleted, schemas_directory, unchecked
from event_runtime.avro_writer import compiled, compiled_around_place
from event_runtime.codec import payload_of
from event_runtime.drafts import Place, placed_body
from event_runtime.schemas import SchemaRefused, SchemaStore, load_schema
from rig.examples import examples

STORE = SchemaStore(schemas_directory())


@pytest.mark.parametrize("name", CATALOGUE)
# A busy machine makes events slowly; that says nothing about the writer.
@settings(max_examples=examples(50))
@given(st.data())
def test_every_event_is_written_as_the_reference_implementation_writes_it(name: str, drawn: st.DataObject) -> None:
    event = drawn.draw(data(name))
    expected = BytesIO()
    schema = STORE.current(name, CATALOGUE[name].major)
    fastavro.schemaless_writer(expected, schema.parsed, event.model_dump(), disable_tuple_notation=True)
    assert payload_of(codec().encode(event)) == expected.getvalue()


@pytest.mark.parametrize("name", CATALOGUE)
@settings(max_examples=examples(10))
@given(st.data())
def test_an_event_made_without_checks_is_written_as_the_checked_one(name: str, drawn: st.DataObject) -> None:
    event = drawn.draw(data(name))
    model = type(event)
    given_fields = {field: getattr(event, field) for field in event.model_fields_set}
    assert codec().encode(unchecked(model)(**given_fields)) == codec().encode(event)


@pytest.mark.parametrize("name", ["CustomerAlias", "MergeCompleted"])
@given(st.data())
def test_an_unplaced_event_with_a_place_in_it_is_the_event_with_that_place(name: str, drawn: st.DataObject) -> None:
    event = drawn.draw(data(name))
    assert isinstance(event, CustomerAlias | MergeCompleted)
    place = Place(drawn.draw(st.integers(0, 2**31)), drawn.draw(st.integers(1, 2**62)), bytes(32))
    placed = event.model_copy(update={"stream": place.stream, "sequence": place.sequence})
    assert placed_body(codec().encode_unplaced(event), place) == codec().encode(placed)


@pytest.mark.parametrize("type_", [["null", "string", "long"], ["string", "null"], "float"])
def test_a_type_that_events_do_not_have_is_refused(type_: object) -> None:
    note = {"type": "record", "name": "Note", "fields": [{"name": "text", "type": type_}]}
    with pytest.raises(SchemaRefused):
        compiled(load_schema(json.dumps(note)))


def test_an_event_without_a_place_cannot_be_written_around_it() -> None:
    with pytest.raises(SchemaRefused):
        compiled_around_place(STORE.current("MergeNoop", 1))
