"""Engines for PostgreSQL, and what its errors may say aloud."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy
from psycopg import pq
from psycopg.types.array import ListBinaryDumper
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from event_runtime.faults import SettingError, describe

# A server that takes longer to answer a connect is treated as down and tried again.
_CONNECT_TIMEOUT_S = 10
# Notices a peer that vanished without a word within 30 s: idle 10 s, then 4 probes 5 s apart.
_KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4}


def create_engine(url: str, *, application_name: str = "customer-merge", pool_size: int = 5) -> Engine:
    """An engine for `url` (`postgresql://…`); nothing connects before it is used. Raises SettingError.

    READ COMMITTED; UTC; lists are sent in binary form, which halves the time of `unnest(:array)` statements.
    `pool_size` connections are kept and no more are opened: one for each thread that works with the engine.
    """
    parsed = parse_url(url)
    engine = sqlalchemy.create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_use_lifo=True,  # the same connection again: its statements are prepared, its caches warm
        pool_pre_ping=True,
        hide_parameters=True,  # bound values are customers' data; they would be in every exception's text
        isolation_level="READ COMMITTED",
        connect_args={
            "application_name": application_name,
            "connect_timeout": _CONNECT_TIMEOUT_S,
            "options": f"-c timezone=UTC {parsed.query.get('options', '')}".strip(),
            **_KEEPALIVES,
        },
    )
    event.listen(engine, "connect", _send_lists_in_binary)
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A read-only transaction that sees one moment of the database."""
    with engine.connect() as connection:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin():
            yield connection


def execute(
    connection: Connection, statement: str, parameters: Mapping[str, Any] | None = None
) -> psycopg.Cursor[tuple[Any, ...]]:
    """Run a statement in the connection's transaction by the driver's own cursor; `parameters` as `%(name)s`.

    For what runs in every batch: around a statement SQLAlchemy does as much work as the driver. Raises psycopg.Error.
    """
    if not connection.in_transaction():
        connection.begin()  # as SQLAlchemy's own statements do
    driver = driver_of(connection)
    try:
        return driver.execute(statement, parameters)
    except psycopg.Error as fault:
        if driver.closed:
            # The server ended the connection. Else a rollback on it would fail, and hide why it was ended.
            connection.invalidate(fault)
        raise


def driver_of(connection: Connection) -> psycopg.Connection[Any]:
    """The driver's own connection, for what SQLAlchemy has no words for."""
    driver: object = connection.connection.dbapi_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError(f"the driver is psycopg; this connection is a {type(driver).__name__}")
    return driver


def parse_url(url: str) -> sqlalchemy.URL:
    """The parts of a PostgreSQL URL. Raises SettingError, which never repeats the URL: it may hold a password."""
    try:
        parsed = sqlalchemy.make_url(url)
    except sqlalchemy.exc.ArgumentError as fault:
        raise SettingError(
            "the database URL cannot be read; expected postgresql://user:password@host:port/database"
        ) from fault
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise SettingError(f"the database URL begins with {parsed.drivername!r}; only postgresql:// is supported")
    return parsed


def sqlstate(fault: BaseException) -> str | None:
    """PostgreSQL's five-letter code of a driver's error, wrapped by SQLAlchemy or not; None when there is none."""
    original = fault.orig if isinstance(fault, DBAPIError) else fault
    code = getattr(original, "sqlstate", None)
    return code if isinstance(code, str) else None


def _send_lists_in_binary(connection: object, _record: object) -> None:
    adapters = getattr(connection, "adapters")  # noqa: B009 - the driver's connection has no common type here
    adapters.register_dumper(list, ListBinaryDumper)
    assert ListBinaryDumper.format is pq.Format.BINARY  # noqa: S101 - the reason for this function


__all__ = ["create_engine", "describe", "driver_of", "execute", "parse_url", "reading", "sqlstate"]
