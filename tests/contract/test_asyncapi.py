"""The AsyncAPI file: valid by the official schema of AsyncAPI 3, complete, and without references to nowhere."""

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from customer_events import CATALOGUE, TOPICS, schemas_directory
from event_runtime import cloudevents
from event_runtime.schemas import load_schema

OFFICIAL = json.loads((Path(__file__).parent / "data/asyncapi-3.0.0.json").read_text("utf-8"))
DOCUMENT = yaml.safe_load((schemas_directory() / "asyncapi.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(OFFICIAL)


def test_it_is_valid_asyncapi_3(validator: jsonschema.Draft7Validator) -> None:
    assert [f"{list(error.path)}: {error.message[:200]}" for error in validator.iter_errors(DOCUMENT)] == []


@pytest.mark.parametrize(
    "path",
    [
        ("channels", "merge-command", "address"),
        ("channels", "merge-command", "bindings", "kafka", "partitions"),
        ("operations", "merge-command", "action"),
        ("components", "messages", "MergeCustomers", "traits"),
        ("components", "messages", "MergeCustomers", "payload", "schemaFormat"),
    ],
    ids=".".join,
)
def test_the_validator_notices_a_mistake(path: tuple[str, ...], validator: jsonschema.Draft7Validator) -> None:
    broken = copy.deepcopy(DOCUMENT)
    entry = broken
    for step in path[:-1]:
        entry = entry[step]
    entry[path[-1]] = False
    assert not validator.is_valid(broken)


def test_every_topic_is_a_channel_with_its_events_and_settings() -> None:
    channels = DOCUMENT["channels"]
    assert set(channels) == set(TOPICS)
    for name, topic in TOPICS.items():
        events = [event.name for event in CATALOGUE.values() if event.topic == name]
        assert list(channels[name]["messages"]) == events
        kafka = channels[name]["bindings"]["kafka"]
        assert kafka["partitions"] == topic.partitions
        assert ",".join(kafka["topicConfiguration"]["cleanup.policy"]) == topic.configuration["cleanup.policy"]
        assert {"send", "receive"} > {DOCUMENT["operations"][name]["action"]}


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_event_is_a_message_whose_payload_is_its_schema(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name]
    path = schemas_directory() / message["payload"]["schema"]["$ref"]
    assert path.name == CATALOGUE[name].schema_file
    assert load_schema(path.read_text("utf-8")).name == name


def test_every_reference_inside_leads_somewhere() -> None:
    for reference in _references(DOCUMENT):
        if reference.startswith("#/"):
            target: Any = DOCUMENT
            for step in reference[2:].split("/"):
                target = target[step]
        else:
            assert (schemas_directory() / reference).is_file()


def test_the_headers_are_those_that_are_sent() -> None:
    trait = DOCUMENT["components"]["messageTraits"]["cloudEvent"]["headers"]
    sent = cloudevents.headers(
        event_id="1",
        source="s",
        type_="t",
        subject="s",
        time=datetime(2026, 1, 1, tzinfo=UTC),
        partitionkey="k",
        dataschema="d",
        traceparent="p",
    )
    assert set(trait["properties"]) | {"content-type"} == set(sent)


def _references(value: Any) -> list[str]:
    found = []
    if isinstance(value, dict):
        found += [value["$ref"]] if "$ref" in value else []
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            found += _references(inner)
    return found
