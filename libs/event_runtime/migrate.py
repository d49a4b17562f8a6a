"""Brings a package's schema up to date: its alembic migrations, each schema with a version table of its own.

A package has `migrations/env.py` (which calls `run_migrations`) and `migrations/versions/NNNN_pre_name.py`, one
line of revisions named as their files, in the order of their numbers. `pre_` runs before the new code is deployed,
`post_` after it. Two migrators never run at once.
"""

import importlib.util
import zlib
from collections.abc import Callable
from pathlib import Path

import sqlalchemy
from sqlalchemy import Connection

from event_runtime.database import create_engine
from event_runtime.faults import Fault
from event_runtime.identifiers import quoted
from event_runtime.runtime_ddl import DEFAULT_STREAMS, runtime_ddl_v1

# Waiting for another migrator or for a session that uses a table: give up and say so rather than stand in everybody's
# way.
_LOCK_TIMEOUT_MS = 60_000
_VERSION_TABLE = "alembic_version"


class SchemaNotMigrated(Fault):
    """The database lacks migrations of this version."""


def upgrade(url: str, *, package: str, schema: str) -> str:
    """Run what is missing of `package`'s migrations in `schema` and return the revision the schema is at.

    Everything happens in one transaction under an advisory lock of the schema: all or nothing, one migrator at a time.
    """
    # Imported here and below because it takes a third of a service's start, and only this needs it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    engine = create_engine(url, application_name="customer-merge migrate", pool_size=1)
    try:
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}"))
            lock = {"lock": zlib.crc32(f"customer-merge migrate {schema}".encode())}
            connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:lock)"), lock)
            connection.execute(sqlalchemy.schema.CreateSchema(schema, if_not_exists=True))
            config = Config()
            config.set_main_option("script_location", str(_directory(package)).replace("%", "%%"))
            config.set_main_option("path_separator", "os")
            config.attributes.update(connection=connection, schema=schema)
            command.upgrade(config, "head")
            return current_revision(connection, schema) or "nothing to migrate"
    finally:
        engine.dispose()


def run_migrations() -> None:
    """What every package's `migrations/env.py` calls: runs the revisions on the connection that `upgrade` opened."""
    from alembic import context  # noqa: PLC0415

    connection: Connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        version_table=_VERSION_TABLE,
        version_table_schema=context.config.attributes["schema"],
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def in_order(*statements: str) -> Callable[[], None]:
    """What a migration has for `upgrade` or `downgrade`: executes the statements one after the other."""

    def execute() -> None:
        from alembic import op  # noqa: PLC0415

        for statement in statements:
            op.execute(statement)

    return execute


def require_migrated(connection: Connection, *, package: str, schema: str) -> None:
    """Raise SchemaNotMigrated unless `schema` is at the newest revision that `package` knows, or at an unknown one.

    (The latter is what an older program meets during a deployment: what the newer one ran before it is compatible by
    the naming rule.)
    """
    known = sorted(path.stem for path in (_directory(package) / "versions").glob("[0-9]*.py"))
    at, newest = current_revision(connection, schema), known[-1]
    if at is None or (at in known and at != newest):
        raise SchemaNotMigrated(f"the schema {schema} is at {at or 'no revision'} and needs {newest}: run `migrate`")


def current_revision(connection: Connection, schema: str) -> str | None:
    """The revision that `schema` is at, None before the first."""
    table = sqlalchemy.table(_VERSION_TABLE, sqlalchemy.column("version_num", sqlalchemy.Text), schema=schema)
    exists = sqlalchemy.select(sqlalchemy.func.to_regclass(f"{quoted(schema)}.{_VERSION_TABLE}"))
    if connection.execute(exists).scalar() is None:
        return None
    return connection.execute(sqlalchemy.select(table.c.version_num)).scalar()


def _directory(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise Fault(f"there is no package {package} to migrate")
    return Path(next(iter(spec.submodule_search_locations))) / "migrations"


__all__ = [
    "DEFAULT_STREAMS",
    "SchemaNotMigrated",
    "current_revision",
    "in_order",
    "require_migrated",
    "run_migrations",
    "runtime_ddl_v1",
    "upgrade",
]
