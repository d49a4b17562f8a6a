"""Migrations: a schema of its own for each package, all or nothing, one migrator at a time."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from event_runtime.database import create_engine
from event_runtime.migrate import SchemaNotMigrated, current_revision, require_migrated, upgrade

PACKAGE = "package_to_migrate"
REVISION = """
revision, down_revision = {revision!r}, {before!r}
branch_labels = depends_on = None

def upgrade():
    from alembic import op
    from event_runtime.migrate import runtime_ddl_v1
    for statement in {statements}:
        op.execute(statement)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package whose first revision makes the runtime's tables; returns the directory of its revisions."""
    versions = tmp_path / PACKAGE / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / PACKAGE / "__init__.py").touch()
    (versions.parent / "env.py").write_text("from event_runtime.migrate import run_migrations\nrun_migrations()\n")
    add_revision(versions, "0001_pre_runtime", None, "runtime_ddl_v1('one')")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield versions
    sys.modules.pop(PACKAGE, None)


def add_revision(versions: Path, revision: str, before: str | None, statements: str) -> None:
    text = REVISION.format(revision=revision, before=before, statements=statements)
    (versions / f"{revision}.py").write_text(text)


def tables(url: str, schema: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,)).fetchall()
    return {name for (name,) in rows}


def test_the_first_migration_makes_the_schema_and_the_tables_of_the_runtime(database_url: str, package: Path) -> None:
    assert upgrade(database_url, package=PACKAGE, schema="one") == "0001_pre_runtime"
    assert tables(database_url, "one") == {
        "alembic_version",
        "inbox",
        "outbox",
        "outbox_heads",
        "outbox_identity",
        "outbox_published",
        "partition_starts",
        "positions",
        "quarantine",
        "relay_lease",
    }
    assert upgrade(database_url, package=PACKAGE, schema="one") == "0001_pre_runtime"


def test_a_migration_that_fails_leaves_nothing_behind(database_url: str, package: Path) -> None:
    add_revision(package, "0002_pre_broken", "0001_pre_runtime", "['CREATE TABLE one.made (id int)', 'SELECT 1/0']")
    with pytest.raises(Exception, match="division by zero"):
        upgrade(database_url, package=PACKAGE, schema="one")
    assert tables(database_url, "one") == set()


def test_migrators_at_the_same_time_take_turns(database_url: str, package: Path) -> None:
    add_revision(
        package, "0002_pre_more", "0001_pre_runtime", "['SELECT pg_sleep(0.2)', 'CREATE TABLE one.more (id int)']"
    )
    # alembic keeps its context in a module's globals: one migrator a process, as in life
    code = (
        "import sys; sys.path.insert(0, sys.argv[2]); from event_runtime.migrate import upgrade;"
        f"print(upgrade(sys.argv[1], package={PACKAGE!r}, schema='one'))"
    )
    with ThreadPoolExecutor() as pool:
        migrators = [pool.submit(run_python, code, database_url, str(package.parents[2])) for _ in range(3)]
        assert [migrator.result() for migrator in migrators] == ["0002_pre_more\n"] * 3
    assert "more" in tables(database_url, "one")


def run_python(code: str, *arguments: str) -> str:
    import subprocess

    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_a_service_requires_the_newest_revision_it_knows(database_url: str, package: Path) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        with pytest.raises(SchemaNotMigrated, match="no revision"):
            require_migrated(connection, package=PACKAGE, schema="one")
        connection.rollback()
        upgrade(database_url, package=PACKAGE, schema="one")
        require_migrated(connection, package=PACKAGE, schema="one")
        add_revision(package, "0002_pre_newer", "0001_pre_runtime", "[]")
        with pytest.raises(SchemaNotMigrated, match="0001_pre_runtime and needs 0002_pre_newer"):
            require_migrated(connection, package=PACKAGE, schema="one")
        upgrade(database_url, package=PACKAGE, schema="one")
        (package / "0002_pre_newer.py").unlink()
        require_migrated(connection, package=PACKAGE, schema="one")
        assert current_revision(connection, "one") == "0002_pre_newer"
    engine.dispose()
