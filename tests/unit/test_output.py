"""What commands write: JSON, CSV, tables, and values in their cells."""

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import pytest

from event_runtime.output import cell, plain, show_json, show_table, write_csv


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Thing:
    name: str
    colours: frozenset[Colour]
    at: datetime


def test_values_of_the_program_become_json() -> None:
    thing = Thing(name="x", colours=frozenset({Colour.RED}), at=datetime(2026, 1, 1, tzinfo=UTC))
    stream = io.StringIO()
    show_json({"thing": thing, "pairs": (("a", 1),)}, stream)
    assert json.loads(stream.getvalue()) == {
        "thing": {"name": "x", "colours": ["red"], "at": "2026-01-01T00:00:00+00:00"},
        "pairs": [["a", 1]],
    }


def test_a_value_cannot_write_over_the_screen_or_into_the_next_cell() -> None:
    assert cell("a\x1b[2Jb\tc\nd\u202ee") == "a [2Jb c d e"


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_a_spreadsheet_takes_no_cell_for_a_formula(value: str) -> None:
    stream = io.StringIO()
    write_csv(("column",), [(value,)], stream)
    assert stream.getvalue() == f"column\n'{value}\n"


def test_outside_a_terminal_a_table_is_lines_with_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    show_table("Things", ("name", "good"), [("x", True), ("y", None)])
    show_table("Nothings", ("name",), [])
    assert capsys.readouterr().out == "# Things\nname\tgood\nx\tyes\ny\t\n# Nothings: none\n"


def test_plain_values_stay_as_they_are() -> None:
    assert plain(None) is None
    assert plain("text") == "text"
    assert plain(1.5) == 1.5
