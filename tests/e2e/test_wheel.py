"""The wheel that is released, not only the source tree, has everything it needs."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import sqlalchemy

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"merge_worker": "merge", "dedupe_detector": "detector", "review_desk": "review"}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel as an installer lays it out."""
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = directory.glob("customer_merge-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory / "site")
    return directory / "site"


def _run(unpacked: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    # First on the path, so that it comes before the source tree of the editable installation.
    prelude = f"import sys; sys.path.insert(0, {str(unpacked)!r})\n"
    return subprocess.run(
        [sys.executable, "-c", prelude + code],
        env={**os.environ, **environment},
        cwd=unpacked,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_brings_the_schemas_that_its_codec_reads(unpacked: Path) -> None:
    done = _run(
        unpacked,
        "import customer_events as wire\n"
        "from event_runtime.codec import Codec, SchemaStore\n"
        "Codec(SchemaStore(wire.schemas_directory()), wire.CATALOGUE)\n"
        "print(wire.schemas_directory())",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(unpacked / "customer_events" / "schemas")


@pytest.mark.parametrize("package", PACKAGES)
def test_the_wheel_migrates_a_database(unpacked: Path, package: str, database_url: str) -> None:
    code = f"import sys; from {package}.__main__ import main; sys.argv = [{package!r}, 'migrate']; sys.exit(main())"
    done = _run(unpacked, code, **{f"{package.upper()}_DATABASE__URL": database_url})
    assert done.returncode == 0, done.stderr
    engine = sqlalchemy.create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        assert PACKAGES[package] in sqlalchemy.inspect(connection).get_schema_names()
    engine.dispose()
