"""Anybody's customer file: read whole, or refused in one line that says what, where and how to mend it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from customer_merge_demo.customer_file import BadCustomerFile, read_customers, write_customers
from customer_merge_demo.people.generator import generate

Write = Callable[[str | bytes], Path]


@pytest.fixture
def file(tmp_path: Path) -> Write:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "customers.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_rows_become_customers_in_file_order_and_empty_means_absent(file: Write) -> None:
    read = read_customers(file("customer_id,source,given_name,email\nC2,web,Ann,\nC1,,  Bob ,b@example.com\n"))
    assert [(c.customer_id, c.source, dict(c.attributes)) for c in read.customers] == [
        ("C2", "web", {"given_name": "Ann"}),
        ("C1", None, {"given_name": "Bob", "email": "b@example.com"}),
    ]
    assert read.warnings == ()
    assert read.truth is None


def test_a_byte_order_mark_blank_lines_and_windows_line_ends_are_fine(file: Write) -> None:
    read = read_customers(file("\ufeffcustomer_id,full_name\r\n\r\nC1,Zoë Ω\r\n,\r\n".encode()))
    assert [c.display_name for c in read.customers] == ["Zoë Ω"]


def test_a_quoted_value_may_hold_commas_and_line_breaks(file: Write) -> None:
    read = read_customers(file('customer_id,street\nC1,"1 Elm St,\nApt 2"\n'))
    assert read.customers[0].attributes["street"] == "1 Elm St,\nApt 2"


def test_unknown_columns_are_ignored_with_a_warning(file: Write) -> None:
    read = read_customers(file("customer_id,shoe_size,full_name\nC1,42,Ann\n"))
    assert dict(read.customers[0].attributes) == {"full_name": "Ann"}
    assert read.warnings == ("columns ignored, as their names are not known: shoe_size",)


def test_a_verified_flag_that_says_neither_yes_nor_no_is_warned_about(file: Write) -> None:
    read = read_customers(file("customer_id,email_verified\nC1,maybe\nC2,true\n"))
    assert "1 rows say neither true nor false" in read.warnings[0]


def test_the_history_of_a_record_is_the_same_each_time(file: Write) -> None:
    path = file("customer_id,full_name\nC1,Ann\nC2,Bob\n")
    assert read_customers(path) == read_customers(path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "the file is empty: its first line must name the columns"),
        ("customer_id,email\n", "holds a header and no customer"),
        ("id,email\n1,a@example.com\n", "no column customer_id"),
        ("customer_id,email,email\n1,a,b\n", "column email is there twice"),
        ("customer_id\nC1\nC2\nC1\n", "line 4 repeats the customer_id of line 2"),
        ("customer_id,email\nC1,a@example.com\n,b@example.com\n", "line 3 has no customer_id"),
        ("customer_id,email\nC1,a,b\n", "line 2 has 3 fields, the header 2"),
        ("customer_id,email\nC1\n", "line 2 has 1 fields, the header 2"),
        ('customer_id,email\nC1,"a@example.com\n', "a quote that is not closed"),
        ('customer_id,email\nC1,"a"b\n', "line 2 is no valid CSV"),
        ("customer_id,email\nC1,M\xfcller\n".encode("latin-1"), "line 2 is not UTF-8"),
        ("customer_id,email\nC1,a\x00b\n", "line 2 holds a value longer than 10000 characters or a NUL"),
        ("customer_id\nC\x071\n", "line 2: a customer_id has 1 to 200 printable characters"),
        (f"customer_id\n{'C' * 201}\n", "line 2: a customer_id has 1 to 200 printable characters"),
        (f"customer_id,street\nC1,{'x' * 10_001}\n", "line 2 holds a value longer than"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_names_the_place(
    file: Write, content: str | bytes, complaint: str
) -> None:
    with pytest.raises(BadCustomerFile) as refusal:
        read_customers(file(content))
    assert complaint in str(refusal.value)
    assert "customers.csv" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_absent_file_and_a_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadCustomerFile, match="there is no such file"):
        read_customers(tmp_path / "nothing.csv")
    with pytest.raises(BadCustomerFile, match="is a directory"):
        read_customers(tmp_path)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    made = generate(records=200, seed=4)
    write_customers(tmp_path / "out.csv", made.customers)
    read = read_customers(tmp_path / "out.csv")
    as_known = [(c.customer_id, c.source, dict(c.attributes)) for c in made.customers]
    assert [(c.customer_id, c.source, dict(c.attributes)) for c in read.customers] == as_known
