"""Everything the report and the last lines on the terminal say about a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from customer_identity.explanation import Finding
from customer_merge_demo.results.checks import Check
from customer_merge_demo.results.identities import Accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Where the run stood `at_s` seconds after the first record; `waiting` are cases for a person."""

    at_s: float
    records: int
    candidates: int
    approved: int
    merged: int
    relinked: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordView:
    """A record as shown: its id, where it came from, and what it said."""

    customer_id: str
    source: str
    fields: Mapping[str, str] = field(repr=False)
    orders: int
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonView:
    """Two records compared, and what was found."""

    a: str
    b: str
    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonView:
    """One customer who was several records: the records before, the customer after, and why."""

    canonical_id: str
    before: Sequence[RecordView]
    after: Mapping[str, str] = field(repr=False)
    decisions: Mapping[str, str]
    orders: int
    points: int
    comparisons: Sequence[ComparisonView]


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """A reason against automatic approval, by its code."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingView:
    """A case that a person has to decide."""

    case_id: str
    records: Sequence[RecordView]
    comparison: ComparisonView
    objections: Sequence[Objection]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemView:
    """What a downstream system relinked."""

    title: str
    relinked: Mapping[str, int]
    acknowledged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A run, from the first record to the last check."""

    input_name: str
    invented_history: bool
    records: int
    people: int
    sizes: Mapping[int, int]
    merges: int
    candidates: Mapping[str, int]
    commands: int
    rejected: Mapping[str, int]
    waiting: int
    waiting_reasons: Mapping[str, int]
    persons: Sequence[PersonView]
    cases: Sequence[WaitingView]
    systems: Sequence[SystemView]
    checks: Sequence[Check]
    accuracy: Accuracy | None
    timing: Mapping[str, float]
    samples: Sequence[Sample]
    memory: Mapping[str, int]
    warnings: Sequence[str]

    @property
    def merged_away(self) -> int:
        """Records that became part of another."""
        return self.records - self.people

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)
