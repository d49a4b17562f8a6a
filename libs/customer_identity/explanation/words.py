"""What fields, levels, objections and kinds of non-match are called, for somebody who has never seen a code."""

from collections.abc import Mapping
from typing import Final

OTHER_RECORDS: Final = "other_records"
"""Evidence beside the fields' own: what the other records of the same person say."""
OTHERS_AGREE: Final = "of the same person agree"
OTHERS_DISAGREE: Final = "of the same person do not"
OTHER_EXPLANATION: Final = "other_explanation"
"""Evidence beside the fields' own: how rare duplicates are, and how much of the agreement has another explanation."""
LIMITS: Final = "limits"
"""Evidence beside the fields' own: what the score was lowered by, whatever speaks for it."""
NOT_CERTAIN: Final = "NOT_CERTAIN"
EQUAL: Final = frozenset({"equal", "exact", "same dwelling"})  # `exact`: what other detectors say

_FIELDS: Final[Mapping[str, str]] = {
    "date_of_birth": "birth date",
    "email": "e-mail address",
    OTHER_EXPLANATION: "other explanations",
}

# How a level short of equal is told in a sentence.
_LEVELS: Final[Mapping[str, Mapping[str, str]]] = {
    "given_name": {
        "alike": "given names alike",
        "initial or very alike": "given name shortened or nearly the same",
        "nickname or slip": "given name a nickname or one slip off",
        "exchanged with family name": "given and family name exchanged",
    },
    "family_name": {
        "alike": "family names alike",
        "part or very alike": "family name shortened or nearly the same",
        "slip": "family name one slip off",
    },
    "middle_name": {"alike": "middle names alike", "initial": "middle name shortened"},
    "suffix": {"different": "another suffix (Jr., Sr.)"},
    "gender": {"male against female": "another gender", "other difference": "gender told differently"},
    "date_of_birth": {
        "same year or near": "birth dates alike",
        "two parts equal": "birth date nearly the same",
        "one slip": "birth date one slip off",
        "day and month exchanged": "birth date with day and month exchanged",
    },
    "email": {
        "alike": "e-mail addresses somewhat alike",
        "very alike": "e-mail addresses alike",
        "slip or same digits": "e-mail address one slip off or with the same digits",
        "same local part": "e-mail address the same before the @",
    },
    "phone": {
        "up to four digits differ": "phone numbers alike",
        "last seven equal or two differ": "phone number nearly the same",
        "one digit differs": "phone number one digit off",
    },
    "address": {
        "elsewhere": "another address",
        "same area": "address in the same area",
        "similar street nearby": "a similar street nearby",
        "nearly the same dwelling": "nearly the same address",
    },
    "postal_code": {
        "two characters differ": "postal code two characters off",
        "one character differs": "postal code one character off",
    },
    "city": {"alike": "cities of like names", "slip": "city one slip off"},
    "national_id": {
        "two characters differ": "national id two characters off",
        "one character differs": "national id one character off",
    },
    "occupation": {"alike": "occupations somewhat alike", "very alike": "occupations alike"},
    OTHER_RECORDS: {
        OTHERS_AGREE: "other records of the same person fit",
        OTHERS_DISAGREE: "other records of the same person do not fit",
    },
}

OBJECTIONS: Final[Mapping[str, str]] = {
    NOT_CERTAIN: "it is not certain",
    "CONTESTED_IDENTIFIER": "people of other names also use an e-mail address or phone of theirs",
    "OTHER_GIVEN_NAME": "the given names are those of two people",
    "SUFFIX_CONFLICT": "suffixes like Jr. and Sr. tell them apart",
    "NAME_ONLY": "nothing but the name agrees",
    "CONTRADICTED": "the birth date or national id is another",
    "WEAK_GIVEN_NAME": "a given name is missing or a mere initial",
    "DOUBTFUL_GIVEN_NAME": "the given names are more than a slip apart",
    "LOOKALIKE": "there are letters that only look alike",
    "NO_EQUAL_IDENTIFIER": "no e-mail address, phone or national id is the same in both",
    "NO_INDEPENDENT_EVIDENCE": "little speaks for it beside one identifier",
    "NOT_DUPLICATE": "somebody said that they are two people",
}
"""What stands against a merge without a person, by its code."""

KINDS: Final[Mapping[str, str]] = {
    "chance": "strangers who are alike by chance",
    "relatives": "relatives",
    "household": "people of one household",
    "household sharing a phone": "people of one household with one phone",
    "household sharing an e-mail": "people of one household with one e-mail address",
    "same dwelling": "strangers at one address",
    "twins": "twins",
    "parent and child of one name": "parent and child of one name",
    "shared e-mail": "people who share an e-mail address",
    "shared phone": "people who share a phone",
    "namesakes nearby": "namesakes who live near each other",
    "one trade in one place": "people of one trade in one place",
}
"""Two people who are like one, by the name that the model has for that kind of non-match."""


def field_words(field: str) -> str:
    """A field as people say it."""
    return _FIELDS.get(field) or readable(field)


def level_words(field: str, level: str) -> str:
    """A level short of equal as part of a sentence."""
    told = _LEVELS.get(field, {}).get(level)
    if told is None:
        told = f"another {field_words(field)}" if level == "different" else f"{field_words(field)} {readable(level)}"
    return told


def objection_words(code: str) -> str:
    """What stands against a merge without a person, as part of a sentence."""
    return OBJECTIONS.get(code) or readable(code)


def kind_words(kind: str) -> str:
    """The people of a kind of non-match."""
    return KINDS.get(kind) or f"a case of {readable(kind)}"


def readable(code: str) -> str:
    """A code as words: `NO_TRUSTED_IDENTIFIER` → `no trusted identifier`; what is no code stays as it is."""
    return code.replace("_", " ").lower() if code.isupper() or code.islower() else code


def listed(words: list[str]) -> str:
    """One, two and three."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def percent(score: float) -> str:
    """A probability; near 1 with enough digits to tell 0.999 from 0.99."""
    if score >= 0.9999:
        return "over 99.99 %"
    if score < 0.01:
        return "under 1 %"
    return f"{100 * score:.2f} %" if score >= 0.99 else f"{100 * score:.0f} %"
