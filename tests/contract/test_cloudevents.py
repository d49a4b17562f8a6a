"""CloudEvents in Kafka headers, against the reference implementation of the CloudEvents project."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent as ReferenceEvent
from hypothesis import given
from hypothesis import strategies as st

from contract_samples import Case, cases, codec
from customer_events import CATALOGUE
from event_runtime import cloudevents
from event_runtime.codec import Undecodable
from event_runtime.publisher import Publisher
from rig.drafts import body_of

TIME = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
HEADERS = cloudevents.headers(
    event_id="018f4b1e",
    source="merge-worker",
    type_="MergeCompleted",
    subject="cmd-1 ü",
    time=TIME.astimezone(timezone(timedelta(hours=-8))),
    partitionkey="acme:cmd-1",
    dataschema="urn:avro:customer_merge.MergeCompleted:crc-64-avro:00",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)
SENT = {name: value.encode() for name, value in HEADERS.items()}


class _Body(JSONFormat):
    """Leaves an Avro body as it is."""

    def read_data(self, body: bytes | None, datacontenttype: str | None) -> bytes | None:
        assert datacontenttype == "application/avro"
        return body

    def write_data(self, data: object, datacontenttype: str | None) -> bytes:
        assert datacontenttype == "application/avro"
        assert isinstance(data, bytes)
        return data


def test_the_reference_implementation_reads_what_we_write() -> None:
    message = kafka.KafkaMessage(headers=SENT, key=b"acme:cmd-1", value=b"\xc3\x01body")
    event = kafka.from_kafka(message, _Body())
    assert isinstance(event, ReferenceEvent)
    assert (event.get_id(), event.get_source(), event.get_type()) == ("018f4b1e", "merge-worker", "MergeCompleted")
    assert event.get_specversion() == "1.0"
    assert event.get_subject() == "cmd-1 ü"
    assert event.get_time() == TIME
    assert event.get_dataschema() == "urn:avro:customer_merge.MergeCompleted:crc-64-avro:00"
    assert event.get_datacontenttype() == "application/avro"
    assert event.get_extension("partitionkey") == "acme:cmd-1"
    assert event.get_extension("traceparent") == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert event.get_data() == b"\xc3\x01body"


def test_we_write_the_same_headers_as_the_reference_implementation() -> None:
    event = kafka.from_kafka(kafka.KafkaMessage(headers=SENT, key=b"acme:cmd-1", value=b""), _Body())
    written = kafka.to_binary(event, _Body())
    assert written.headers == SENT
    assert written.key == "acme:cmd-1"


def test_we_read_what_the_reference_implementation_writes() -> None:
    event = ReferenceEvent(
        attributes={
            "id": "1",
            "source": "//elsewhere",
            "type": "MergeCustomers",
            "specversion": "1.0",
            "time": TIME,
            "datacontenttype": "application/avro",
            "stream": "7",
            "sequence": "300",
            "comexampleother": "x",
        },
        data=b"",
    )
    read = cloudevents.from_headers(kafka.to_binary(event, _Body()).headers)
    assert read == cloudevents.CloudEvent(
        id="1", source="//elsewhere", type="MergeCustomers", time=TIME, stream="7", sequence="300"
    )


def test_headers_come_back_as_they_went() -> None:
    assert cloudevents.from_headers(SENT) == cloudevents.CloudEvent(
        id="018f4b1e",
        source="merge-worker",
        type="MergeCompleted",
        subject="cmd-1 ü",
        time=TIME,
        partitionkey="acme:cmd-1",
        dataschema="urn:avro:customer_merge.MergeCompleted:crc-64-avro:00",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )


@pytest.mark.parametrize("case", list(cases()), ids=str)
def test_every_event_is_published_with_valid_cloudevents_headers(case: Case) -> None:
    kind, event = CATALOGUE[case.event], case.model()
    if kind.sequenced:  # sealed by the outbox, as integration tests show
        event = event.model_copy(update={"stream": 0, "sequence": 0, "prev_hash": bytes(32)})
    draft = Publisher(codec(), CATALOGUE, "customer-merge/test").draft(event)
    sent = {name: value.encode() for name, value in json.loads(draft.headers).items()}
    reference = kafka.from_kafka(kafka.KafkaMessage(headers=sent, key=draft.key, value=body_of(draft)), _Body())
    read = cloudevents.from_headers(sent)
    assert read is not None
    assert reference.get_id() == read.id == draft.event_id
    assert reference.get_type() == read.type == case.event
    assert reference.get_subject() == read.subject == kind.subject(event)
    assert reference.get_source() == "customer-merge/test"
    assert reference.get_dataschema() == codec().schema_uri(case.event)
    if not kind.sequenced:
        assert reference.get_extension("partitionkey") == read.partitionkey == kind.key(event)


def test_a_record_without_any_such_header_has_no_attributes() -> None:
    assert cloudevents.from_headers({}) is None
    assert cloudevents.from_headers({"content-type": b"application/avro", "other": b"\xff"}) is None


def test_names_of_headers_are_read_in_any_case() -> None:
    shouted = {name.upper(): value for name, value in SENT.items()}
    assert cloudevents.from_headers(shouted) == cloudevents.from_headers(SENT)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ce_id": b""}, "ce_id is missing or empty"),
        ({"ce_id": None}, "ce_id is missing or empty"),
        ({"ce_source": None}, "ce_source is missing or empty"),
        ({"ce_type": None}, "ce_type is missing or empty"),
        ({"ce_specversion": None}, "ce_specversion is not 1.0"),
        ({"ce_specversion": b"0.3"}, "ce_specversion is not 1.0"),
        ({"ce_subject": b"\xff\xfe"}, "ce_subject is not UTF-8"),
        ({"ce_id": b"x" * 4_097}, "ce_id has 4097 bytes, the limit is 4096"),
        ({"ce_time": b"yesterday"}, "ce_time is not an RFC 3339 time"),
        ({"ce_time": b"2026-01-02T03:04:05"}, "ce_time is not an RFC 3339 time"),
        ({"ce_time": b"0001-01-01T00:00:00+23:00"}, "ce_time is not an RFC 3339 time"),
    ],
)
def test_headers_out_of_order_are_refused(changes: dict[str, bytes | None], reason: str) -> None:
    damaged = {name: value for name, value in {**SENT, **changes}.items() if value is not None}
    with pytest.raises(Undecodable) as refused:
        cloudevents.from_headers(damaged)
    assert (refused.value.class_, refused.value.reason) == ("BAD_HEADERS", reason)


@given(st.dictionaries(st.sampled_from([*HEADERS, "ce_", "ce_stream", "CE_ID"]), st.binary(max_size=30)))
def test_any_headers_are_attributes_or_refused(headers: dict[str, bytes]) -> None:
    try:
        class_ = "" if cloudevents.from_headers(headers) else "none"
    except Undecodable as refused:
        class_ = refused.class_
    assert class_ in {"", "none", "BAD_HEADERS"}
