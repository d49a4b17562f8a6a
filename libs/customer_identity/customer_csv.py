"""Customers from CSV text: pure parsing of lines; opening files stays with the caller."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from customer_identity.faults import IdentityFault
from customer_identity.records import CustomerRecord

INPUT_COLUMNS: Final = (
    "customer_id", "source", "full_name", "given_name", "middle_name", "family_name", "date_of_birth", "gender",
    "email", "phone", "street", "city", "region", "postal_code", "country", "national_id", "occupation",
    "email_verified", "phone_verified",
)  # fmt: skip
_NOT_TEXTS: Final = frozenset({"customer_id", "source", "version", "email_verified", "phone_verified"})
_ESCAPED_BYTE: Final = re.compile("[\udc80-\udcff]")  # how surrogateescape shows a byte that is no UTF-8
_TRUE: Final = frozenset({"true", "t", "yes", "y", "1"})
_LARGEST_VERSION: Final = 2**63 - 1
MAX_ID_LENGTH: Final = 200
MAX_VALUE_LENGTH: Final = 10_000


class CsvProblem(IdentityFault):
    """The customer file cannot be used; the message says where and what to do, and quotes no value."""


def utf8_lines(lines: Iterable[str]) -> Iterator[str]:
    """The same lines, checked one by one; to be opened with `errors="surrogateescape"`.

    A strict decoder works on blocks of the file, so its error comes long before the line it is about.

    Raises:
        CsvProblem: a line is not UTF-8.
    """
    for number, line in enumerate(lines, start=1):
        if not line.isascii() and _ESCAPED_BYTE.search(line):
            raise CsvProblem(f"line {number} is not UTF-8: save the file as UTF-8 and try again")
        yield line


class CustomerCsv:
    """Customers of a CSV text, read lazily.

    Iterating yields one record a row, in order. The first line names the columns: `customer_id` and any of
    INPUT_COLUMNS; others are ignored and listed in `unknown_columns`. An empty field means that the value is absent.
    A file opened with `errors="surrogateescape"` has its line named that is not UTF-8. With `versions`, a column
    `version` says in which version each customer is; without that column it is 0, older than any event.

    Raises (on construction or while iterating):
        CsvProblem: no header, no customer_id column, an empty or repeated id, broken quotes, text that is not UTF-8.
    """

    def __init__(self, lines: Iterable[str], *, tenant_id: str = "default", versions: bool = False) -> None:
        self._tenant_id = tenant_id
        self._columns = {*INPUT_COLUMNS, "version"} if versions else {*INPUT_COLUMNS}
        self._default_version = 0 if versions else 1
        self._rows = csv.reader(utf8_lines(lines), strict=True)
        header = [name.strip().lower() for name in self._next() or []]
        if not any(header):
            raise CsvProblem("the file is empty: its first line must name the columns, customer_id among them")
        if "customer_id" not in header and any(";" in name for name in header):
            raise CsvProblem("the first line has semicolons; use commas")
        if "customer_id" not in header:
            raise CsvProblem("no column customer_id in the first line: add one with an id unique to each row")
        repeated = sorted({name for name in header if name in self._columns and header.count(name) > 1})
        if repeated:
            raise CsvProblem(f"column {repeated[0]} is there twice: rename or remove one")
        self._header = header
        self.unknown_columns = tuple(name for name in header if name and name not in self._columns)
        self.has_versions = versions and "version" in header

    def __iter__(self) -> Iterator[CustomerRecord]:
        for values in self.rows():
            yield record_of_row(values, tenant_id=self._tenant_id, default_version=self._default_version)

    def rows(self) -> Iterator[dict[str, str]]:
        """The checked values of each row by input column, empty ones left out; the same rows that iterating reads."""
        first_lines: dict[str, int] = {}
        while (row := self._next()) is not None:
            if not any(row):
                continue
            line = self._rows.line_num
            if len(row) != len(self._header):
                raise CsvProblem(
                    f"line {line} has {len(row)} fields, the header {len(self._header)}: quote values that hold commas"
                )
            cells = zip(self._header, (cell.strip() for cell in row), strict=True)
            values = {name: cell for name, cell in cells if cell and name in self._columns}
            customer_id = values.get("customer_id", "")
            if fault := row_fault(values, f"line {line}"):
                raise CsvProblem(fault)
            if first := first_lines.get(customer_id):
                raise CsvProblem(f"line {line} repeats the customer_id of line {first}: ids must be unique")
            first_lines[customer_id] = line
            yield values
        if not first_lines:
            raise CsvProblem("the file holds a header and no customer: add rows")

    def _next(self) -> list[str] | None:
        try:
            return next(self._rows, None)
        except UnicodeDecodeError as error:
            raise CsvProblem("the file is not UTF-8: save it as UTF-8 and try again") from error
        except csv.Error as error:
            raise CsvProblem(
                f"line {self._rows.line_num} is no valid CSV (a quote that is not closed or not doubled?): {error}"
            ) from error


def record_of_row(values: Mapping[str, str], *, tenant_id: str, default_version: int) -> CustomerRecord:
    """The customer of a checked row: its values by input column, and perhaps `version`."""
    return CustomerRecord.of(
        {name: value for name, value in values.items() if name not in _NOT_TEXTS},
        tenant_id=tenant_id,
        customer_id=values["customer_id"],
        version=int(values.get("version", default_version)),
        source=values.get("source", ""),
        email_verified=values.get("email_verified", "").lower() in _TRUE,
        phone_verified=values.get("phone_verified", "").lower() in _TRUE,
    )


def row_fault(values: Mapping[str, str], where: str) -> str | None:
    """What is wrong with a row's values by input column; `where` says which row it is. No value is quoted."""
    if not values.get("customer_id", ""):
        return f"{where} has no customer_id: every row needs one"
    for name in ("customer_id", "source"):
        value = values.get(name, "")
        if len(value) > MAX_ID_LENGTH or (value and not value.isprintable()):
            return f"{where}: a {name} has 1 to {MAX_ID_LENGTH} printable characters"
    version = values.get("version", "0")
    if not (version.isascii() and version.isdecimal() and len(version) < 20 and int(version) <= _LARGEST_VERSION):
        return f"{where}: a version is a whole number, 0 or more"
    if any(len(value) > MAX_VALUE_LENGTH or "\0" in value for value in values.values()):
        return f"{where} holds a value longer than {MAX_VALUE_LENGTH} characters or a NUL character"
    return None
