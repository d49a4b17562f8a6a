"""What arrives in the database is the list that was given."""

import psycopg
import pytest

from event_runtime.columns import Column, byteas, longs, texts


@pytest.mark.parametrize(
    ("column", "type_", "values"),
    [
        (texts(["a", None, "", "Müller €", "NULL", '{"x"}']), "text", ["a", None, "", "Müller €", "NULL", '{"x"}']),
        (texts(()), "text", []),
        (byteas([b"", b"\0\xff", None]), "bytea", [b"", b"\0\xff", None]),
        (longs([0, -1, 2**63 - 1]), "bigint", [0, -1, 2**63 - 1]),
        (longs([1, None]), "bigint", [1, None]),
        (longs([]), "bigint", []),
    ],
)
def test_a_column_arrives_as_its_values(database_url: str, column: Column, type_: str, values: list[object]) -> None:
    with psycopg.connect(database_url) as connection:
        told = connection.execute(f"SELECT %(column)s::{type_}[], pg_typeof(%(column)s)::text", {"column": column})
        assert told.fetchone() == (values, f"{type_}[]")


def test_columns_of_several_types_stand_beside_each_other_in_one_statement_that_is_prepared(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        for number in range(7):
            found = connection.execute(
                "SELECT * FROM unnest(%s::text[]::uuid[], %s::int[], %s::bytea[])",
                (texts([f"00000000-0000-0000-0000-00000000000{number}"]), longs([number]), byteas([b"x"])),
            ).fetchone()
            assert found is not None
            assert (str(found[0])[-1], *found[1:]) == (str(number), number, b"x")


def test_a_text_that_the_database_cannot_hold_is_refused_as_data(database_url: str) -> None:
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.DataError):
        connection.execute("SELECT %s::text[]", (texts(["a\0b"]),))


def test_a_column_shows_no_values() -> None:
    assert "secret" not in repr(texts(["secret"]))
