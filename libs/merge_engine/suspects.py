"""Columns that may say whose a row is although no foreign key says so. Pure: schemas in, suspicions out."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from merge_engine.column_types import INTEGERS, TEXT
from merge_engine.live_schema import LiveSchema, LiveTable

PEOPLE = ("customer", "cust", "client", "contact", "person", "patron", "member", "account_holder", "buyer", "shopper")
"""Words that a table of customers, or a column that names one, is called by."""


class Suspicion(StrEnum):
    """Why a column is looked at."""

    NAMED_LIKE_AN_ID = "named like a customer id"
    POLYMORPHIC = "the id of a polymorphic pair"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A column that may hold customer ids; of a polymorphic pair `kind_column` says what the id is of."""

    table: str
    column: str
    why: Suspicion
    kind_column: str | None = None


def find_suspects(schema: LiveSchema, customers: LiveTable, key_column: str) -> Iterator[Suspect]:
    """Columns without a foreign key that are named like a customer id, or that stand beside a column of kinds.

    Only columns of the key's type (integers of all widths count as one type, so do texts) can hold its values. Looked
    at are the database schemas of the customer table and of the tables that refer to it: another one is another system,
    which has its own ids.
    """
    near = {
        name.partition(".")[0] for name in (customers.name, *(t.name for t, _ in schema.referring_to(customers.name)))
    }
    fitting = _family(customers.columns[key_column].type)
    named = _id_names(customers, key_column)
    referred_to = {
        (key.target, column)
        for table in schema.tables.values()
        for key in table.foreign
        for column in key.target_columns
    } | {(customers.name, column) for column in customers.primary}
    for _, table in sorted(schema.tables.items()):
        if table.name.partition(".")[0] not in near:
            continue
        own_keys = {column for key in table.foreign for column in key.columns}
        for name, column in table.columns.items():
            # What other tables refer to is this table's own id.
            if name in own_keys or _family(column.type) != fitting:
                continue
            if table.primary == (name,) or (table.name, name) in referred_to:
                continue
            kind = _kind_column(table, name)
            if kind is not None:
                yield Suspect(table=table.name, column=name, why=Suspicion.POLYMORPHIC, kind_column=kind)
            elif table is not customers and named.fullmatch(name.lower()):
                yield Suspect(table=table.name, column=name, why=Suspicion.NAMED_LIKE_AN_ID)


_NO_KIND = frozenset({*INTEGERS, "uuid", "boolean"})
_ID_ENDINGS = ("id", "no", "nr", "num", "number", "key", "code", "uuid", "ref")
# `event_type` beside `event_id` tells of the event itself; these words tell of something else's owner.
_ANYBODY = re.compile(
    r"(.*_)?(\w*able|owner|parent|subject|object|entity|record|related|reference|resource|about|target|holder|party|model)"
)
_KIND_ENDINGS = ("type", "kind", "class")


def _family(type_: str) -> str:
    if type_ in TEXT:
        return "text"
    return "integer" if type_ in INTEGERS else type_


def _id_names(customers: LiveTable, key_column: str) -> re.Pattern[str]:
    """`customer_id`, `old_customer_id`, `customerno`, `customer`: a word for a customer, perhaps one for an id."""
    table = customers.name.partition(".")[2].lower()
    words = sorted({*PEOPLE, *singulars(table)}, key=len, reverse=True)
    own = key_column.lower()
    forms = [rf"(?:.*_)?(?:{'|'.join(map(re.escape, words))})(?:_?(?:{'|'.join(_ID_ENDINGS)}))?"]
    if own not in _ID_ENDINGS:
        forms.append(rf"(?:.*_)?{re.escape(own)}")
    return re.compile("|".join(forms))


def singulars(word: str) -> Iterable[str]:
    """A table's name, and what one row of it is called."""
    yield word
    if word.endswith("ies"):
        yield f"{word[:-3]}y"
    elif word.endswith("s"):
        yield word[:-1]


def _kind_column(table: LiveTable, name: str) -> str | None:
    """The column `x_type`, a text or an enum, beside `x_id`."""
    stem, separator, ending = name.rpartition("_")
    if not separator or ending.lower() not in _ID_ENDINGS or _ANYBODY.fullmatch(stem.lower()) is None:
        return None
    beside = (f"{stem}_{kind}" for kind in _KIND_ENDINGS)
    return next(
        (kind for kind in beside if kind in table.columns and _family(table.columns[kind].type) == "text"), None
    )
