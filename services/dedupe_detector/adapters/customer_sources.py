"""Where a customer base is read from: a CSV file, or a table, view or query of the database."""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from customer_identity.customer_csv import INPUT_COLUMNS, CustomerCsv, record_of_row, row_fault
from customer_identity.records import CustomerRecord
from dedupe_detector.adapters.bulk_work import BEGINNING
from dedupe_detector.adapters.files import reading
from event_runtime.database import describe, driver_of, execute, sqlstate
from event_runtime.faults import Fault

_ABOUT_THE_QUERY: Final = ("42", "25")  # classes of SQLSTATE: syntax and names; what the transaction may do
_KEYS: Final = ("customer_id", "tenant_id")  # in the order in which a table is read
_COLUMNS: Final = (*INPUT_COLUMNS, "version")


class SourceProblem(Fault):
    """A customer base cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerChunk:
    """Some customers of a base, and the position after them."""

    customers: list[CustomerRecord]
    position: str


class CustomerBase(Protocol):
    """A customer base that can be read from where an earlier reading ended."""

    @property
    def name(self) -> str:
        """What it is known by to those who go on with it."""

    @property
    def tenant_id(self) -> str | None:
        """Whose customers it holds; None: those of several tenants."""

    def chunks(self, position: str, size: int) -> AbstractContextManager[tuple[int, Iterator[CustomerChunk]]]:
        """How many customers there are from `position` on, and the customers. Raises Fault."""


@dataclass(frozen=True, kw_only=True)
class CsvBase:
    """A CSV file with the input columns and `version`; known by its content, its position is a number of rows."""

    path: Path
    tenant_id: str

    @property
    def name(self) -> str:
        """The digest of the content: another file of the same name is another base."""
        return f"csv {self._checked[0]} {self.tenant_id}"

    @contextmanager
    def chunks(self, position: str, size: int) -> Iterator[tuple[int, Iterator[CustomerChunk]]]:
        """See CustomerBase."""
        done = int(position or 0)
        with reading(self.path) as lines:
            csv = CustomerCsv(lines, tenant_id=self.tenant_id, versions=True)
            warn_of(csv.unknown_columns, has_versions=csv.has_versions)
            yield self._checked[1] - done, self._read(csv, done, size)

    def _read(self, csv: CustomerCsv, done: int, size: int) -> Iterator[CustomerChunk]:
        rows = islice(csv.rows(), done, None)
        while values := list(islice(rows, size)):
            done += len(values)
            customers = [record_of_row(row, tenant_id=self.tenant_id, default_version=0) for row in values]
            yield CustomerChunk(customers=customers, position=str(done))

    @cached_property
    def _checked(self) -> tuple[str, int]:
        """(SHA-256, rows) of a file that can be used to its end: of a bad one, nothing is taken in."""
        digest = hashlib.sha256()
        with reading(self.path) as lines:
            rows = CustomerCsv(_digested(lines, digest.update), versions=True).rows()
            count = sum(1 for _ in rows)
        return digest.hexdigest(), count


@dataclass(frozen=True, slots=True, kw_only=True)
class TableBase:
    """A table, view or query of the database; its columns have the names of the input columns.

    Beside these it may have `tenant_id` and `version`. Read once, in the order of its keys, from a cursor that the
    server has filled at the start: so nothing is held open that would keep other tables from being cleaned up.
    """

    engine: Engine
    relation: sql.Composable
    name: str
    tenant_id: str | None
    """Only this tenant's customers; with None, everybody's."""
    default_tenant_id: str
    """Whose customers they are in a table without a column tenant_id."""

    @contextmanager
    def chunks(self, position: str, size: int) -> Iterator[tuple[int, Iterator[CustomerChunk]]]:
        """See CustomerBase."""
        with self.engine.connect() as connection:
            try:
                types = self._types(connection)
                present = [name for name in _COLUMNS if name in types]
                warn_of(sorted(types.keys() - {*_COLUMNS, *_KEYS}), has_versions="version" in types)
                total = self._open(connection, types, present, position)
            except (psycopg.Error, DBAPIError) as fault:
                raise SourceProblem(f"the customers cannot be read: {_reason(fault)}") from fault
            yield total, self._read(connection, present, size)

    def _types(self, connection: Connection) -> dict[str, str]:
        """The columns and their types."""
        found = execute(connection, _text(connection, "SELECT * FROM {} AS c LIMIT 0", self.relation)).description or ()
        oids = {column.name: column.type_code for column in found}
        if "customer_id" not in oids:
            raise SourceProblem("there is no column customer_id: name each column as the input column it is")
        types = execute(connection, "SELECT o, format_type(o, NULL) FROM unnest(%(oids)s::oid[]) AS o",
                        {"oids": sorted(set(oids.values()))})  # fmt: skip
        by_oid = dict(types.fetchall())
        connection.rollback()
        return {name: by_oid[oid] for name, oid in oids.items()}

    def _open(self, connection: Connection, types: dict[str, str], present: Sequence[str], position: str) -> int:
        keys = [name for name in _KEYS if name in types]
        texts = [sql.SQL("CAST(c.{} AS text)").format(sql.Identifier(name)) for name in (*present, *keys)]
        conditions: list[sql.Composable] = [sql.SQL("true")]
        if position != BEGINNING:
            conditions.append(
                sql.SQL("({}) > ({})").format(
                    _names(keys),
                    sql.SQL(", ").join(
                        sql.SQL("CAST({} AS {})").format(sql.Literal(value), sql.SQL(types[name]))
                        for name, value in zip(keys, json.loads(position), strict=True)
                    ),
                )
            )
        if self.tenant_id is not None and "tenant_id" in types:
            conditions.append(sql.SQL("CAST(c.tenant_id AS text) = {}").format(sql.Literal(self.tenant_id)))
        statement = sql.SQL(
            "DECLARE backfill SCROLL CURSOR WITH HOLD FOR SELECT {} FROM {} AS c WHERE {} ORDER BY {}"
        ).format(sql.SQL(", ").join(texts), self.relation, sql.SQL(" AND ").join(conditions), _names(keys))
        execute(connection, "SET TRANSACTION READ ONLY")
        driver_of(connection).execute(statement)
        connection.commit()
        total = execute(connection, "MOVE FORWARD ALL IN backfill").rowcount
        execute(connection, "MOVE ABSOLUTE 0 IN backfill")
        connection.commit()
        return total

    def _read(self, connection: Connection, present: Sequence[str], size: int) -> Iterator[CustomerChunk]:
        last: list[str] = []
        while rows := execute(connection, f"FETCH FORWARD {size} FROM backfill").fetchall():
            connection.commit()
            customers = []
            for row in rows:
                keys = list(row[len(present) :])
                customers.append(self._customer(dict(zip(present, row, strict=False)), keys, last))
                last = keys
            yield CustomerChunk(customers=customers, position=json.dumps(last))

    def _customer(self, row: dict[str, str | None], keys: list[str], before: list[str]) -> CustomerRecord:
        values = {name: text for name, value in row.items() if value and (text := value.strip())}
        if fault := row_fault(values, f"the row after {' of tenant '.join(before) or 'the beginning'}"):
            raise SourceProblem(fault)
        if keys == before:
            raise SourceProblem(f"customer {' of tenant '.join(keys)} is there twice: does a join repeat rows?")
        tenant_id = keys[1] if len(keys) > 1 else self.tenant_id or self.default_tenant_id
        return record_of_row(values, tenant_id=tenant_id, default_version=0)


def named_table(name: str) -> sql.Composable:
    """A table by the name a person writes: `customers` or `store.customers`."""
    return sql.Identifier(*name.split(".", 1))


def query(path: Path) -> tuple[sql.Composable, str]:
    """The query of a file, and what it is known by: its text. Raises Fault."""
    with reading(path, errors="strict") as lines:
        try:
            text = lines.read().strip().rstrip(";")
        except UnicodeDecodeError as error:
            raise SourceProblem(f"{path} is not UTF-8: save it as UTF-8 and try again") from error
    if not text:
        raise SourceProblem(f"{path} is empty: it must hold one SELECT")
    relation = sql.SQL("(\n{}\n)").format(sql.SQL(text))
    return relation, f"query {hashlib.sha256(text.encode()).hexdigest()}"


def _digested(lines: Iterable[str], update: Callable[[bytes], None]) -> Iterator[str]:
    for line in lines:
        update(line.encode(errors="surrogateescape"))
        yield line


def warn_of(unknown: Sequence[str], *, has_versions: bool) -> None:
    """Say on standard error what a person should know of a base's columns."""
    if unknown:
        sys.stderr.write(f"warning: unknown columns ignored: {', '.join(unknown)}\n")
    if not has_versions:
        sys.stderr.write(
            "warning: no column version: any event counts as newer than this, and a merge of a customer that had no"
            " event yet is refused as STALE_VERSION\n"
        )


def _reason(fault: psycopg.Error | DBAPIError) -> str:
    """What is wrong with a query in the server's own words, which quote no value as long as none was looked at."""
    original = fault.orig if isinstance(fault, DBAPIError) else fault
    told = original.diag.message_primary if isinstance(original, psycopg.Error) else None
    return told if told and (sqlstate(fault) or "").startswith(_ABOUT_THE_QUERY) else describe(fault)


def _names(keys: Sequence[str]) -> sql.Composable:
    return sql.SQL(", ").join(sql.SQL("c.{}").format(sql.Identifier(name)) for name in keys)


def _text(connection: Connection, statement: str, *parts: sql.Composable) -> str:
    return sql.SQL(statement).format(*parts).as_string(driver_of(connection))
