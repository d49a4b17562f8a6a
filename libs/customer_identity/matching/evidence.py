"""The evidence for one scored pair: what a candidate carries, what a steward reads, what stands against automation."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np

from customer_identity.comparison import fields as f
from customer_identity.explanation.words import (
    LIMITS,
    NOT_CERTAIN,
    OTHER_EXPLANATION,
    OTHER_RECORDS,
    OTHERS_AGREE,
    OTHERS_DISAGREE,
    readable,
)
from customer_identity.matching.grades import Grade
from customer_identity.matching.index import Entry
from customer_identity.matching.matcher import Matches
from customer_identity.matching.model import Model

BIT: Final = math.log(2)  # nats; people think in doublings of the odds, formulas in nats
_OTHERS_SAY: Final = {True: OTHERS_AGREE, False: OTHERS_DISAGREE}
_LIMITING: Final = ("contested", "other_given_name", "suffix_conflict", "name_only")
"""Flags that lower the score itself."""
_BLOCK_OF_FLAG: Final = {
    "contested": "CONTESTED_IDENTIFIER",
    "other_given_name": "OTHER_GIVEN_NAME",
    "suffix_conflict": "SUFFIX_CONFLICT",
    "name_only": "NAME_ONLY",
    "weak_given_name": "WEAK_GIVEN_NAME",
    "doubtful_given_name": "DOUBTFUL_GIVEN_NAME",
    "contradicted": "CONTRADICTED",
    "look_alike": "LOOKALIKE",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldEvidence:
    """What one field says: its level by name and its weight in bits; positive speaks for one person."""

    field: str
    level: str
    weight: float


def evidence_of(matches: Matches, row: int, model: Model) -> list[FieldEvidence]:
    """The fields that both records have, and the other records of the same person, the weightiest first; then the rest.

    The weights add up to the score (as bits of its odds).
    """
    context = float(matches.context[row])
    found = [_evidence(OTHER_RECORDS, _OTHERS_SAY[context > 0], context)] if context else []
    found += [
        _evidence(field.name, field.levels[level], weight)
        for field, level, weight in zip(
            f.FIELDS, matches.levels[row].tolist(), matches.scores.weights[row].tolist(), strict=True
        )
        if level != f.MISSING
    ]
    likeliest = model.explanations[int(matches.scores.explanation[row])].name
    rest = _evidence(OTHER_EXPLANATION, likeliest, float(matches.scores.rest[row]))
    return [*sorted(found, key=lambda e: -abs(e.weight)), rest, *_limits(matches, row)]


def _limits(matches: Matches, row: int) -> list[FieldEvidence]:
    named = [_BLOCK_OF_FLAG[flag] for flag in _LIMITING if getattr(matches.cautions, flag)[row]]
    if not named:
        return []
    logit, levels = matches.scores.logit[[row]], matches.levels[[row]]
    lowered = float((matches.cautions.one(row).limited(logit, levels) - logit)[0])
    return [_evidence(LIMITS, ", ".join(map(readable, named)), lowered)] if lowered else []


def _evidence(field: str, level: str, nats: float) -> FieldEvidence:
    return FieldEvidence(field=field, level=level, weight=round(nats / BIT, 4))


_OF_THE_PAIR: Final = ("suffix_conflict", "name_only", "contradicted", "look_alike")


def evidence_digest(matches: Matches, row: int) -> bytes:
    """Equal exactly when the two records agree as before, whatever a newer model, or other records, make of it.

    So it is made of the records alone: who else has their phone, or how frequent their names are, is left out. What
    a person has decided of a pair stands until the pair's own values change.
    """
    flags = [bool(getattr(matches.cautions, name)[row]) for name in _OF_THE_PAIR]
    return blake2b(matches.levels[row].tobytes() + json.dumps(flags).encode(), digest_size=16).digest()


def candidate_id(tenant_id: str, a: str, b: str) -> str:
    """The id of a pair of customers: the same in every worker and at every time."""
    pair = "\x1f".join((tenant_id, min(a, b), max(a, b)))
    return blake2b(pair.encode(), digest_size=16, person=b"merge-candidate").hexdigest()


def blocks(matches: Matches, row: int) -> list[str]:
    """Codes of what stands against merging this pair without a person; empty: nothing the detector knows of.

    Whether an identifier is verified or its source trusted is the approval policy's question, not this one.
    """
    out = [] if matches.grade[row] == Grade.CERTAIN else [NOT_CERTAIN]
    out += [code for name, code in _BLOCK_OF_FLAG.items() if getattr(matches.cautions, name)[row]]
    identifiers = _equal_identifiers(matches.left[row], matches.right[row])
    if not identifiers:
        out.append("NO_EQUAL_IDENTIFIER")
    elif not _independent(matches, row, identifiers):
        out.append("NO_INDEPENDENT_EVIDENCE")
    return out


def _equal_identifiers(a: Entry, b: Entry) -> list[int]:
    """Fields whose identifier is equal under its strict form: no folding beyond ASCII case and number format."""
    pairs = (
        (f.EMAIL, a.record.email_strict, b.record.email_strict),
        (f.PHONE, a.record.phone_strict, b.record.phone_strict),
        (f.NATIONAL_ID, a.record.national_id, b.record.national_id),
    )
    return [field for field, one, other in pairs if one and one == other]


def _independent(matches: Matches, row: int, identifiers: Sequence[int]) -> bool:
    """Some field beside the equal identifier speaks for one person; a second equal identifier counts, too."""
    weights = np.delete(matches.scores.weights[row], identifiers[:1])
    return bool((weights > 0).any())
