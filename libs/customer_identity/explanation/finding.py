"""What is explained."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class EvidenceItem(Protocol):
    """A field's part in a score."""

    @property
    def field(self) -> str:
        """The field compared."""

    @property
    def level(self) -> str:
        """How alike the two values are."""

    @property
    def weight(self) -> float:
        """In bits; positive speaks for one person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A scored pair. `grade` is certain, probable, possible or none, in letters of either case."""

    score: float
    grade: str
    evidence: Sequence[EvidenceItem]
    blocked_because: Sequence[str] = ()
    """Codes of what stands against a merge without a person."""
