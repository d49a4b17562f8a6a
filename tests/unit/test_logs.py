"""Logs: one JSON object a line, and nobody's data in it."""

import json
import logging
from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy
import structlog
from pydantic import BaseModel

from event_runtime import logs
from event_runtime.faults import Fault, describe

PERSON = "ada.lovelace@example.com"


class Person(BaseModel):
    email: str


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_has_what_it_is_told_the_service_and_the_time(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("merge-worker")
    logs.get_logger("here").info("batch done", records=3, topics=["a", "b"])
    (line,) = lines(capsys)
    assert line["event"] == "batch done"
    assert (line["records"], line["topics"], line["service"], line["level"]) == (3, ["a", "b"], "merge-worker", "info")
    assert str(line["at"]).endswith("Z")


def test_payloads_are_withheld_by_their_names_and_by_their_types(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("merge-worker")
    person = Person(email=PERSON)
    logs.get_logger("here").warning(
        "odd", email=PERSON, body=PERSON, it=person, them=[person], raw=PERSON.encode(), fields={"a": PERSON}
    )
    (line,) = lines(capsys)
    assert PERSON not in json.dumps(line)
    assert line["email"] == logs.WITHHELD


@pytest.mark.parametrize(
    "fault",
    [
        ValueError(PERSON),
        psycopg.errors.UniqueViolation(f"Key (email)=({PERSON}) already exists."),
        sqlalchemy.exc.IntegrityError(PERSON, {"email": PERSON}, psycopg.errors.UniqueViolation(PERSON)),
    ],
)
def test_other_peoples_exceptions_are_told_without_their_texts(
    fault: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("merge-worker")
    try:
        raise fault
    except type(fault):
        logs.get_logger("here").exception("failed")
        logs.get_logger("here").error("failed", exc_info=fault, reason=fault)
        logging.getLogger("a.library").exception("failed")
    told = lines(capsys)
    assert len(told) == 3
    assert PERSON not in json.dumps(told)
    assert all("test_logs.py" in str(line["trace"]) for line in told)


def test_the_database_is_described_by_its_code_and_a_lost_connection_by_its_reason() -> None:
    assert describe(psycopg.errors.UniqueViolation(PERSON)) == "UniqueViolation (23505)"
    assert describe(psycopg.OperationalError("connection refused\nmore")) == (
        "no connection to PostgreSQL: connection refused"
    )
    assert describe(Fault("our own words")) == "our own words"
