"""Structured logs: one JSON object a line on standard error, without payloads or what drivers say about rows."""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from event_runtime.faults import describe

WITHHELD = "[withheld]"
_ROOT = "customer_merge"
# Names under which personal data could reach a log line. Whoever logs one of these has made a mistake that must not
# cost anything.
_PAYLOAD_NAMES = frozenset(
    {
        *("payload", "body", "value", "key", "record", "row", "attributes", "headers", "params", "parameters"),
        *("sql", "statement", "detail", "name", "full_name", "given_name", "middle_name", "family_name", "email"),
        *("phone", "address", "street", "city", "postal_code", "national_id", "date_of_birth"),
        *("password", "secret", "token", "url"),
    }
)
_PLAIN = (str, int, float, bool, type(None), Enum, datetime, UUID, Path)
_FRAMES = 12

Fields = MutableMapping[str, Any]


def configure(service: str, level: str = "INFO") -> None:
    """Send all logs of this process to standard error as JSON. Called by a composition root."""
    common: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),  # librdkafka's lines come as a format and its arguments
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        lambda _logger, _method, fields: {"service": service, **fields},
        explain_exception,
        withhold_payload,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *common, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=common,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(default=str),
        ],
    )
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)  # libraries speak up only when something is wrong
    logging.getLogger(_ROOT).setLevel(level.upper())


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A module's logger: `get_logger(__name__)`. Events are short constant phrases, facts are keyword arguments."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(f"{_ROOT}.{name}")
    return logger


def withhold_payload(_logger: object, _method: str, fields: Fields) -> Fields:
    """Replace what could be a payload: anything under a name that payloads have, and every value that is not plain."""
    return {name: WITHHELD if name.lower() in _PAYLOAD_NAMES else _plain(value) for name, value in fields.items()}


def explain_exception(_logger: object, _method: str, fields: Fields) -> Fields:
    """Turn `exc_info` into class, SQLSTATE and places in the code."""
    fault = _exception(fields.pop("exc_info", None))
    if fault is not None:
        fields["fault"], fields["fault_class"] = describe(fault), type(fault).__name__
        frames = traceback.extract_tb(fault.__traceback__)[-_FRAMES:]
        fields["trace"] = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
        if fault.__cause__ is not None:
            fields["cause"] = describe(fault.__cause__)
    return fields


def _exception(given: object) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return given[1] if isinstance(given[1], BaseException) else None
    return sys.exc_info()[1] if given else None


def _plain(value: object) -> object:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, list | tuple | set | frozenset) and all(isinstance(each, _PLAIN) for each in value):
        return list(value)
    if isinstance(value, BaseException):
        return describe(value)
    if isinstance(value, logging.LogRecord) or callable(value):
        return value  # structlog's own
    return f"{WITHHELD} {type(value).__name__}"
