"""The strict forms of identifiers."""

import pytest

from customer_identity.approval import Identifier, IdentifierKind, strict_form


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (" ann@Example.COM ", "ann@example.com"),
        ("Ann@example.com", "Ann@example.com"),
        ("ann+shop@example.com", "ann+shop@example.com"),
        ("ann@exämple.com", None),
        ("ann", None),
        ("ann@b@example.com", None),
        ("", None),
    ],
)
def test_an_email_keeps_its_local_part_as_it_is_written(value: str, form: str | None) -> None:
    assert strict_form(IdentifierKind.EMAIL, value) == form


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("+44 (20) 7946-0018", "+442079460018"),
        ("0044 20 7946 0018", "+442079460018"),
        ("020 7946 0018", "02079460018"),
        ("12345", None),
        ("call me", None),
        ("+44 20 7946 0018 ext. 5", None),
        ("٠٢٠٧٩٤٦٠٠١٨", None),
    ],
)
def test_a_phone_number_loses_separators_only(value: str, form: str | None) -> None:
    assert strict_form(IdentifierKind.PHONE, value) == form


@pytest.mark.parametrize(
    ("value", "form"), [("123-45-6789", "123456789"), ("AB 12 34 56 C", "AB123456C"), ("???", None), ("12", None)]
)
def test_a_national_id_loses_separators_only(value: str, form: str | None) -> None:
    assert strict_form(IdentifierKind.NATIONAL_ID, value) == form


def test_an_identifier_does_not_show_its_value() -> None:
    assert "ann" not in repr(Identifier(kind=IdentifierKind.EMAIL, value="ann@example.com"))
