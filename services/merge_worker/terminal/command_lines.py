"""Commands as people and programs write them: one JSON object a line, with the fields of the contract.

Beside those fields a line may name its `type` (MergeCustomers when it does not). `issued_at` may be
left out (now), and so may `tenant_id` when the caller named one for all lines.
"""

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ValidationError

import customer_events

DEFAULT_TYPE = "MergeCustomers"

COMMAND_TYPES: Mapping[str, type[BaseModel]] = {
    model.__name__: model
    for model in (
        customer_events.MergeCustomers,
        customer_events.RecommendMerge,
        customer_events.RemoveMerge,
        customer_events.UnmergeCustomers,
        customer_events.MarkNotDuplicate,
        customer_events.ConvertCustomer,
    )
}

# A command names a few customers; a line longer than this is some other file.
MAX_LINE_CHARACTERS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """Why a line is no command. `field` is dotted, empty when the line as a whole is wrong."""

    number: int
    field: str
    message: str

    def __str__(self) -> str:
        where = f"line {self.number}: {self.field}: " if self.field else f"line {self.number}: "
        return where + self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodLine:
    """A command and the line (1-based) it was on."""

    number: int
    command: BaseModel


def parse_lines(lines: Iterable[str], *, tenant_id: str | None, now: datetime) -> tuple[list[GoodLine], list[BadLine]]:
    """Return the commands and what is wrong with the other lines; blank lines count for nothing."""
    good: list[GoodLine] = []
    bad: list[BadLine] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        parsed = _parse(number, line, tenant_id, now)
        if isinstance(parsed, BadLine):
            bad.append(parsed)
        else:
            good.append(GoodLine(number=number, command=parsed))
    return good, bad


def _parse(number: int, line: str, tenant_id: str | None, now: datetime) -> BaseModel | BadLine:
    if len(line) > MAX_LINE_CHARACTERS:
        return BadLine(number=number, field="", message=f"longer than {MAX_LINE_CHARACTERS} characters")
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return BadLine(number=number, field="", message="not JSON")
    if not isinstance(fields, dict):
        return BadLine(number=number, field="", message="not a JSON object")
    name = fields.pop("type", DEFAULT_TYPE)
    model = COMMAND_TYPES.get(name) if isinstance(name, str) else None
    if model is None:
        return BadLine(number=number, field="type", message=f"not one of {', '.join(sorted(COMMAND_TYPES))}")
    return _validated(number, model, _with_defaults(model, fields, tenant_id, now))


def _with_defaults(
    model: type[BaseModel], fields: dict[str, Any], tenant_id: str | None, now: datetime
) -> dict[str, Any]:
    if tenant_id is not None:
        fields.setdefault("tenant_id", tenant_id)
    if "issued_at" in model.model_fields:
        fields.setdefault("issued_at", now.isoformat())
    return fields


def _validated(number: int, model: type[BaseModel], fields: dict[str, Any]) -> BaseModel | BadLine:
    try:
        # By way of JSON: there a list may stand for a tuple and a string for a time.
        return model.model_validate_json(json.dumps(fields))
    except ValidationError as error:
        # Pydantic's own text quotes the value, which may be somebody's data: only the reason is said.
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        return BadLine(number=number, field=field, message=_reason(model, first["type"], field, first["msg"]))


def _reason(model: type[BaseModel], kind: str, field: str, message: str) -> str:
    if kind == "missing":
        return "is missing"
    if kind != "extra_forbidden":
        return message
    nearest = difflib.get_close_matches(field, model.model_fields, n=1)
    return "no such field" + (f"; did you mean {nearest[0]}?" if nearest else "")
