"""The content of a record, sealed: what the quarantine keeps of it."""

import base64
import json
from typing import Any, Protocol

from cryptography.fernet import InvalidToken
from sqlalchemy import Row

from event_runtime.records import Record


class Cipher(Protocol):
    """What seals the content of a record; `cryptography.fernet.Fernet` is one."""

    def encrypt(self, data: bytes) -> bytes:
        """The sealed form."""

    def decrypt(self, token: bytes) -> bytes:
        """What was sealed."""


def sealed_content(cipher: Cipher | None, record: Record) -> bytes | None:
    """Key, value, headers and time of a record under the cipher; None without one."""
    if cipher is None:
        return None
    content = {
        "key": _text(record.key),
        "value": _text(record.value),
        "headers": {name: _text(value) for name, value in record.headers.items()},
        "timestamp_ms": record.timestamp_ms,
    }
    return cipher.encrypt(json.dumps(content).encode())


def opened_record(cipher: Cipher | None, row: Row[Any]) -> Record | None:
    """The record of a row (topic, partition, record_offset, sealed); None when its content cannot be opened."""
    if row.sealed is None or cipher is None:
        return None
    try:
        fields = json.loads(cipher.decrypt(row.sealed))
    except InvalidToken:  # sealed under another key
        return None
    return Record(
        topic=row.topic,
        partition=row.partition,
        offset=row.record_offset,
        key=_bytes(fields["key"]),
        value=_bytes(fields["value"]),
        headers={name: _bytes(value) or b"" for name, value in fields["headers"].items()},
        timestamp_ms=fields["timestamp_ms"],
    )


def _text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else base64.b64decode(value)
