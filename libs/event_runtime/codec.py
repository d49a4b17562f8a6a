"""Events to bytes and back: Avro single-object encoding, or Confluent wire format where there is a schema registry.

Bytes come from anywhere. Their size is bounded before anything is decoded, the number of items in large ones too, every
byte must be used, and whatever is wrong with them is an `Undecodable`, whose reason names fields and faults and never a
value.
"""

from collections.abc import Mapping
from io import BytesIO
from typing import Final, Protocol

import fastavro
from fastavro.read import SchemaResolutionError
from pydantic import BaseModel, ValidationError

from event_runtime.avro_writer import PlaceGap, Write, compiled, compiled_around_place
from event_runtime.drafts import Unplaced
from event_runtime.faults import Fault
from event_runtime.registry import SchemaRegistry
from event_runtime.schemas import Schema, SchemaRefused, SchemaStore, TooManyItems, load_schema, skim

__all__ = [
    "Codec",
    "EventTooLarge",
    "EventTypeLike",
    "Schema",
    "SchemaStore",
    "Undecodable",
    "payload_of",
]

DEFAULT_MAX_BYTES: Final = 1_000_000  # a broker takes records up to 1,048,588 bytes; the rest is for key and headers

# A byte of a record becomes at most one object of about 300 bytes (a record of one empty string). Up to this size that
# is 5 MB; larger records are walked over first, which is slow in Python, and refused when they hold more items than
# this.
_SKIM_ABOVE_BYTES = 16 * 1024
_MAX_ITEMS = 100_000

MAX_PLACE_BYTES = 2 * 11  # of two unions of null and long

_SINGLE_OBJECT = b"\xc3\x01"
_SINGLE_OBJECT_FRAME_BYTES = 10
_CONFLUENT = b"\x00"
_CONFLUENT_FRAME_BYTES = 5

# What fastavro raises on bytes that do not fit the schema.
_MALFORMED = (EOFError, ValueError, LookupError, ArithmeticError, TypeError)


class EventTypeLike(Protocol):
    """What the codec knows of an event type."""

    @property
    def name(self) -> str:
        """The event's and its schema's name."""

    @property
    def major(self) -> int:
        """The major version of its schema."""

    @property
    def model(self) -> type[BaseModel]:
        """What its fields are validated by."""


class Undecodable(Fault):
    """Bytes that are no event.

    `class_` is one of EMPTY, TOO_LARGE, NOT_AVRO, UNKNOWN_SCHEMA, SCHEMA_REFUSED, UNKNOWN_EVENT, MALFORMED, INVALID,
    BAD_HEADERS. Only UNKNOWN_SCHEMA can mend itself: when the schema becomes known.
    """

    def __init__(self, class_: str, reason: str) -> None:
        super().__init__(f"{class_}: {reason}")
        self.class_ = class_
        self.reason = reason


class EventTooLarge(Fault):
    """An encoded event exceeds what a record may hold."""


class Codec:
    """Encodes events with the current schemas, decodes what any released schema wrote."""

    def __init__(
        self,
        schemas: SchemaStore,
        event_types: Mapping[str, EventTypeLike],
        registry: SchemaRegistry | None = None,
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> None:
        self._schemas = schemas
        self._registry = registry
        self._max_bytes = max_bytes
        self._current = {name: schemas.current(name, event_type.major) for name, event_type in event_types.items()}
        self._models = {name: event_type.model for name, event_type in event_types.items()}
        self._writers: dict[str, Write] = {}
        self._gaps: dict[str, PlaceGap] = {}
        self._from_registry: dict[int, Schema] = {}

    @property
    def framing_bytes(self) -> int:
        """Length of the wire framing before the Avro payload of what `encode` returns."""
        return _CONFLUENT_FRAME_BYTES if self._registry else _SINGLE_OBJECT_FRAME_BYTES

    def encode(self, event: BaseModel) -> bytes:
        """The record value: framing and Avro payload.

        Raises:
            EventTooLarge: the value would exceed the codec's limit.
            RegistryUnavailable: the schema registry does not answer.
        """
        name = type(event).__name__
        write = self._writers.get(name)
        if write is None:
            write = self._writers.setdefault(name, compiled(self._current[name]))
        value = self._frame(self._current[name]) + write(event)
        self._bound(name, len(value))
        return value

    def encode_unplaced(self, event: BaseModel) -> Unplaced:
        """The record value of an event that names another one's place, its `stream` and `sequence`, with a gap there.

        Raises as `encode`.
        """
        name = type(event).__name__
        gap = self._gaps.get(name)
        if gap is None:
            gap = self._gaps.setdefault(name, compiled_around_place(self._current[name]))
        before, after = self._frame(self._current[name]) + gap.before(event), gap.after(event)
        self._bound(name, len(before) + len(after) + MAX_PLACE_BYTES)
        return Unplaced(before, after, gap.optional)

    def decode(self, value: bytes) -> BaseModel:
        """The event in a record value, read as the current version whichever version wrote it.

        Raises:
            Undecodable: it holds no event that can be understood.
            RegistryUnavailable: the schema registry does not answer; the value may be fine.
        """
        if not value:
            raise Undecodable("EMPTY", "no bytes")
        if len(value) > self._max_bytes:
            raise Undecodable("TOO_LARGE", f"{len(value)} bytes, the limit is {self._max_bytes}")
        writer, start = self._writer(value)
        model = self._models.get(writer.name)
        if model is None:
            raise Undecodable("UNKNOWN_EVENT", f"{writer.full_name} is not expected here")
        reader = self._current[writer.name]
        fields = _read(value, start, writer, reader)
        try:
            return model.model_validate(fields)
        except ValidationError as error:
            raise Undecodable("INVALID", f"{writer.name}: {_faults(error)}") from None

    def schema_uri(self, event_type: str) -> str:
        """Names the schema an event is written with, for CloudEvents' `dataschema`."""
        schema = self._current[event_type]
        return f"urn:avro:{schema.full_name}:crc-64-avro:{schema.fingerprint.hex()}"

    def _bound(self, name: str, length: int) -> None:
        if length > self._max_bytes:
            raise EventTooLarge(f"{name} has {length} bytes, the limit is {self._max_bytes}")

    def _frame(self, schema: Schema) -> bytes:
        if self._registry is None:
            return _SINGLE_OBJECT + schema.fingerprint
        return _CONFLUENT + self._registry.schema_id(schema.name, schema.full_name, schema.text).to_bytes(4)

    def _writer(self, value: bytes) -> tuple[Schema, int]:
        if value.startswith(_SINGLE_OBJECT):
            fingerprint = value[len(_SINGLE_OBJECT) : _SINGLE_OBJECT_FRAME_BYTES]
            schema = self._schemas.by_fingerprint(fingerprint)
            if schema is None:
                raise Undecodable("UNKNOWN_SCHEMA", f"no released schema has the fingerprint {fingerprint.hex()}")
            return schema, _SINGLE_OBJECT_FRAME_BYTES
        if value.startswith(_CONFLUENT) and len(value) >= _CONFLUENT_FRAME_BYTES:
            return self._registered(int.from_bytes(value[1:_CONFLUENT_FRAME_BYTES])), _CONFLUENT_FRAME_BYTES
        raise Undecodable("NOT_AVRO", "begins with neither C3 01 (Avro single object) nor 00 (Confluent wire format)")

    def _registered(self, schema_id: int) -> Schema:
        if self._registry is None:
            raise Undecodable("UNKNOWN_SCHEMA", f"schema {schema_id} of a schema registry, and none is configured")
        known = self._from_registry.get(schema_id)
        if known is not None:
            return known
        text = self._registry.schema_text(schema_id)
        if text is None:
            raise Undecodable("UNKNOWN_SCHEMA", f"the schema registry has no Avro schema {schema_id}")
        try:
            schema = load_schema(text)
        except SchemaRefused as refused:
            raise Undecodable("SCHEMA_REFUSED", f"schema {schema_id} of the schema registry: {refused}") from refused
        # bounded by what the registry holds: an id that it does not know is not kept
        return self._from_registry.setdefault(schema_id, schema)


def payload_of(value: bytes) -> bytes:
    """The Avro payload of a record value, without its framing: what the hash chain of a stream is made over."""
    return value[_SINGLE_OBJECT_FRAME_BYTES if value.startswith(_SINGLE_OBJECT) else _CONFLUENT_FRAME_BYTES :]


def _read(value: bytes, start: int, writer: Schema, reader: Schema) -> object:
    buffer = BytesIO(value)
    buffer.seek(start)
    try:
        if len(value) > _SKIM_ABOVE_BYTES:
            skim(writer, value, start, max_items=_MAX_ITEMS)
        fields = fastavro.schemaless_reader(
            buffer, writer.parsed, None if writer.fingerprint == reader.fingerprint else reader.parsed
        )
    except TooManyItems:
        raise Undecodable("TOO_LARGE", f"{writer.name}: more than {_MAX_ITEMS} items") from None
    except SchemaResolutionError:
        raise Undecodable("SCHEMA_REFUSED", f"{writer.name}: written with a schema that ours cannot read") from None
    except _MALFORMED as error:
        raise Undecodable("MALFORMED", f"{writer.name}: {type(error).__name__} at byte {buffer.tell()}") from None
    if buffer.tell() != len(value):
        raise Undecodable("MALFORMED", f"{writer.name}: {len(value) - buffer.tell()} bytes left over")
    return fields


def _faults(error: ValidationError) -> str:
    # Neither values nor messages made from them, nor places below a field (the key of a map is payload too): no
    # personal data.
    shown = error.errors(include_url=False, include_context=False, include_input=False)[:5]
    faults = [f"{fault['loc'][0] if fault['loc'] else 'record'}: {fault['type']}" for fault in shown]
    more = error.error_count() - len(faults)
    return "; ".join(faults) + (f"; and {more} more" if more > 0 else "")
