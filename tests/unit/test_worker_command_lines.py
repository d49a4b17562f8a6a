import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import customer_events
from merge_worker.terminal.command_lines import BadLine, parse_lines
from merge_worker.terminal.send import InputUnreadable, read_commands

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)


def _line(**changes: Any) -> str:
    fields = {
        "tenant_id": "shop",
        "command_id": "c1",
        "winner_id": "a",
        "loser_ids": ["b"],
        "requested_by": {"id": "ann", "roles": ["merge"]},
        "reason": "same person",
    }
    return json.dumps({name: value for name, value in (fields | changes).items() if value is not ...})


def _bad(line: str) -> BadLine:
    good, bad = parse_lines([line], tenant_id=None, now=NOW)
    assert not good
    return bad[0]


def test_a_line_without_a_type_is_a_merge_and_is_issued_now() -> None:
    good, bad = parse_lines([_line()], tenant_id=None, now=NOW)
    assert not bad
    command = good[0].command
    assert isinstance(command, customer_events.MergeCustomers)
    assert (command.winner_id, command.loser_ids, command.issued_at) == ("a", ("b",), NOW)


def test_a_line_names_its_type() -> None:
    line = json.dumps(
        {
            "type": "MarkNotDuplicate",
            "tenant_id": "shop",
            "command_id": "c2",
            "customer_ids": ["a", "b"],
            "requested_by": {"id": "ann"},
            "reason": "twins",
        }
    )
    good, _ = parse_lines([line], tenant_id=None, now=NOW)
    assert isinstance(good[0].command, customer_events.MarkNotDuplicate)


def test_the_tenant_of_the_call_fills_lines_that_name_none() -> None:
    good, _ = parse_lines([_line(tenant_id=...), _line()], tenant_id="other", now=NOW)
    assert [line.command.tenant_id for line in good] == ["other", "shop"]  # type: ignore[attr-defined]  # every command has a tenant


def test_every_bad_line_is_named_by_its_number_and_blank_lines_are_counted() -> None:
    good, bad = parse_lines(["", _line(), "{", " ", "[]"], tenant_id=None, now=NOW)
    assert [line.number for line in good] == [2]
    assert [(line.number, line.message) for line in bad] == [(3, "not JSON"), (5, "not a JSON object")]


@pytest.mark.parametrize(
    ("line", "field", "message"),
    [
        (_line(reason=...), "reason", "is missing"),
        (_line(losers=["b"]), "losers", "no such field; did you mean loser_ids?"),
        (_line(type="Merge"), "type", "not one of"),
        (_line(type=["MergeCustomers"]), "type", "not one of"),
        (_line(loser_ids=[]), "loser_ids", "at least 1 item"),
        (_line(loser_ids=[7]), "loser_ids.0", "valid string"),
        (_line(deadline="2025-01-01T00:00:00"), "deadline", "timezone"),
        (_line(requested_by={}), "requested_by.id", "is missing"),
    ],
)
def test_the_message_names_the_field(line: str, field: str, message: str) -> None:
    bad = _bad(line)
    assert bad.field == field
    assert message in bad.message


def test_the_message_never_quotes_a_value() -> None:
    assert "secret" not in str(_bad(_line(loser_ids="secret@example.com")))


def test_deep_nesting_and_endless_lines_are_refused_like_any_other_bad_line() -> None:
    assert _bad("[" * 100_000).message == "not JSON"
    assert "longer than" in _bad('"' + "x" * 1_000_001).message


@pytest.mark.parametrize("content", ["", "\n  \n"])
def test_a_file_without_a_command_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    file = tmp_path / "commands.jsonl"
    file.write_text(content)
    with pytest.raises(InputUnreadable, match=r"commands\.jsonl is empty"):
        read_commands(str(file), None)
    monkeypatch.setattr(sys, "stdin", io.StringIO(content))
    with pytest.raises(InputUnreadable, match="standard input is empty"):
        read_commands("-", None)


def test_a_closed_standard_input_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputUnreadable, match="standard input is closed"):
        read_commands("-", None)
