"""`quarantine list | show | replay | discard` and the other commands that every service has."""

import json

import psycopg
import pytest
from pydantic_settings import SettingsConfigDict

from event_runtime.command_line import run_cli
from event_runtime.runtime_ddl import runtime_ddl_v1
from event_runtime.service_commands import shared_commands
from event_runtime.settings import ServiceSettings

PUT = """
INSERT INTO one.quarantine (cluster, topic, partition, record_offset, class, reason, digest, sealed, attempts, event_id)
VALUES ('c', 'merge-command', 0, %s, 'NOT_AVRO', 'not Avro', '\\x00', %s, 1, 'e')
"""


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="SAMPLE_")


@pytest.fixture
def database(database_url: str) -> str:
    """A database that holds one record with its content (id 1) and one without (id 2)."""
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE SCHEMA one")
        for statement in runtime_ddl_v1("one"):
            connection.execute(statement.encode())
        connection.execute(PUT, (7, b"sealed"))
        connection.execute(PUT, (8, None))
    return database_url


def run(url: str, *argv: str) -> int:
    commands = shared_commands(
        lambda: Settings.load({"SAMPLE_DATABASE__URL": url}, dotenv=None), package="sample", schema="one"
    )
    return run_cli("sample", "", commands, argv=argv)


def states(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT state, resolved_by FROM one.quarantine ORDER BY id").fetchall()


def test_held_records_are_listed_as_a_table_and_as_json(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(database, "quarantine", "list") == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split("\t")[:4] == ["id", "topic", "partition", "offset"]
    assert [line.split("\t")[3] for line in lines] == ["7", "8"]
    assert run(database, "quarantine", "list", "--json", "--limit", "1") == 0
    assert json.loads(capsys.readouterr().out)["class_"] == "NOT_AVRO"
    assert run(database, "quarantine", "show", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["kept"] is True


def test_a_record_is_handed_back_or_given_up_under_a_name(database: str) -> None:
    assert run(database, "quarantine", "replay", "1", "--by", "grace") == 0
    assert run(database, "quarantine", "discard", "2", "--by", "grace") == 0
    assert states(database) == [("ASKED", "grace"), ("DISCARDED", "grace")]


def test_of_several_records_all_or_none_are_handed_back(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(database, "quarantine", "replay", "1", "2") == 1
    assert "content of record 2 was not kept" in capsys.readouterr().err
    assert states(database) == [("HELD", None), ("HELD", None)]


def test_a_record_that_is_not_there_is_one_line(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(database, "quarantine", "show", "99") == 1
    assert capsys.readouterr().err == "sample: there is no quarantined record 99\n"


@pytest.mark.parametrize("command", [["quarantine", "list"], ["migrate"]])
def test_an_unreachable_database_is_one_line(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("postgresql://me:hunter2@127.0.0.1:1/db", *command) == 1
    said = capsys.readouterr().err
    assert said.startswith("sample: no connection to PostgreSQL: ")
    assert said.count("\n") == 1
    assert "hunter2" not in said


def test_settings_are_shown_with_their_origins(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("postgresql://me:hunter2@host/db", "config", "show", "--json") == 0
    shown = {line["setting"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert shown["SAMPLE_DATABASE__URL"] == {
        "setting": "SAMPLE_DATABASE__URL",
        "value": "postgresql://me:********@host/db",
        "origin": "environment",
    }
