"""What a plan could say about a table, guessed from names and types. Pure; whoever reads the draft decides.

Only guesses that cannot do harm are made: what identifies a login or must be unique never comes from another record.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from merge_engine.column_types import INTEGERS, KEYS, NUMBERS, TEXT, TIMES
from merge_engine.faults import PlanError
from merge_engine.live_schema import LiveSchema, LiveTable
from merge_engine.plan_file import KeyType
from merge_engine.suspects import PEOPLE, singulars


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerGuess:
    """The customer table's own columns. `inactive` marks a record that is no longer used."""

    table: LiveTable
    key: str
    key_type: KeyType
    tenant: str | None
    tenant_type: KeyType | None
    version: str | None
    updated_at: str | None
    link: str | None
    inactive: Mapping[str, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildGuess:
    """How the rows that a key of the customer reaches could move; `why` is written beside it.

    `stays`: other tables refer to the rows, so one that loses cannot be put aside.
    """

    table: LiveTable
    column: str
    tenant: str | None
    row_id: tuple[str, ...]
    move: str
    unique: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()
    stays: bool = False
    why: str = ""


def guess_customer(schema: LiveSchema, table_name: str | None) -> CustomerGuess:
    """Find the customer table (or take the one named) and what its columns are for.

    Raises:
        PlanError: there is no such table, several could be meant, or its key is of no kind that can be merged by.
    """
    table = _customer_table(schema, table_name)
    key, tenant = _key_of(table)
    own = [name for name, column in table.columns.items() if column.type in INTEGERS and _VERSION.fullmatch(name)]
    link = next(
        (
            column
            for reference in table.foreign
            for column in reference.columns
            if reference.target == table.name and column != tenant and _LINK.search(column)
        ),
        None,
    )
    return CustomerGuess(
        table=table,
        key=key,
        key_type=_key_type(table, key),
        tenant=tenant,
        tenant_type=None if tenant is None else _key_type(table, tenant),
        version=next(iter(own), None),
        updated_at=next(
            (name for name, column in table.columns.items() if column.type in TIMES and _UPDATED.fullmatch(name)), None
        ),
        link=link,
        inactive={
            name: False for name, column in table.columns.items() if column.type == "boolean" and _ACTIVE.match(name)
        },
    )


def guess_children(schema: LiveSchema, customer: CustomerGuess) -> Iterator[ChildGuess]:
    """One guess for each foreign key that reaches the customer table, the link left out."""
    for table, reference in schema.referring_to(customer.table.name):
        pairs = dict(zip(reference.target_columns, reference.columns, strict=True))
        column = pairs.get(customer.key)
        if column is None or (table is customer.table and column == customer.link):
            continue
        tenant = pairs.get(customer.tenant or "") or _same_tenant(table, customer)
        child = guess_child(table, column, tenant)
        yield replace(child, stays=bool(schema.referring_to(table.name)))


def guess_child(table: LiveTable, column: str, tenant: str | None) -> ChildGuess:
    """How rows move whose `column` says whose they are: by the unique keys that the move could break."""
    row_id = table.primary
    moving = [key for key in table.unique if column in key.columns and not key.expressions]
    others = sorted(
        (tuple(name for name in key.columns if name not in {column, tenant}) for key in moving if not key.partial),
        key=len,
    )
    if not others:
        return ChildGuess(table=table, column=column, tenant=tenant, row_id=row_id, move="repoint")
    if others[0]:
        return ChildGuess(
            table=table, column=column, tenant=tenant, row_id=row_id, move="repoint_unique", unique=others[0],
            why="equal rows meet: whose stays?",
        )  # fmt: skip
    keys = {name for key in table.unique for name in key.columns} | {n for f in table.foreign for n in f.columns}
    sums = tuple(n for n, c in table.columns.items() if c.type in NUMBERS and n not in keys and _SUMMED.search(n))
    move = "sum_into_winner" if sums else "repoint_unique"
    return ChildGuess(
        table=table, column=column, tenant=tenant, row_id=row_id, move=move, sums=sums,
        why="a customer has one such row" + ("" if sums else ": whose stays?"),
    )  # fmt: skip


def guess_fields(customer: CustomerGuess) -> dict[str, "Strategy"]:
    """A survivorship strategy for every field of the record that a merge may change."""
    table = customer.table
    taken = {customer.key, customer.tenant, customer.version, customer.updated_at, customer.link, *customer.inactive}
    alone = {name for key in table.unique for name in key.columns}
    # Columns that name another customer move with the children.
    taken |= {name for key in table.foreign if key.target == table.name for name in key.columns}
    street = next((n for n, c in table.columns.items() if c.type in TEXT and _STREET.fullmatch(n)), None)
    fields: dict[str, Strategy] = {}
    for name, column in table.columns.items():
        if name in taken or column.generated:
            continue
        if name in alone:
            fields[name] = "WINNER_STRICT"
        elif street is not None and _PLACE.fullmatch(name) and column.type in TEXT:
            fields[name] = {"strategy": "FOLLOW_ATTRIBUTE", "follow": street}
        else:
            fields[name] = _strategy(name, column.type)
    return fields


def customer_columns(table: LiveTable) -> dict[str, str]:
    """Columns of the record that a list of customers shows or searches, by what they are."""
    found: dict[str, str] = {}
    for kind, pattern in _SHOWN.items():
        match = next((n for n, c in table.columns.items() if c.type in TEXT and pattern.fullmatch(n)), None)
        if match is not None:
            found[kind] = match
    return found


Strategy = str | dict[str, str | bool]
"""A strategy by its name, or with the column that it needs."""

_I = re.IGNORECASE
_VERSION = re.compile(r"(row_?|lock_?|record_?)?(version|revision)", _I)
_UPDATED = re.compile(r"(last_?)?(updated?|modified|changed?)(_?(at|on|date|time|dt))?", _I)
_ACTIVE = re.compile(r"(is_?)?(active|enabled)", _I)
_LINK = re.compile(r"merged|master|duplicate|surviv|canonical|replaced|priority", _I)
_TENANT = re.compile(r"tenant|company|org|shop|site|merchant|brand|lob|client_no", _I)
_SUMMED = re.compile(r"^(?!.*limit).*(point|balance|credit|stamps|visits|total)", _I)
_SECRET = re.compile(r"password|passwd|hash|salt|token|secret|login|username|session|card", _I)
_OPTED_OUT = re.compile(r"opt_?out|unsubscrib|do_?not|no_?(mail|call|contact)|suppress|blocked|hold", _I)
_OPTED_IN = re.compile(r"opt_?in|newsletter|marketing|consent|subscrib|allow|accepts", _I)
_STATE = re.compile(r"(.*_)?(status|state_code|standing|type|kind|level|tier|limit|locked)", _I)
_STREET = re.compile(r"(.*_)?(street|address|addr)(_?(line)?_?1)?", _I)
_PLACE = re.compile(
    r"(.*_)?(street|address|addr)_?(line)?_?[2-4]|(.*_)?(city|town|region|state|county|zip|zip_?code|post(al)?_?code|country)",
    _I,
)
_NOTE = re.compile(r"note|comment|remark|memo", _I)
_FIRST = re.compile(r"creat|regist|since|joined|first|opened|entered", _I)
_LAST = re.compile(r"last|latest|recent", _I)
_SHOWN: Mapping[str, re.Pattern[str]] = {
    "full_name": re.compile(r"(full|display|company|contact)?_?name", _I),
    "given_name": re.compile(r"(first|given|fore)_?name", _I),
    "family_name": re.compile(r"(last|family|sur)_?name", _I),
    "email": re.compile(r"(primary_?)?e?_?mail(_?address)?", _I),
    "phone": re.compile(r"(mobile_?)?(phone|telephone|mobile)(_?(no|number))?", _I),
    "postal_code": re.compile(r"(postal|post|zip)_?(code)?", _I),
}


def _customer_table(schema: LiveSchema, name: str | None) -> LiveTable:
    if name is not None:
        found = [table for table in schema.tables.values() if name in {table.name, table.name.partition(".")[2]}]
        if len(found) == 1:
            return found[0]
        if found:
            raise PlanError(f"several tables are called {name}: {', '.join(sorted(table.name for table in found))}")
        raise PlanError(f"there is no table {name}, or this role may not see it")
    people = [
        table
        for table in schema.tables.values()
        if {*singulars(table.name.partition(".")[2].lower())} & {*PEOPLE, "user", "people", "subscriber", "guest"}
    ]
    reached = {table.name: len(schema.referring_to(table.name)) for table in people}
    best = [name for name, count in sorted(reached.items()) if count == max(reached.values())]
    if len(best) != 1:
        choice = f": {', '.join(sorted(reached))}" if reached else ""
        raise PlanError(f"it is not clear which table holds the customers; name it with --table{choice}")
    return schema.tables[best[0]]


def _key_of(table: LiveTable) -> tuple[str, str | None]:
    primary = table.primary
    if not primary or len(primary) > 2:
        raise PlanError(f"{table.name}: the primary key must be one column, or a tenant and one column")
    if len(primary) == 1:
        tenant = next((name for name in table.columns if re.fullmatch(r"tenant(_?id)?", name, _I)), None)
        return primary[0], tenant
    tenants = [name for name in primary if _TENANT.search(name)]
    tenant = tenants[0] if len(tenants) == 1 else primary[0]
    return next(name for name in primary if name != tenant), tenant


def _key_type(table: LiveTable, column: str) -> KeyType:
    type_ = table.columns[column].type
    fitting = next((key for key, types in KEYS.items() if type_ in types), None)
    if fitting is None:
        raise PlanError(f"{table.name}.{column}: a key of type {type_} cannot be merged by; use text, integers or uuid")
    return fitting


def _same_tenant(table: LiveTable, customer: CustomerGuess) -> str | None:
    return customer.tenant if customer.tenant in table.columns else None


def _strategy(name: str, type_: str) -> Strategy:
    if _SECRET.search(name) or type_ in {"bytea", "json", "jsonb", "xml", "tsvector"}:
        return "WINNER_STRICT"
    if type_ == "boolean":
        if _OPTED_OUT.search(name):
            return {"strategy": "MOST_RESTRICTIVE", "restrictive": True}
        return "MOST_RESTRICTIVE" if _OPTED_IN.search(name) else "WINNER_STRICT"
    if _STATE.fullmatch(name):
        return "WINNER_STRICT"
    if type_ == "text[]":
        return "UNION"
    if type_ in TIMES:
        return "MIN" if _FIRST.search(name) else "MAX" if _LAST.search(name) else "WINNER_THEN_FILL"
    if type_ in NUMBERS:
        return "SUM" if _SUMMED.search(name) else "WINNER_THEN_FILL"
    return "CONCAT" if _NOTE.search(name) and type_ in TEXT else "WINNER_THEN_FILL"
