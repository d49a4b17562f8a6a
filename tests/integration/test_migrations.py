"""The migrations that every package ships."""

import re
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from event_runtime.migrate import current_revision, upgrade
from rig import databases

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(
    ".".join(env.parent.parent.relative_to(ROOT / top).parts)
    for top in ("services", "libs", "demo")
    for env in (ROOT / top).glob("**/migrations/env.py")
)
NAME = re.compile(r"\d{4}_(pre|post)_[a-z0-9_]+")


def scripts(package: str) -> ScriptDirectory:
    (directory,) = (found for top in ("services", "libs", "demo") if (found := directory_of(top, package)).exists())
    config = Config()
    config.set_main_option("script_location", str(directory))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def directory_of(top: str, package: str) -> Path:
    return ROOT.joinpath(top, *package.split("."), "migrations")


def test_the_services_have_migrations() -> None:
    assert {"merge_worker", "dedupe_detector", "review_desk", "customer_merge_demo.store"} <= set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_revisions_are_one_line_and_say_whether_they_run_before_or_after_the_code(package: str) -> None:
    history = list(scripts(package).walk_revisions())  # newest first
    assert len(scripts(package).get_heads()) == 1
    for revision in history:
        assert NAME.fullmatch(revision.revision), f"{revision.revision} is not NNNN_pre_… or NNNN_post_…"
        assert Path(str(revision.path)).stem == revision.revision
    numbers = [int(revision.revision[:4]) for revision in reversed(history)]
    assert numbers == list(range(1, len(history) + 1))


@pytest.mark.parametrize("package", PACKAGES)
def test_migrations_run_on_an_empty_database_and_touch_only_their_schema(package: str, database_url: str) -> None:
    schema = databases.schema_of(package)
    newest = upgrade(database_url, package=package, schema=schema)
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        assert current_revision(connection, schema) == newest
        found = connection.exec_driver_sql(
            "SELECT DISTINCT schemaname FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        assert set(found.scalars()) == {schema}
    engine.dispose()
