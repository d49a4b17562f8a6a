"""What the desk's command line refuses before it asks anything."""

import subprocess
import sys

import pytest

from review_desk.__main__ import main


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
        (["search"], "give at least one of"),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str):
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err
    assert told.err.count("\n") == 1


def test_help_needs_no_library_beside_the_standard_one():
    heavy = ("sqlalchemy", "pydantic", "confluent_kafka", "psycopg", "rich", "yaml")
    script = (
        "import sys; from review_desk.__main__ import main; main(['--help']);"
        f"assert not [name for name in {heavy} if name in sys.modules]"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
