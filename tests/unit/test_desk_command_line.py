"""What the desk's command line refuses before it asks anything."""

import argparse
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from review_desk.__main__ import main
from review_desk.command_line import choices


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["merge", "a", "x" * 201], "argument LOSER: an id has 1 to 200 characters"),
        (["recommend", "a", "b\x07"], "argument LOSER: an id has 1 to 200 characters"),
        (["merge", "a", "b", "--tenant", "a:b"], "a tenant's id holds no colon"),
        (["merge", "a", "b", "--choose", "full_name"], "'full_name' is not FIELD=CUSTOMER_ID"),
        (["approve", "1", "--as", ""], "argument --as: an id has 1 to 200 characters"),
        (["approve", "1", "--reason", "x" * 2001], "a text has at most 2,000 characters"),
        (["list", "--limit", "0"], "'0' is no whole number from 1 up"),
        (["list", "--state", "LOST"], "invalid choice: 'LOST'"),
        (["request", "approve"], "one of the arguments REQUEST --all --eligible is required"),
        (["request", "remove", "r1", "--all"], "not allowed with argument"),
        (["search"], "give at least one of"),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err
    assert told.err.count("\n") == 1


def test_help_needs_no_library_beside_the_standard_one() -> None:
    heavy = ("sqlalchemy", "pydantic", "confluent_kafka", "psycopg", "rich", "yaml")
    script = (
        "import sys; from review_desk.__main__ import main; main(['--help']);"
        f"assert not [name for name in {heavy} if name in sys.modules]"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("store.tags:1,2", ("store.tags", ("1", "2"))),
        ("store.tags=1", ("store.tags", ("1",))),
        ("store.tags:", ("store.tags", ())),
        ("store.tags:a=b,c:d", ("store.tags", ("a=b", "c:d"))),
    ],
)
def test_rows_to_keep_are_named_by_table_and_ids(given: str, understood: tuple[str, tuple[str, ...]]) -> None:
    parser = argparse.ArgumentParser()
    choices.choice_arguments(parser)
    assert parser.parse_args(["--keep", given]).keep == [understood]


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("schedule", "schedule"),
        ("2026-03-01T02:00", datetime(2026, 3, 1, 2, tzinfo=UTC)),
        ("2026-03-01T02:00+01:00", datetime(2026, 3, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise(given: str, understood: object) -> None:
    parser = argparse.ArgumentParser()
    choices.terms_arguments(parser)
    assert parser.parse_args(["--at", given]).at == understood


@pytest.mark.parametrize("given", [["--keep", "tags"], ["--keep", ":1"], ["--at", "tonight"], ["--field", "email"]])
def test_a_choice_that_cannot_be_read_is_wrong_usage(given: list[str]) -> None:
    parser = argparse.ArgumentParser()
    choices.choice_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(given)


def test_the_older_names_of_options_still_work() -> None:
    parser = argparse.ArgumentParser()
    choices.choice_arguments(parser)
    options = parser.parse_args(["--choose", "email=b", "--wait-until-eligible"])
    assert (options.field, options.wait) == ([("email", "b")], True)
