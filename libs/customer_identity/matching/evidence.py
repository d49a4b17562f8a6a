"""The evidence for one scored pair: what a candidate carries, what a steward reads, what stands against automation."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np

from customer_identity.comparison import fields as f
from customer_identity.matching.cautions import Cautions
from customer_identity.matching.grades import Grade
from customer_identity.matching.index import Entry
from customer_identity.matching.matcher import Matches

BIT: Final = math.log(2)  # nats; people think in doublings of the odds, formulas in nats
_OTHERS: Final = "other_records"
_OTHERS_SAY: Final = {True: "of the same person agree", False: "of the same person do not"}
_CLEARLY: Final = 0.7  # bits; what says less is not worth a word
_BLOCK_OF_FLAG: Final = {
    "contested": "CONTESTED_IDENTIFIER",
    "other_given_name": "OTHER_GIVEN_NAME",
    "suffix_conflict": "SUFFIX_CONFLICT",
    "name_only": "NAME_ONLY",
    "contradicted": "CONTRADICTED",
    "look_alike": "LOOKALIKE",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldEvidence:
    """What one field says: its level by name and its weight in bits; positive speaks for one person."""

    field: str
    level: str
    weight: float


def evidence_of(matches: Matches, row: int) -> list[FieldEvidence]:
    """The fields that both records have, and the other records of the same person; the weightiest first."""
    context = float(matches.context[row])
    said = FieldEvidence(field=_OTHERS, level=_OTHERS_SAY[context > 0], weight=round(context / BIT, 4))
    found = [said] if context else []
    found += [
        FieldEvidence(field=field.name, level=field.levels[level], weight=round(float(weight) / BIT, 4))
        for field, level, weight in zip(
            f.FIELDS, matches.levels[row].tolist(), matches.scores.weights[row], strict=True
        )
        if level != f.MISSING
    ]
    return sorted(found, key=lambda e: -abs(e.weight))


def evidence_digest(matches: Matches, row: int) -> bytes:
    """Equal exactly when the two records agree as before, whatever a newer model, or other records, make of it."""
    flags = [bool(getattr(matches.cautions, name)[row]) for name in Cautions.__slots__]
    return blake2b(matches.levels[row].tobytes() + json.dumps(flags).encode(), digest_size=16).digest()


def candidate_id(tenant_id: str, a: str, b: str) -> str:
    """The id of a pair of customers: the same in every worker and at every time."""
    pair = "\x1f".join((tenant_id, min(a, b), max(a, b)))
    return blake2b(pair.encode(), digest_size=16, person=b"merge-candidate").hexdigest()


def blocks(matches: Matches, row: int) -> list[str]:
    """Codes of what stands against merging this pair without a person; empty: nothing the detector knows of.

    Whether an identifier is verified or its source trusted is the approval policy's question, not this one.
    """
    out = [] if matches.grade[row] == Grade.CERTAIN else ["NOT_CERTAIN"]
    out += [code for name, code in _BLOCK_OF_FLAG.items() if getattr(matches.cautions, name)[row]]
    identifiers = _equal_identifiers(matches.left[row], matches.right[row])
    if not identifiers:
        out.append("NO_EQUAL_IDENTIFIER")
    elif not _independent(matches, row, identifiers):
        out.append("NO_INDEPENDENT_EVIDENCE")
    return out


def sentence(matches: Matches, row: int, explanations: Sequence[str]) -> str:
    """The evidence as a steward would say it. `explanations` are the model's, by position."""
    evidence = evidence_of(matches, row)
    for_it = [f"{_words(e.field)} {e.level}" for e in evidence if e.weight > _CLEARLY]
    against = [f"{_words(e.field)} {e.level}" for e in evidence if e.weight < -_CLEARLY]
    percent = 100 * float(matches.score[row])
    told = f"One person with {percent:.4g} % probability ({Grade(int(matches.grade[row])).label})"
    told += f": for it {', '.join(for_it)}" if for_it else ": nothing speaks for it"
    told += f"; against it {', '.join(against)}" if against else "; nothing against it"
    told += f". The likeliest other explanation is {explanations[int(matches.scores.explanation[row])]}."
    limits = [
        code.lower().replace("_", " ") for name, code in _BLOCK_OF_FLAG.items() if getattr(matches.cautions, name)[row]
    ]
    return told + (f" Limited by: {', '.join(limits)}." if limits else "")


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


def _words(field: str) -> str:
    return field.replace("_", " ").replace("email", "e-mail")
