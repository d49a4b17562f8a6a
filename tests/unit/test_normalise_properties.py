"""Whatever a source wrote: nothing raises, nothing takes long, and normalising again changes nothing."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_identity.normalise import addresses, normalise
from customer_identity.normalise.addresses import parse_city, parse_country, parse_postcode, parse_street
from customer_identity.normalise.contacts import parse_email, parse_phone
from customer_identity.normalise.dates import parse_date
from customer_identity.normalise.names import parse_name, sound
from customer_identity.normalise.text import fold, looks_like_another, words
from customer_identity.records import CustomerRecord
from rig.examples import examples

_COLUMNS = (
    "full_name", "given_name", "middle_name", "family_name", "date_of_birth", "gender", "email", "phone", "street",
    "city", "region", "postal_code", "country", "national_id", "occupation",
)  # fmt: skip
# Half of all texts from what names, numbers and addresses are made of, the rest from all of Unicode.
_LIKELY = st.text(
    "aeionrst AEMN.,-'/@+#()0123456789&\u0430\u03b1\u5c71\u30bf\uae40\u0645\u05d0\u0308\u200f\u00df", max_size=40
)
_TEXT = st.one_of(_LIKELY, st.text(max_size=60))
_LONG = 1_000_000
_WITHIN_S = 2.0


@settings(max_examples=examples(100))
@given(_TEXT)
def test_folding_again_changes_nothing(text: str) -> None:
    folded = fold(text)
    assert fold(folded) == folded
    assert not looks_like_another(folded) or not folded.isascii()
    assert " ".join(words(" ".join(words(text)))) == " ".join(words(text))
    for parse in (parse_city, parse_country, parse_postcode):
        assert parse(parse(text)) == parse(text)
    assert sound(fold(text)) == sound(fold(folded))


@settings(max_examples=examples(100))
@given(_TEXT, st.sampled_from(["", "us", "de", "jp"]))
def test_addresses_numbers_and_dates_read_again_are_the_same(text: str, country: str) -> None:
    email = parse_email(text)
    if email.domain:
        again = parse_email(f"{email.local}@{email.domain}")
        assert (again.local, again.domain) == (email.local, email.domain)
    phone = parse_phone(text, country.upper())
    if phone.strict.startswith("+"):
        assert parse_phone(phone.strict, country.upper()) == phone
    found = parse_date(text, country).ymd
    assert parse_date(found, country).ymd == found


_STREET_WORDS = (
    "Mill", "Lane", "Apt", "Unit", "Flat", "Floor", "a", "bis", "St", "Rue", "Hauptstr.", "1st", "O'Neil", "Court,",
    "C/", "#", "Suite-B", "/", "12", "3/4", "5b", "\uff11", "½", "\uff03", "Straße",
)  # fmt: skip
_STREET = st.lists(st.sampled_from(_STREET_WORDS), max_size=4).map(" ".join)
_DATE = st.tuples(st.integers(0, 9999), st.integers(0, 99), st.integers(0, 99))


@settings(max_examples=examples(300))
@given(_STREET, st.integers(0, 99_999), _STREET)
def test_a_street_line_is_read_the_same_whatever_its_number_is(before: str, number: int, after: str) -> None:
    line = f"{before} {number} {after}".strip()
    assert parse_street(line) == addresses._street(line)


@settings(max_examples=examples(200))
@given(_DATE, st.sampled_from(["", "us", "de"]))
def test_a_date_in_iso_form_is_read_as_with_other_dividers(date: tuple[int, int, int], country: str) -> None:
    year, month, day = date
    iso, slashed = (f"{year:04d}{mark}{month:02d}{mark}{day:02d}" for mark in "-/")
    assert parse_date(iso, country) == parse_date(slashed, country)


@settings(max_examples=examples(200))
@given(st.text("abcXYZ019._+-", min_size=1, max_size=12), st.text("abcXYZ019.-", min_size=1, max_size=12))
def test_a_plain_address_is_read_as_one_that_a_program_put_something_around(local: str, domain: str) -> None:
    assert parse_email(f"{local}@{domain}") == parse_email(f'"{local}@{domain}"')


@settings(max_examples=examples(100))
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(_COLUMNS, _TEXT)))
def test_no_record_whatsoever_raises_or_leaves_marks_of_formatting(values: dict[str, str]) -> None:
    record = normalise(CustomerRecord(tenant_id="t", customer_id="1", **values))  # type: ignore[arg-type]
    assert all(isinstance(value, str) for value in record)
    compared = (record.given, record.middle, record.family, record.street, record.city)
    assert all("\n" not in value and value == value.strip() for value in compared)
    assert not (record.given and record.several)


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "1",
        " ",
        "a ",
        "1-",
        "@",
        "a@",
        "+",
        "(",
        "x1",
        "\u0430a",
        "\u30bf",
        "\uae40",
        "\u0301",
        "&",
        ",",
        "<",
        "#1 ",
        "0/",
        "st ",
        "o ",
    ],
)
def test_a_value_of_a_million_letters_is_read_at_once(piece: str) -> None:
    text = piece * (_LONG // len(piece))
    values = dict.fromkeys(_COLUMNS, text)
    started = time.perf_counter()
    normalise(CustomerRecord(tenant_id="t", customer_id="1", **values))  # type: ignore[arg-type]
    assert time.perf_counter() - started < _WITHIN_S


@pytest.mark.parametrize("parse", [fold, words, parse_email, parse_street])
@pytest.mark.parametrize("piece", ["a1 ", "a@", "\u0430b "])
def test_no_parser_takes_more_than_a_multiple_of_the_length(parse: object, piece: str) -> None:
    text = piece * (100_000 // len(piece))
    started = time.perf_counter()
    parse(text)  # type: ignore[operator]
    assert time.perf_counter() - started < _WITHIN_S


def test_a_name_of_a_sentence_is_cut() -> None:
    name = parse_name("", "", "", "word " * 500)
    assert len(name.middle.split()) < 15


def test_street_lines_of_words_alone_have_no_number() -> None:
    assert parse_street("The Old Mill") == ("the old mill", "", "")
