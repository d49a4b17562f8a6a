"""CloudEvents 1.0 attributes in the headers of a Kafka record (binary content mode)."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as quoted
from typing import Final

from event_runtime.codec import Undecodable
from frozen_values import dataclass

CONTENT_TYPE: Final = "application/avro"
SPECVERSION: Final = "1.0"
MAX_HEADER_BYTES: Final = 4_096

_REQUIRED = ("id", "source", "type")
_OPTIONAL = ("subject", "dataschema", "partitionkey", "traceparent", "stream", "sequence")
_ATTRIBUTES = {f"ce_{name}": name for name in ("specversion", "time", *_REQUIRED, *_OPTIONAL)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEvent:
    """The attributes of an event as read. The events of a stream have `stream` and `sequence`, in decimal digits."""

    id: str
    source: str
    type: str
    subject: str | None = None
    time: datetime | None = None
    dataschema: str | None = None
    partitionkey: str | None = None
    traceparent: str | None = None
    stream: str | None = None
    sequence: str | None = None


def headers(
    *,
    event_id: str,
    source: str,
    type_: str,
    subject: str,
    time: datetime,
    partitionkey: str | None = None,
    dataschema: str | None = None,
    traceparent: str | None = None,
) -> dict[str, str]:
    """The headers of a record, to be sent in UTF-8; an attribute that is None has none. `time` is aware."""
    attributes = {
        "ce_specversion": SPECVERSION,
        "ce_id": event_id,
        "ce_source": source,
        "ce_type": type_,
        "ce_subject": subject,
        "ce_time": time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "ce_dataschema": dataschema,
        "ce_partitionkey": partitionkey,
        "ce_traceparent": traceparent,
        "content-type": CONTENT_TYPE,
    }
    return {name: value for name, value in attributes.items() if value is not None}


class HeaderText:
    """The headers of one type of events as a JSON object of strings, the form in which an outbox keeps them.

    What is the same in all of them is written once; the rest costs a tenth of `headers` and `json.dumps`.
    """

    def __init__(self, *, source: str, type_: str, dataschema: str) -> None:
        constant = {
            "ce_specversion": SPECVERSION,
            "ce_source": source,
            "ce_type": type_,
            "ce_dataschema": dataschema,
            "content-type": CONTENT_TYPE,
        }
        self._begin = json.dumps(constant)[:-1]

    def of(self, event_id: str, subject: str, time: datetime, partitionkey: str | None) -> str:
        """The headers of one event; `time` is aware and in UTC."""
        key = "" if partitionkey is None else f', "ce_partitionkey": {quoted(partitionkey)}'
        own = f'"ce_id": {quoted(event_id)}, "ce_subject": {quoted(subject)}, "ce_time": "{time.isoformat()[:-6]}Z"'
        return f"{self._begin}, {own}{key}}}"


def from_headers(received: Mapping[str, bytes]) -> CloudEvent | None:
    """The attributes in a record's headers; None when it carries none at all. Extensions not named here are ignored.

    Raises:
        Undecodable: BAD_HEADERS, there are CloudEvents headers and they are not in order.
    """
    found: dict[str, str] = {}
    any_attribute = False
    for header, value in received.items():
        name = _ATTRIBUTES.get(header)  # as every known producer writes it
        if name is None and header.lower().startswith("ce_"):
            any_attribute = True
            name = _ATTRIBUTES.get(header.lower())
        if name is not None:
            found[name] = _text(name, value)
    any_attribute = any_attribute or bool(found)
    if not any_attribute:
        return None
    if found.pop("specversion", None) != SPECVERSION:
        raise Undecodable("BAD_HEADERS", f"ce_specversion is not {SPECVERSION}")
    for name in _REQUIRED:
        if not found.get(name):
            raise Undecodable("BAD_HEADERS", f"ce_{name} is missing or empty")
    time = found.pop("time", None)
    return CloudEvent(**found, time=None if time is None else _time(time))


def _text(name: str, value: bytes) -> str:
    if len(value) > MAX_HEADER_BYTES:
        raise Undecodable("BAD_HEADERS", f"ce_{name} has {len(value)} bytes, the limit is {MAX_HEADER_BYTES}")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Undecodable("BAD_HEADERS", f"ce_{name} is not UTF-8") from None


def _time(value: str) -> datetime:
    try:
        time = datetime.fromisoformat(value)
        if time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):  # overflow: the year 1 east of Greenwich
        pass
    raise Undecodable("BAD_HEADERS", "ce_time is not an RFC 3339 time")
