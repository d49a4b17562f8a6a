"""Whatever is wrong with the input or the servers given: one line that says what, where and how to mend it."""

from pathlib import Path

import pytest
import sqlalchemy

from event_runtime.database import create_engine
from event_runtime.embedded import free_port
from rig.fixtures import Spawn


def refused(spawn: Spawn, *arguments: str, status: int = 1) -> str:
    """The one line on standard error of a command that is refused."""
    program = spawn(["customer-merge", *arguments])
    assert program.wait(60) == status, program.stderr
    lines = program.stderr.strip().splitlines()
    steps = ("starting the database and the bus",)
    said = [line for line in lines if line not in steps]
    assert len(said) == 1, program.stderr
    assert program.stdout == ""
    assert "Traceback" not in program.stderr
    return said[0]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"name,email\nAnn,a@example.com\n", "no column customer_id"),
        (b"customer_id\nC1\nC1\n", "customer_id"),
        ("customer_id,full_name\nC1,Müller\n".encode("latin-1"), "not UTF-8"),
        (b'customer_id,full_name\nC1,"Ann\n', "quote"),
    ],
)
def test_a_bad_file_is_refused_before_anything_is_started(
    spawn: Spawn, tmp_path: Path, content: bytes, complaint: str
) -> None:
    path = tmp_path / "customers.csv"
    path.write_bytes(content)
    said = refused(spawn, "demo", "--input", str(path), "--out", str(tmp_path / "out"))
    assert said.startswith(f"customer-merge: {path}: ")
    assert complaint in said
    assert not (tmp_path / "out" / "identity.csv").exists()


def test_an_absent_file_is_named(spawn: Spawn, tmp_path: Path) -> None:
    said = refused(spawn, "demo", "--input", str(tmp_path / "none.csv"), "--out", str(tmp_path / "out"))
    assert "none.csv: there is no such file" in said


def test_a_broker_that_does_not_answer_is_named(spawn: Spawn, tmp_path: Path) -> None:
    said = refused(spawn, "demo", "--kafka", f"127.0.0.1:{free_port()}", "--out", str(tmp_path / "out"))
    assert "--kafka 127.0.0.1:" in said
    assert "no broker answered within 10 s" in said


def test_a_database_that_does_not_answer_is_named_without_its_password(spawn: Spawn, tmp_path: Path) -> None:
    url = f"postgresql://somebody:s3cret@127.0.0.1:{free_port()}/shop"
    said = refused(spawn, "demo", "--database", url, "--out", str(tmp_path / "out"))
    assert "--database: the server cannot be used" in said
    assert "s3cret" not in said


def test_another_kind_of_database_is_wrong_usage(spawn: Spawn, tmp_path: Path) -> None:
    said = refused(
        spawn, "demo", "--database", "mysql://root:s3cret@localhost/shop", "--out", str(tmp_path / "out"), status=2
    )
    assert "only postgresql:// is supported" in said


def test_a_database_that_holds_a_schema_of_ours_is_not_touched(spawn: Spawn, tmp_path: Path, database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE SCHEMA store"))
    said = refused(spawn, "demo", "--database", database_url, "--out", str(tmp_path / "out"))
    assert "holds the schema store already" in said
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT to_regnamespace('store') IS NOT NULL")).scalar_one()
    engine.dispose()


def test_an_output_directory_that_cannot_be_is_named(spawn: Spawn, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = refused(spawn, "demo", "--out", str(tmp_path / "file" / "out"))
    assert "cannot be written" in said


@pytest.mark.parametrize("records", ["0", "-5", "1000000"])
def test_a_size_that_cannot_be_made_is_wrong_usage(spawn: Spawn, tmp_path: Path, records: str) -> None:
    said = refused(spawn, "demo", "--records", records, "--out", str(tmp_path / "out"), status=2)
    assert "--records: records must lie between 1 and" in said


def test_an_unknown_option_is_wrong_usage(spawn: Spawn) -> None:
    assert "unrecognized arguments: --nonsense" in refused(spawn, "demo", "--nonsense", status=2)


def test_generate_writes_the_same_file_for_the_same_seed(spawn: Spawn, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        made = spawn(["customer-merge", "generate", str(tmp_path / name), "--records", "50", "--seed", "9"])
        assert made.wait(30) == 0, made.stderr
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
