"""The command line: exit statuses, one line for whatever went wrong, never a traceback."""

import argparse
import getpass
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import psycopg
import pytest
import sqlalchemy
from confluent_kafka import KafkaError, KafkaException

import dedupe_detector.__main__
import merge_worker.__main__
import review_desk.__main__
from event_runtime.command_line import Arguments, Command, run_cli, user_name
from event_runtime.faults import Fault, SettingError


class LibraryError(Exception):
    """A refusal of a library that knows no Fault."""


def run(*argv: str, outcome: BaseException | int | None = None) -> int:
    def work(options: Arguments) -> int | None:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--number", type=int)

    commands = [
        Command(name="run", help="run it", run=work, arguments=arguments),
        Command(name="quarantine list", help="list it", run=work),
        Command(name="quarantine show", help="show it", run=work),
    ]
    return run_cli("tool", "A tool.", commands, argv=argv or ["run"], refusals=lambda: (LibraryError,))


@pytest.mark.parametrize(
    ("outcome", "status", "said"),
    [
        (None, 0, ""),
        (1, 1, ""),
        (SettingError("TOOL_PORT: no"), 2, "tool: TOOL_PORT: no\n"),
        (Fault("the port is taken"), 1, "tool: the port is taken\n"),
        (LibraryError("two\nlines"), 1, "tool: two lines\n"),
        (FileNotFoundError(2, "No such file or directory", "in.csv"), 1, "tool: No such file or directory: in.csv\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_each_end_has_its_status_and_at_most_one_line(
    outcome: BaseException | int | None, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(outcome=outcome) == status
    assert capsys.readouterr().err == said


def test_an_unforeseen_exception_is_one_line_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(outcome=ValueError("ada@example.com")) == 1
    said = capsys.readouterr().err
    assert said.startswith("tool: ValueError [test_command_line.py:")
    assert said.count("\n") == 1
    assert "ada" not in said


@pytest.mark.parametrize("missing", [KeyError("uid not found"), OSError("No username set in the environment")])
@pytest.mark.parametrize("program", [merge_worker.__main__, review_desk.__main__, dedupe_detector.__main__])
def test_a_user_whom_the_system_has_no_name_for_may_use_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], program: ModuleType, missing: Exception
) -> None:
    def getuser() -> str:
        raise missing

    monkeypatch.setattr(getpass, "getuser", getuser)
    assert user_name() == f"uid:{os.getuid()}"
    assert program.main(["quarantine", "discard", "--help"]) == 0
    assert user_name() in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (psycopg.OperationalError("Connection refused"), "no connection to PostgreSQL: Connection refused"),
        (
            sqlalchemy.exc.OperationalError("SELECT 1", {}, psycopg.OperationalError("Connection refused")),
            "no connection to PostgreSQL: Connection refused",
        ),
        (KafkaException(KafkaError(KafkaError._TRANSPORT, "refused")), "Kafka: _TRANSPORT: refused"),
    ],
)
def test_a_server_that_is_not_there_is_told_without_a_place_in_the_program(
    fault: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(outcome=fault) == 1
    assert capsys.readouterr().err == f"tool: {said}\n"


def test_closed_streams_take_what_is_written_and_say_nothing(tmp_path: Path) -> None:
    program = tmp_path / "write.py"
    program.write_text(
        "import sys\n"
        "from event_runtime.command_line import Command, run_cli\n"
        "def write(options):\n"
        "    sys.stdout.write('result'), sys.stderr.write('remark')\n"
        "sys.exit(run_cli('tool', '', [Command(name='write', help='', run=write)]))\n"
    )
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        command = f'"{sys.executable}" "{program}" write {closed}'
        ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        assert "Error" not in ended.stderr


@pytest.mark.parametrize(
    "argv",
    [
        ["walk"],
        ["run", "--numer", "1"],
        ["run", "--number", "x"],
        ["quarantine"],
        ["quarantine", "lose"],
        ["run", "--num", "1"],
    ],
)
def test_wrong_usage_is_status_2_and_one_line(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*argv) == 2
    said = capsys.readouterr()
    assert said.err.startswith("tool")
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_a_name_of_two_words_is_a_group_with_members(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("quarantine", "list") == 0
    assert run("quarantine", "--help") == 0
    assert "show it" in capsys.readouterr().out


def test_a_reader_that_went_away_is_no_traceback(tmp_path: Path) -> None:
    program = tmp_path / "many.py"
    program.write_text(
        "import sys\n"
        "from event_runtime.command_line import Command, run_cli\n"
        "def many(options):\n"
        "    for line in range(200000): print(line)\n"
        "sys.exit(run_cli('tool', '', [Command(name='many', help='', run=many)]))\n"
    )
    with subprocess.Popen(
        [sys.executable, str(program), "many"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        assert writer.stdout.readline() == "0\n"
        writer.stdout.close()
        assert writer.stderr.read() == ""
    assert writer.returncode == 1


def test_the_shared_part_of_every_command_imports_quickly() -> None:
    code = "import event_runtime.command_line, event_runtime.service_commands, sys; print(*sys.modules)"
    began = time.perf_counter()
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    print(f"{time.perf_counter() - began:.3f} s")
    assert not {"pydantic", "sqlalchemy", "confluent_kafka", "structlog", "rich"} & set(modules)
