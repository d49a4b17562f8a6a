"""`schemas/asyncapi.yaml`: the contract as AsyncAPI 3."""

import json
from typing import Any, Final

import yaml

from customer_events.catalogue import CATALOGUE, TOPICS, EventType, Topic, schemas_directory

CONTRACT_VERSION: Final = "1.0.0"

_DESCRIPTION = (
    "Customer records in, merge commands in; candidates, outcomes and identity changes out. "
    "Bodies are Avro: single-object encoding, or Confluent wire format where there is a schema registry."
)

# What others may do on a topic; the project's own services do the opposite.
_OTHERS: Final = {
    "customer-created": ("receive", "Systems that own customers say what they hold."),
    "merge-candidate": ("send", "The detector proposes."),
    "merge-command": ("receive", "Whoever may command says what is to be done; the review desk does it too."),
    "merge-outcome": ("send", "How each command ended, or gets on."),
    "customer-merged": ("send", "What changed about who is who."),
    "customer-alias": ("send", "Where a retired id leads now."),
    "relink-ack": ("receive", "Downstream systems say how far they are with a merge."),
    "merge-quarantine": ("send", "What could not be processed."),
}

_ATTRIBUTES: Final = {
    "ce_specversion": "Version of CloudEvents.",
    "ce_id": "Id of the event; the same event always has the same one.",
    "ce_source": "The program that speaks.",
    "ce_type": "Name of the event.",
    "ce_subject": "What the event is about.",
    "ce_time": "When it was written.",
    "ce_dataschema": "The schema of the body.",
    "ce_partitionkey": "The record's key.",
    "ce_traceparent": "W3C trace context.",
}
_STREAM_ATTRIBUTES: Final = {"ce_stream": "Number of the stream.", "ce_sequence": "Position in the stream."}
_REQUIRED: Final = ["ce_specversion", "ce_id", "ce_source", "ce_type"]


def asyncapi() -> str:
    """The file as YAML."""
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "customer-merge",
            "version": CONTRACT_VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/avro",
        "channels": {topic.name: _channel(topic) for topic in TOPICS.values()},
        "operations": {topic.name: _operation(topic) for topic in TOPICS.values()},
        "components": {
            "messages": {event.name: _message(event) for event in CATALOGUE.values()},
            "messageTraits": {
                "cloudEvent": {"headers": _headers(_ATTRIBUTES, _REQUIRED)},
                "streamEvent": {
                    "headers": _headers(_ATTRIBUTES | _STREAM_ATTRIBUTES, [*_REQUIRED, *_STREAM_ATTRIBUTES])
                },
            },
        },
    }
    note = "# Made by `make docs` from the catalogue and the schemas; edit those.\n"
    return note + yaml.safe_dump(document, sort_keys=False, width=120, allow_unicode=True)


def _channel(topic: Topic) -> dict[str, Any]:
    configuration: dict[str, Any] = {"cleanup.policy": [topic.configuration["cleanup.policy"]]}
    for limit in ("retention.ms", "retention.bytes"):
        if limit in topic.configuration:
            configuration[limit] = int(topic.configuration[limit])
    events = [event for event in CATALOGUE.values() if event.topic == topic.name]
    return {
        "address": topic.name,
        "description": f"Key: {topic.key}. The name is a default.",
        "messages": {event.name: {"$ref": f"#/components/messages/{event.name}"} for event in events},
        "bindings": {
            "kafka": {"partitions": topic.partitions, "topicConfiguration": configuration, "bindingVersion": "0.5.0"}
        },
    }


def _operation(topic: Topic) -> dict[str, Any]:
    action, summary = _OTHERS[topic.name]
    return {"action": action, "channel": {"$ref": f"#/channels/{topic.name}"}, "summary": summary}


def _message(event: EventType) -> dict[str, Any]:
    schema = json.loads((schemas_directory() / event.schema_file).read_text("utf-8"))
    trait = "streamEvent" if event.sequenced else "cloudEvent"
    return {
        "name": event.name,
        "title": event.name,
        "summary": schema["doc"],
        "contentType": "application/avro",
        "traits": [{"$ref": f"#/components/messageTraits/{trait}"}],
        "payload": {
            "schemaFormat": "application/vnd.apache.avro+json;version=1.9.0",
            "schema": {"$ref": f"./{event.schema_file}"},
        },
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": TOPICS[event.topic].key},
                "bindingVersion": "0.5.0",
            }
        },
    }


def _headers(attributes: dict[str, str], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": "string", "description": text} for name, text in attributes.items()},
        "required": required,
    }
