"""Families of PostgreSQL's column types, by the names that its catalogue gives them."""

from collections.abc import Mapping

from merge_engine.plan_file import KeyType

TEXT = frozenset({"text", "character varying", "character"})
INTEGERS = frozenset({"smallint", "integer", "bigint"})
NUMBERS = INTEGERS | {"numeric", "real", "double precision"}
TIMES = frozenset({"timestamp with time zone", "timestamp without time zone", "date"})

KEYS: Mapping[KeyType, frozenset[str]] = {
    "text": TEXT,
    "integer": frozenset({"smallint", "integer"}),
    "bigint": INTEGERS,
    "uuid": frozenset({"uuid"}),
}
"""The columns that a key of a plan may stand for; an earlier one fits closer."""
