"""One database a test, copied from a template that was migrated once in the run."""

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
import sqlalchemy
from psycopg import sql

from event_runtime.database import create_engine
from event_runtime.migrate import upgrade
from rig import servers

SCHEMAS = {
    "merge_worker": "merge",
    "dedupe_detector": "detector",
    "review_desk": "review",
}


def create(*, like: str | None = None) -> str:
    """A new database, empty or a copy of the one named `like`; returns its URL."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
        sql.Identifier(name), sql.Identifier(like or "template0")
    )
    _administer(statement)
    return url_of(name)


def drop(url: str) -> None:
    """Remove a database, whoever is still connected to it."""
    name = sqlalchemy.make_url(url).database or ""
    _administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def connected(*packages: str) -> Iterator[sqlalchemy.Engine]:
    """An engine on a fresh database with the migrations of `packages`; both go when the block ends."""
    url = create(like=migrated_template(packages))
    engine = create_engine(url)
    yield engine
    engine.dispose()
    drop(url)


def migrated_template(packages: Sequence[str]) -> str:
    """The name of this run's database with the migrations of `packages`, made by whoever asks first."""
    key = hashlib.sha256(",".join(packages).encode()).hexdigest()[:12]
    return servers.once(f"template-{key}", lambda: _make_template(packages))["database"]


def drop_templates() -> None:
    """Remove the run's templates, for a server that outlives the run."""
    for answer in servers.answers("template-*"):
        if "database" in answer:
            drop(url_of(answer["database"]))


def url_of(database: str) -> str:
    """The URL of a database on the run's server."""
    return sqlalchemy.make_url(servers.postgres_url()).set(database=database).render_as_string(hide_password=False)


def schema_of(package: str) -> str:
    """The schema a package migrates: a service's own name for it, else the last part of the package's."""
    return SCHEMAS.get(package, package.rpartition(".")[2])


def _make_template(packages: Sequence[str]) -> dict[str, str]:
    url = create()
    for package in packages:
        upgrade(url, package=package, schema=schema_of(package))
    return {"database": sqlalchemy.make_url(url).database or ""}


def _administer(statement: sql.Composed) -> None:
    # Copying a template fails while another test's copy holds it open for a moment: the server itself serialises that.
    with psycopg.connect(servers.postgres_url(), autocommit=True) as connection:
        connection.execute(statement)
