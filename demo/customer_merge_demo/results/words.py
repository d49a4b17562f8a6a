"""The codes of desk, detector and rules in words, for somebody who has never seen them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from customer_identity.explanation.words import OBJECTIONS, readable

# Reasons of the desk against automatic approval.
REASONS: Mapping[str, str] = {
    "GRADE_NOT_AUTOMATIC": "Likely, but not certain",
    "NO_TRUSTED_IDENTIFIER": "No e-mail, phone or national id that is the same in both",
    "NO_INDEPENDENT_EVIDENCE": "Too little speaks for it beside that one identifier",
    "DETECTOR_OBJECTS": "The detector advises a person to look",
    "RULE_FAILED": "A business rule forbids it, or warns",
    "NOT_DUPLICATE": "Somebody said these are different people",
    "TOO_MANY_MEMBERS": "Too many records for one decision",
    "PAUSED": "Automatic approval is paused",
}

_DETAILS: Mapping[str, str] = {
    **OBJECTIONS,
    # Rules of the merge plan.
    "LEGAL_HOLD": "one is under legal hold",
    "LOSER_HAS_LOGIN": "the record to be merged away has a login",
    "BOTH_ACTIVELY_USED": "both are in use",
    "WINNER_EMAIL_UNCONFIRMED": "the remaining record's e-mail is not confirmed",
    "BLOCKED_IDENTIFIER_VALUE": "an identifier nobody may be known by",
    "CURRENCY_MISMATCH": "different currencies",
    "LOYALTY_PROGRAM_DIFFERS": "different loyalty programs",
}
_CODE = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b|\bLOOKALIKE\b|\bCONTRADICTED\b")


def reason(code: str) -> str:
    """A reason's sentence; for one not known here the code itself, readable."""
    return REASONS.get(code) or readable(code).capitalize()


def detail(text: str) -> str:
    """A reason's detail with every code in it put into words."""
    return _CODE.sub(lambda found: _DETAILS.get(found[0]) or readable(found[0]), text)
