"""The evidence as a steward would say it."""

from collections.abc import Sequence
from typing import Final

from customer_identity.explanation.finding import EvidenceItem, Finding
from customer_identity.explanation.words import (
    EQUAL,
    LIMITS,
    NOT_CERTAIN,
    OTHER_EXPLANATION,
    OTHER_RECORDS,
    field_words,
    kind_words,
    level_words,
    listed,
    objection_words,
    percent,
)

_SURE: Final = 0.99  # from here on a pair is certain unless something objects
_CLEARLY: Final = 0.7  # bits; what says less is not worth a word
_MOST_NAMED: Final = 5  # fields a side; a longer list is no longer read
_CHANCE: Final = "chance"
_SAID_BY: Final = {"DOUBTFUL_GIVEN_NAME": "OTHER_GIVEN_NAME"}  # the second says more
# Of use only where nothing else is missing for a merge without a person.
_OF_THE_CERTAIN: Final = frozenset({"NO_EQUAL_IDENTIFIER", "NO_INDEPENDENT_EVIDENCE"})


def sentence(finding: Finding) -> str:
    """What was found, what speaks for it and against it, why a person has to look, and what else it could be."""
    grade = finding.grade.lower()
    compared = [item for item in finding.evidence if item.field not in {OTHER_EXPLANATION, LIMITS}]
    return " ".join(
        filter(None, (_found(grade, finding.score, compared), _who_decides(grade, finding), _otherwise(grade, finding)))
    )


def _found(grade: str, score: float, evidence: Sequence[EvidenceItem]) -> str:
    weighty = sorted(evidence, key=lambda item: -abs(item.weight))
    for_it = _told([item for item in weighty if item.weight > _CLEARLY])
    against = _told([item for item in weighty if item.weight < -_CLEARLY])
    if grade == "none":
        told = f"against one person: {against}" if against else "nothing clear against one person"
        return f"{_verdict(grade, score)}: {told}; for it: {for_it or 'nothing clear'}."
    told = f"against it: {against}" if against else "nothing clear against it"
    return f"{_verdict(grade, score)}: {for_it or 'nothing clear for it'}; {told}."


def _verdict(grade: str, score: float) -> str:
    if grade == "certain":
        return f"Almost certainly one person ({percent(score)})"
    if grade == "probable":
        return f"Probably one person ({percent(score)})"
    if grade == "possible":
        return f"Possibly one person ({percent(score)}{', more likely two' if score < 0.5 else ''})"
    return f"Probably two people (one person: {percent(score)})"


def _told(items: Sequence[EvidenceItem]) -> str:
    named = items[:_MOST_NAMED]
    equal = [field_words(item.field) for item in named if item.level in EQUAL]
    told = [f"same {listed(equal)}"] if equal else []
    told += [level_words(item.field, item.level) for item in named if item.level not in EQUAL]
    return ", ".join(told) + (f", and {len(items) - len(named)} more" if len(items) > len(named) else "")


def _who_decides(grade: str, finding: Finding) -> str:
    if grade == "none":
        return ""
    if grade == "certain" and not finding.blocked_because:
        return "The detector knows of nothing against merging them without a person."
    unsaid = {NOT_CERTAIN} if grade == "certain" else {NOT_CERTAIN, *_OF_THE_CERTAIN}
    unsaid |= {code for code, other in _SAID_BY.items() if other in finding.blocked_because}
    why = listed([objection_words(code) for code in finding.blocked_because if code not in unsaid])
    if why:
        return f"{why[0].upper()}{why[1:]}, so a person has to look."
    if finding.score < _SURE:
        return "That is not sure enough to merge them without a person."
    if any(item.field == OTHER_RECORDS and item.weight > 0 for item in finding.evidence):
        return "The two records alone do not say so much, so a person has to look."
    return "The detector knows too little of this base to call that certain, so a person has to look."


def _otherwise(grade: str, finding: Finding) -> str:
    kind = next((item.level for item in finding.evidence if item.field == OTHER_EXPLANATION), _CHANCE)
    sure = grade == "certain" and not finding.blocked_because
    if kind == _CHANCE or sure:
        return ""
    return f"If two people, then most likely {kind_words(kind)}."
