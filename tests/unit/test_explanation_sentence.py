"""What a steward reads of a score: a sentence from the evidence of an event, without anybody's data."""

import json
from importlib import resources

import pytest

from customer_identity.approval import EvidenceItem
from customer_identity.comparison.fields import FIELDS
from customer_identity.explanation import Finding, sentence, words
from customer_identity.matching import evidence as detector
from customer_identity.matching.cautions import Cautions

EMAIL, PHONE, BORN, FAMILY, CITY = (
    EvidenceItem(field=field, level=level, weight=weight)
    for field, level, weight in (
        ("email", "equal", 17.0),
        ("phone", "equal", 15.0),
        ("date_of_birth", "equal", 12.0),
        ("family_name", "slip", 6.0),
        ("city", "different", -2.0),
    )
)
GENDER = EvidenceItem(field="gender", level="equal", weight=0.6)
GIVEN = EvidenceItem(field="given_name", level="different", weight=-4.0)
OTHERS = EvidenceItem(field="other_records", level="of the same person agree", weight=3.0)


def rest(kind: str) -> EvidenceItem:
    return EvidenceItem(field="other_explanation", level=kind, weight=-25.0)


def told(score: float, grade: str, *evidence: EvidenceItem, because: tuple[str, ...] = ()) -> str:
    return sentence(Finding(score=score, grade=grade, evidence=evidence, blocked_because=because))


@pytest.mark.parametrize(
    ("score", "grade", "evidence", "because", "expected"),
    [
        (
            0.97, "PROBABLE", (BORN, PHONE, FAMILY, CITY, rest("household sharing a phone")),
            ("NOT_CERTAIN", "CONTESTED_IDENTIFIER"),
            ("Probably one person (97 %): same phone and birth date, family name one slip off; "
             "against it: another city. "
            "People of other names also use an e-mail address or phone of theirs, so a person has to look. "
            "If two people, then most likely people of one household with one phone."),
        ),
        (
            0.999, "certain", (EMAIL, PHONE, GENDER, rest("twins")), (),
            ("Almost certainly one person (99.90 %): same e-mail address and phone; nothing clear against it. "
            "The detector knows of nothing against merging them without a person."),
        ),
        (
            0.99999, "certain", (EMAIL, rest("shared e-mail")), ("NO_INDEPENDENT_EVIDENCE", "NOT_DUPLICATE"),
            ("Almost certainly one person (over 99.99 %): same e-mail address; nothing clear against it. "
            "Little speaks for it beside one identifier and somebody said that they are two people, "
            "so a person has to look. If two people, then most likely people who share an e-mail address."),
        ),
        (
            0.2, "possible", (FAMILY, GIVEN, rest("chance")), ("NOT_CERTAIN", "NO_EQUAL_IDENTIFIER"),
            ("Possibly one person (20 %, more likely two): family name one slip off; "
             "against it: another given name. "
            "That is not sure enough to merge them without a person."),
        ),
        (
            0.12, "possible", (PHONE, GIVEN),
            ("NOT_CERTAIN", "OTHER_GIVEN_NAME", "DOUBTFUL_GIVEN_NAME", "NAME_ONLY"),
            ("Possibly one person (12 %, more likely two): same phone; against it: another given name. "
            "The given names are those of two people and nothing but the name agrees, so a person has to look."),
        ),
        (
            0.004, "none", (GIVEN, CITY, rest("relatives")), ("NOT_CERTAIN",),
            ("Probably two people (one person: under 1 %): against one person: another given name, another city; "
            "for it: nothing clear. If two people, then most likely relatives."),
        ),
        (
            0.6, "probable", (OTHERS,), ("A_CODE_OF_TOMORROW",),
            ("Probably one person (60 %): other records of the same person fit; nothing clear against it. "
            "A code of tomorrow, so a person has to look."),
        ),
        (
            0.995, "probable", (OTHERS, PHONE), ("NOT_CERTAIN",),
            ("Probably one person (99.50 %): same phone, other records of the same person fit; nothing clear against "
            "it. The two records alone do not say so much, so a person has to look."),
        ),
        (
            0.995, "probable", (EMAIL, PHONE, rest("chance")), ("NOT_CERTAIN",),
            ("Probably one person (99.50 %): same e-mail address and phone; nothing clear against it. "
            "The detector knows too little of this base to call that certain, so a person has to look."),
        ),
        (
            0.5, "possible", (), (),
            ("Possibly one person (50 %): nothing clear for it; nothing clear against it. "
            "That is not sure enough to merge them without a person."),
        ),
    ],
)  # fmt: skip
def test_a_finding_as_a_steward_would_say_it(
    score: float, grade: str, evidence: tuple[EvidenceItem, ...], because: tuple[str, ...], expected: str
) -> None:
    assert told(score, grade, *evidence, because=because) == expected


def test_of_many_fields_the_weightiest_are_named_and_the_others_counted() -> None:
    many = [EvidenceItem(field=f"field_{n}", level="equal", weight=10.0 - n) for n in range(8)]
    assert "same field 0, field 1, field 2, field 3 and field 4, and 3 more" in told(0.97, "probable", *many)


def test_every_level_that_is_neither_equal_nor_simply_different_has_words_of_its_own() -> None:
    levels = {(field.name, level) for field in FIELDS for level in field.levels}
    assert {field.levels[-1] for field in FIELDS} <= words.EQUAL
    said = {(field, level) for field, told in words._LEVELS.items() for level in told if field != words.OTHER_RECORDS}
    assert {key for key in levels - said if key[1] not in {*words.EQUAL, "different"}} == set()
    assert said <= levels


def test_every_code_and_every_kind_of_non_match_of_the_shipped_model_has_words() -> None:
    assert detector._BLOCK_OF_FLAG.keys() == set(Cautions.__slots__) - {"beyond_what_is_shared"}
    assert set(detector._BLOCK_OF_FLAG.values()) <= words.OBJECTIONS.keys()
    shipped = json.loads(resources.files("customer_identity.matching").joinpath("model.json").read_text("utf-8"))
    assert {kind["name"] for kind in shipped["explanations"]} == words.KINDS.keys()
