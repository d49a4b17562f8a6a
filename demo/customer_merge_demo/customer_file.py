"""Reads a file of customers: every fault of the input in one line that says what, where, and how to mend it."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from customer_events import INPUT_COLUMNS
from customer_events.base import MAX_ID_CHARACTERS, MAX_VALUE_CHARACTERS
from customer_events.csv_columns import BOOLEAN_COLUMNS
from event_runtime.faults import Fault

from customer_merge_demo.customers import Customer, CustomerSet
from customer_merge_demo.people.history import history_of

# The invented business history of somebody's own file: any fixed number, so that a file's run can be repeated.
_HISTORY_SEED = 1


class BadCustomerFile(Fault):
    """The customer file cannot be used."""


def read_customers(path: Path) -> CustomerSet:
    """The customers of a CSV file in file order, each with an invented business history.

    Raises:
        BadCustomerFile: the file is absent, unreadable, or any row of it cannot be used.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _read(path, csv.reader(file, strict=True))
    except FileNotFoundError:
        raise BadCustomerFile(f"{path}: there is no such file; give the path of a CSV file with --input") from None
    except IsADirectoryError:
        raise BadCustomerFile(f"{path}: is a directory; give the path of a CSV file with --input") from None
    except PermissionError:
        raise BadCustomerFile(f"{path}: may not be read; change its permissions") from None
    except UnicodeDecodeError as fault:
        raise BadCustomerFile(
            f"{path}: is not UTF-8 (byte {fault.object[fault.start]:#04x} at {fault.start} of a block); "
            "save it as UTF-8, or convert it: iconv -f WINDOWS-1252 -t UTF-8"
        ) from None


def write_customers(path: Path, customers: Sequence[Customer]) -> None:
    """Write customers as a CSV file that `read_customers` reads."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, INPUT_COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        for customer in customers:
            identity = {"customer_id": customer.customer_id, "source": customer.source or ""}
            writer.writerow(identity | dict(customer.attributes))


def _read(path: Path, rows: Iterator[list[str]]) -> CustomerSet:
    header = next(_rows(path, rows), (0, []))[1]
    columns, warnings = _columns(path, header)
    seen: dict[str, int] = {}
    customers = []
    doubtful = 0
    for number, row in _rows(path, rows):
        if len(row) != len(columns):
            raise BadCustomerFile(
                f"{path}: row {number} has {len(row)} values, the header {len(columns)} columns; mend the commas or quotes of that row"
            )
        values = {name: value.strip() for name, value in zip(columns, row, strict=True) if name and value.strip()}
        customer = _customer(path, number, values)
        if customer.customer_id in seen:
            raise BadCustomerFile(
                f"{path}: row {number} has the customer_id of row {seen[customer.customer_id]} again; every record needs its own"
            )
        seen[customer.customer_id] = number
        doubtful += any(values.get(name, "true").lower() not in {"true", "false"} for name in BOOLEAN_COLUMNS)
        customers.append(customer)
    if not customers:
        raise BadCustomerFile(f"{path}: holds a header and no customer; add rows")
    if doubtful:
        warnings.append(f"{doubtful} rows say neither true nor false in email_verified or phone_verified: taken as not said")
    return CustomerSet(name=path.name, customers=tuple(customers), warnings=tuple(warnings))


def _rows(path: Path, rows: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with their number; the header is row 1."""
    number = 0
    while True:
        number = rows.line_num + 1  # type: ignore[attr-defined]  # csv readers have it, their type has no name
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as fault:
            raise BadCustomerFile(
                f"{path}: row that begins in line {number} is no CSV ({fault}); look for a quote that is not closed"
            ) from None
        if any(value.strip() for value in row):
            yield number, row


def _columns(path: Path, header: Sequence[str]) -> tuple[list[str], list[str]]:
    """The header's columns in order, the unknown ones as empty strings; and a warning for those."""
    named = [name.strip() for name in header]
    if not named:
        raise BadCustomerFile(f"{path}: is empty; the first line must name the columns, customer_id among them")
    if "customer_id" not in named:
        hint = " (the columns seem to be separated by semicolons; use commas)" if ";" in named[0] else ""
        raise BadCustomerFile(f"{path}: has no column customer_id{hint}; name the column that holds the unique id so")
    twice = sorted({name for name in named if name in INPUT_COLUMNS and named.count(name) > 1})
    if twice:
        raise BadCustomerFile(f"{path}: the column {twice[0]} is there twice; remove one")
    unknown = [name or "(no name)" for name in named if name not in INPUT_COLUMNS]
    warnings = [f"columns ignored, as their names are not known: {', '.join(unknown)}"] if unknown else []
    return [name if name in INPUT_COLUMNS else "" for name in named], warnings


def _customer(path: Path, number: int, values: dict[str, str]) -> Customer:
    for name, value in values.items():
        fault = _fault_of(name, value)
        if fault:
            raise BadCustomerFile(f"{path}: row {number}: {name} {fault}")
    if "customer_id" not in values:
        raise BadCustomerFile(f"{path}: row {number} has no customer_id; every record needs its own")
    source = values.get("source")
    return Customer(
        customer_id=values["customer_id"],
        source=source,
        attributes={name: value for name, value in values.items() if name not in {"customer_id", "source"}},
        history=history_of(_HISTORY_SEED, values["customer_id"], source=source),
    )


def _fault_of(name: str, value: str) -> str | None:
    if name in {"customer_id", "source"}:
        if len(value) > MAX_ID_CHARACTERS:
            return f"has {len(value)} characters; at most {MAX_ID_CHARACTERS} are allowed"
        if any(unicodedata.category(character) == "Cc" for character in value):
            return "holds a control character; remove it"
    if len(value) > MAX_VALUE_CHARACTERS:
        return f"has {len(value)} characters; at most {MAX_VALUE_CHARACTERS} are allowed"
    return "holds a NUL character; remove it" if "\x00" in value else None
