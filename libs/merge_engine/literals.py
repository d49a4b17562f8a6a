"""Literals of an order in the types of the columns they are for: the database itself says whether they fit."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from customer_identity.merging import FieldChoice, MergeOrder
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.statements.names import identifier


def typed_literals(connection: Connection, compiled: CompiledPlan, order: MergeOrder) -> Mapping[str, Any]:
    """The literals that fit, by field. Orders without literals, which are nearly all, ask nothing of the database."""
    literals = [c for c in order.field_choices if c.literal is not None and c.field in compiled.plan.fields]
    return _typed(connection, compiled, literals) if literals else {}


def _typed(connection: Connection, compiled: CompiledPlan, choices: Sequence[FieldChoice]) -> Mapping[str, Any]:
    typed = {}
    for choice in choices:
        column = identifier(choice.field)
        statement = f"SELECT (jsonb_populate_record(NULL::{compiled.names.customers}, %(image)s::text::jsonb)).{column}"
        # A savepoint: a text that is no value of the type fails the statement, which must not fail the batch.
        try:
            with connection.begin_nested():
                image = {"image": json.dumps({choice.field: choice.literal})}
                typed[choice.field] = connection.exec_driver_sql(statement, image).scalar_one()
        except DBAPIError as error:
            if error.connection_invalidated or not _is_about_the_value(error):
                raise
    return typed


def _is_about_the_value(error: DBAPIError) -> bool:
    """Data that cannot be converted (22), or that a domain forbids (23). The driver's own conversions bear no state."""
    state: str | None = getattr(error.orig, "sqlstate", None)
    return state is None or state[:2] in {"22", "23"}
