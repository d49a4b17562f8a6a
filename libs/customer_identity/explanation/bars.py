"""Weights as a table with bars of letters, for a terminal."""

from typing import Final

from customer_identity.explanation.finding import Finding
from customer_identity.explanation.steps import steps

WEIGHTS_TITLE: Final = "Evidence (bits: + speaks for one person, each doubles the odds)"
WEIGHT_COLUMNS: Final = ("field", "level", "bits", "")
_LONGEST: Final = 10  # letters of the heaviest weight: with words of usual length, a table of 80 columns


def weight_rows(finding: Finding) -> list[tuple[str, str, str, str]]:
    """A row a weight, bars from a common line: to the right for one person, to the left and lighter for two."""
    rows = steps(finding).rows
    letter = max((abs(step.weight) for step in rows), default=1.0) / _LONGEST
    left = max((_letters(-step.weight, letter) for step in rows), default=0)
    return [(step.name, step.level, f"{step.weight:+.2f}", _bar(step.weight, letter, left)) for step in rows]


def _bar(weight: float, letter: float, left: int) -> str:
    return f"{('░' * _letters(-weight, letter)).rjust(left)}│{'█' * _letters(weight, letter)}"


def _letters(weight: float, letter: float) -> int:
    return max(1, round(weight / letter)) if weight > 0 else 0
