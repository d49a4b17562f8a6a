"""The way from no knowledge to the score, one weight at a time: the rows of a table or of a picture."""

import math
from dataclasses import dataclass
from typing import Final

from customer_identity.explanation.finding import Finding
from customer_identity.explanation.words import (
    LIMITS,
    OTHER_EXPLANATION,
    OTHER_RECORDS,
    field_words,
    readable,
)

_SHOWN_BITS: Final = 0.05  # less would read 0.0
_SATURATED_BITS: Final = 20.0  # one in a million; beyond, a probability no longer tells how many bits there were
_BESIDE_THE_FIELDS: Final = (OTHER_RECORDS, OTHER_EXPLANATION, LIMITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One weight in bits; positive speaks for one person. `start` is the sum of those before it."""

    name: str
    level: str
    weight: float
    start: float

    @property
    def end(self) -> float:
        """The sum with this one."""
        return self.start + self.weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """All that weighs: fields from what tells most for one person to what tells most against it, then the rest."""

    rows: tuple[Step, ...]
    score: float

    @property
    def total(self) -> float:
        """Bits; the score is 1 / (1 + 2 ** -total)."""
        return self.rows[-1].end if self.rows else 0.0


def steps(finding: Finding) -> Steps:
    """Every weight worth a row, and one for all that the evidence leaves out (some detectors tell of fields alone)."""
    fields = [item for item in finding.evidence if item.field not in _BESIDE_THE_FIELDS]
    beside = sorted(
        (item for item in finding.evidence if item.field in _BESIDE_THE_FIELDS),
        key=lambda item: _BESIDE_THE_FIELDS.index(item.field),
    )
    rows: list[Step] = []
    total = 0.0
    for item in (*sorted(fields, key=lambda item: -item.weight), *beside):
        if abs(item.weight) >= _SHOWN_BITS:
            rows.append(Step(name=field_words(item.field), level=readable(item.level), weight=item.weight, start=total))
            total += item.weight
    score = _bits(finding.score)
    left_out = max(1, len(finding.evidence)) * _SHOWN_BITS  # what is not shown is nothing unknown
    if abs(_clipped(score) - _clipped(total)) >= left_out:
        rows.append(Step(name="all else", level="how rare duplicates are, limits", weight=score - total, start=total))
    return Steps(rows=tuple(rows), score=finding.score)


def _bits(probability: float) -> float:
    inside = min(max(probability, 1e-12), 1 - 1e-12)
    return math.log2(inside / (1 - inside))


def _clipped(bits: float) -> float:
    return min(max(bits, -_SATURATED_BITS), _SATURATED_BITS)
