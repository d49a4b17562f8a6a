"""Reads a file of customers: every fault of the input in one line that says what, where, and how to mend it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from customer_events import INPUT_COLUMNS
from customer_events.csv_columns import BOOLEAN_COLUMNS
from customer_identity.customer_csv import CsvProblem, CustomerCsv
from customer_merge_demo.customers import Customer, CustomerSet
from customer_merge_demo.people.history import history_of
from event_runtime.faults import Fault

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
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            return _read(path.name, file)
    except CsvProblem as problem:
        raise BadCustomerFile(f"{path}: {problem}") from None
    except OSError as fault:
        reason = {
            FileNotFoundError: "there is no such file; give the path of a CSV file with --input",
            IsADirectoryError: "is a directory; give the path of a CSV file with --input",
            PermissionError: "may not be read; change its permissions",
        }.get(type(fault), f"cannot be read ({fault.strerror})")
        raise BadCustomerFile(f"{path}: {reason}") from None


def write_customers(path: Path, customers: Sequence[Customer]) -> None:
    """Write customers as a CSV file that `read_customers` reads."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, INPUT_COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        for customer in customers:
            identity = {"customer_id": customer.customer_id, "source": customer.source or ""}
            writer.writerow(identity | dict(customer.attributes))


def _read(name: str, lines: Iterable[str]) -> CustomerSet:
    table = CustomerCsv(lines)
    customers, doubtful = [], 0
    for values in table.rows():
        customers.append(_customer(values))
        doubtful += any(values.get(column, "true").lower() not in {"true", "false"} for column in BOOLEAN_COLUMNS)
    warnings = []
    if table.unknown_columns:
        warnings.append(f"columns ignored, as their names are not known: {', '.join(table.unknown_columns)}")
    if doubtful:
        warnings.append(
            f"{doubtful} rows say neither true nor false in email_verified or phone_verified: taken as not said"
        )
    return CustomerSet(name=name, customers=tuple(customers), warnings=tuple(warnings))


def _customer(values: dict[str, str]) -> Customer:
    customer_id, source = values["customer_id"], values.get("source")
    return Customer(
        customer_id=customer_id,
        source=source,
        attributes={name: value for name, value in values.items() if name not in {"customer_id", "source"}},
        history=history_of(_HISTORY_SEED, customer_id, source=source),
    )
