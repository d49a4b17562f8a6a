"""Confluent wire format with a schema registry, over HTTP."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from contract_samples import Case, cases, codec
from customer_events import CATALOGUE, schemas_directory
from event_runtime.codec import Codec, SchemaStore, Undecodable, payload_of
from event_runtime.faults import ServerUnavailable
from event_runtime.registry import RegistryUnavailable, SchemaRegistry

STORE = SchemaStore(schemas_directory())
COMMAND = next(case for case in cases() if case.event == "MergeCustomers" and case.name == "full")
TOPICS = {name: f"prod.{event.topic}" for name, event in CATALOGUE.items()}


class Registry(BaseHTTPRequestHandler):
    """The two calls of a schema registry that a codec makes; `down` answers every call with that status."""

    url: ClassVar[str]
    subjects: ClassVar[dict[str, int]]
    schemas: ClassVar[dict[int, dict[str, str]]]
    calls: ClassVar[list[str]]
    down: ClassVar[int | None]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        subject = self._asked_for(r"/subjects/([^/]+)/versions")
        self.calls.append(f"register {subject}")
        if self.down is None:
            self.subjects.setdefault(subject, len(self.subjects) + 1)
            self.schemas[self.subjects[subject]] = {"schema": body["schema"]}
        self._answer(200, {"id": self.subjects.get(subject)})

    def do_GET(self) -> None:
        schema_id = int(self._asked_for(r"/schemas/ids/(\d+)"))
        self.calls.append(f"read {schema_id}")
        if schema_id in self.schemas:
            self._answer(200, self.schemas[schema_id])
        else:
            self._answer(404, {"error_code": 40403, "message": "Schema not found"})

    def _asked_for(self, pattern: str) -> str:
        found = re.fullmatch(pattern, self.path.partition("?")[0])
        assert found is not None
        return found.group(1)

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        if self.down is not None:
            status, body = self.down, {"error_code": self.down, "message": "out of order"}
        answer = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def registry() -> Iterator[type[Registry]]:
    class Fresh(Registry):
        subjects: ClassVar[dict[str, int]] = {}
        schemas: ClassVar[dict[int, dict[str, str]]] = {}
        calls: ClassVar[list[str]] = []
        down: ClassVar[int | None] = None
        url: ClassVar[str] = ""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Fresh)
    Fresh.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Fresh
    server.shutdown()
    server.server_close()
    thread.join()


def codec_with(registry: type[Registry]) -> Codec:
    return Codec(STORE, CATALOGUE, SchemaRegistry(registry.url, TOPICS, {"max.retries": 0}))


@pytest.mark.parametrize("case", list(cases()), ids=str)
def test_every_event_travels_in_confluent_wire_format(case: Case, registry: type[Registry]) -> None:
    writer, reader = codec_with(registry), codec_with(registry)
    value = writer.encode(case.model())
    assert writer.framing_bytes == 5
    assert value[:5] == b"\x00\x00\x00\x00\x01"
    assert payload_of(value) == payload_of(codec().encode(case.model()))
    assert reader.decode(value) == case.model()
    assert list(registry.subjects) == [f"prod.{CATALOGUE[case.event].topic}-customer_merge.{case.event}"]


def test_the_registry_is_asked_once_for_each_schema(registry: type[Registry]) -> None:
    writer, reader = codec_with(registry), codec_with(registry)
    for _ in range(3):
        assert reader.decode(writer.encode(COMMAND.model())) == COMMAND.model()
    assert registry.calls == ["register prod.merge-command-customer_merge.MergeCustomers", "read 1"]


def test_single_objects_are_still_read_where_a_registry_is_configured(registry: type[Registry]) -> None:
    assert codec_with(registry).decode(COMMAND.single_object) == COMMAND.model()
    assert registry.calls == []


def test_a_writer_with_fields_that_we_do_not_know_is_read(registry: type[Registry]) -> None:
    newer = json.loads(STORE.current("MergeCustomers", 1).text)
    newer["fields"].append({"name": "priority", "type": "long", "default": 0})
    registry.schemas[7] = {"schema": json.dumps(newer)}
    value = b"\x00\x00\x00\x00\x07" + COMMAND.single_object[10:] + b"\x0a"
    assert codec_with(registry).decode(value) == COMMAND.model()


def test_a_schema_the_registry_does_not_have_is_unknown_until_it_has_it(registry: type[Registry]) -> None:
    reader = codec_with(registry)
    value = b"\x00\x00\x00\x00\x09" + COMMAND.single_object[10:]
    with pytest.raises(Undecodable, match="the schema registry has no Avro schema 9") as refused:
        reader.decode(value)
    assert refused.value.class_ == "UNKNOWN_SCHEMA"
    registry.schemas[9] = {"schema": STORE.current("MergeCustomers", 1).text}
    assert reader.decode(value) == COMMAND.model()


@pytest.mark.parametrize(
    ("schema", "class_"),
    [
        (
            {"schema": '{"type": "record", "name": "MergeCustomers", "fields": [{"name": "x", "type": "null"}]}'},
            "SCHEMA_REFUSED",
        ),
        ({"schema": "surprise"}, "SCHEMA_REFUSED"),
        ({"schema": "syntax = 'proto3';", "schemaType": "PROTOBUF"}, "UNKNOWN_SCHEMA"),
        ({"schema": '{"type": "record", "name": "Else", "fields": [{"name": "x", "type": "long"}]}'}, "UNKNOWN_EVENT"),
        (
            {"schema": '{"type": "record", "name": "MergeCustomers", "fields": [{"name": "x", "type": "long"}]}'},
            "SCHEMA_REFUSED",
        ),
    ],
)
def test_a_schema_of_another_kind_makes_a_record_undecodable(
    schema: dict[str, str], class_: str, registry: type[Registry]
) -> None:
    registry.schemas[1] = schema
    with pytest.raises(Undecodable) as refused:
        codec_with(registry).decode(b"\x00\x00\x00\x00\x01\x02")
    assert refused.value.class_ == class_


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_registry_out_of_order_is_a_pause_and_no_fault_of_a_record(status: int, registry: type[Registry]) -> None:
    both = codec_with(registry)
    registry.down = status
    with pytest.raises(RegistryUnavailable):
        both.decode(b"\x00\x00\x00\x00\x01\x02")
    with pytest.raises(RegistryUnavailable):
        both.encode(COMMAND.model())
    registry.down = None
    assert both.decode(both.encode(COMMAND.model())) == COMMAND.model()


def test_a_registry_that_is_not_there_is_a_pause(registry: type[Registry]) -> None:
    unreachable = SchemaRegistry("http://127.0.0.1:9", TOPICS, {"max.retries": 0})
    with pytest.raises(ServerUnavailable, match="the schema registry does not answer"):
        Codec(STORE, CATALOGUE, unreachable).encode(COMMAND.model())


def test_without_a_registry_confluent_wire_format_is_an_unknown_schema() -> None:
    with pytest.raises(Undecodable, match="none is configured") as refused:
        codec().decode(b"\x00\x00\x00\x00\x01\x02")
    assert refused.value.class_ == "UNKNOWN_SCHEMA"
