"""`docs/events.md`: every topic, every event and every field, from the catalogue and the schemas."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from customer_events.catalogue import CATALOGUE, DEFAULT_STREAMS, NOTICES, TERMINAL_OUTCOMES, TOPICS, schemas_directory

_INTRODUCTION = f"""# Events

<!-- Made by `make docs` from the catalogue and the schemas; edit those. -->

Every event is a CloudEvent 1.0 in Kafka's binary binding: its attributes are `ce_*` headers (`ce_id`, `ce_source`,
`ce_type` = the event's name, `ce_subject`, `ce_time`, `ce_dataschema`, `ce_partitionkey`, `ce_traceparent`; on
customer-merged also `ce_stream` and `ce_sequence`), its body is Avro.

- **Without a schema registry** the body is Avro single-object encoding: `C3 01`, the schema's CRC-64-AVRO fingerprint
  (little-endian), the datum. The schema is one of those in `schemas/`, which keeps every version ever released.
- **With one** it is Confluent's wire format: `00`, the schema's id (big-endian), the datum. Subjects follow
  TopicRecordNameStrategy.

A command's `command_id` is its idempotency key: the same id with the same content is answered with the stored outcome,
with the same event id; the same id with other content is rejected. Content is compared without fields at their default.
Every accepted command ends in exactly one terminal event: {{terminal}}. Notices on the way: {{notices}}.

A command with `follow_redirects` goes on to a root that it does not name only with `approvals` and with the reviewed
version of every root in `expected_versions`; else it is rejected (APPROVAL_OF_ROOTS_MISSING), with their names.

customer-merged has a fixed number of streams ({DEFAULT_STREAMS} unless chosen otherwise at `migrate`), which are its
partitions; a tenant belongs to one. Each stream numbers its events 1..n without gaps, and each event holds the hash of
the one before. A `read_committed` reader sees each once, in order; any other reader drops numbers it has seen.

A redirect or alias carries a version: apply it only if it is newer than the one you hold. Then duplicates, reordering
and replays all end in the same state.
"""

_TYPES = {"long": "integer", "double": "number", "string": "string", "boolean": "boolean", "bytes": "bytes"}


def events_page() -> str:
    """The page as Markdown."""
    records: dict[str, Any] = {}
    enums: dict[str, Any] = {}
    sections = []
    for topic in TOPICS.values():
        sections.append(f"## {topic.name}\n")
        for event in (event for event in CATALOGUE.values() if event.topic == topic.name):
            schema = json.loads((schemas_directory() / event.schema_file).read_text("utf-8"))
            sections.append(f"### {event.name}\n\n{schema['doc']} Schema: `schemas/{event.schema_file}`.\n")
            sections.append(_field_table(schema, records, enums))
    terminal, notices = (", ".join(model.__name__ for model in models) for models in (TERMINAL_OUTCOMES, NOTICES))
    introduction = _INTRODUCTION.replace("{terminal}", terminal).replace("{notices}", notices)
    return "\n".join([introduction, _topic_table(), *sections, *_shared(records, enums)])


def _topic_table() -> str:
    rows = [
        "## Topics\n",
        "| topic (default name) | key | events | cleanup | partitions |",
        "|---|---|---|---|---|",
    ]
    for topic in TOPICS.values():
        events = ", ".join(event.name for event in CATALOGUE.values() if event.topic == topic.name)
        rows.append(f"| {topic.name} | {topic.key} | {events} | {topic.cleanup} | {topic.partitions} |")
    rows.append("\n`keep` means that nothing expires.\n")
    return "\n".join(rows)


def _shared(records: Mapping[str, Any], enums: Mapping[str, Any]) -> Iterator[str]:
    nested: dict[str, Any] = {}  # all are known by now
    yield "## Records inside events\n"
    for name in sorted(records):
        yield f"### {name}\n\n{records[name]['doc']}\n"
        yield _field_table(records[name], nested, nested)
    yield "## Enumerations\n"
    yield "| enumeration | symbols | meaning | a symbol that the reader does not know is read as |\n|---|---|---|---|"
    for name in sorted(enums):
        enum = enums[name]
        yield f"| {name} | {', '.join(enum['symbols'])} | {enum['doc']} | {enum['default']} |"
    yield ""


def _field_table(schema: Any, records: dict[str, Any], enums: dict[str, Any]) -> str:
    rows = ["| field | type | default | meaning |", "|---|---|---|---|"]
    for field in schema["fields"]:
        default = f"`{json.dumps(field['default'])}`" if "default" in field else ""
        rows.append(f"| {field['name']} | {_type(field['type'], records, enums)} | {default} | {field['doc']} |")
    return "\n".join(rows) + "\n"


def _type(schema: Any, records: dict[str, Any], enums: dict[str, Any]) -> str:
    match schema:
        case ["null", value]:
            return f"{_type(value, records, enums)}?"
        case {"logicalType": "timestamp-micros"}:
            return "time"
        case {"type": "array", "items": items}:
            return f"[{_type(items, records, enums)}]"
        case {"type": "map", "values": values}:
            return f"map of {_type(values, records, enums)}"
        case {"type": "record", "name": name}:
            if name not in records:
                records[name] = schema
                _field_table(schema, records, enums)
            return f"[{name}](#{name.lower()})"
        case {"type": "enum", "name": name}:
            enums[name] = schema
            return f"{name}"
        case {"type": "fixed", "size": size}:
            return f"{size} bytes"
        case str() if schema in _TYPES:
            return _TYPES[schema]
    return f"[{schema}](#{schema.lower()})" if schema in records else str(schema)
