"""The desk's open cases: what waits for a person, and what stood against automatic approval."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from customer_identity.approval import EvidenceItem
from customer_identity.explanation import Finding
from customer_merge_demo.customers import Customer
from customer_merge_demo.results.facts import ComparisonView, Objection, WaitingView
from customer_merge_demo.results.persons import record_view

SHOWN_CASES = 30
_SHOWN_RECORDS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCases:
    """The cases that `review-desk list --state OPEN --json` printed, the surest first."""

    cases: Sequence[Mapping[str, Any]] = field(repr=False)

    @classmethod
    def read(cls, printed: str) -> Self:
        """From the desk's output."""
        return cls(cases=json.loads(printed))

    def reasons(self) -> dict[str, int]:
        """Code of an objection → how many cases it stands against, most frequent first."""
        codes = Counter(code for case in self.cases for code in {reason["code"] for reason in case["reasons"]})
        return dict(codes.most_common())

    def views(self, by_id: Mapping[str, Customer]) -> list[WaitingView]:
        """The surest of them, in full."""
        return [_view(case, by_id) for case in self.cases[:SHOWN_CASES]]


def _view(case: Mapping[str, Any], by_id: Mapping[str, Customer]) -> WaitingView:
    a, b = case["pair"]
    named = [by_id[customer_id] for customer_id in dict.fromkeys((a, b, *case["members"])) if customer_id in by_id]
    return WaitingView(
        case_id=str(case["case"]),
        records=[record_view(customer) for customer in named[:_SHOWN_RECORDS]],
        comparison=ComparisonView(
            a=a,
            b=b,
            finding=Finding(
                score=case["score"],
                grade=case["grade"],
                evidence=[EvidenceItem(**item) for item in case["evidence"]],
                blocked_because=case["blocked_because"],
            ),
        ),
        objections=[Objection(code=reason["code"], detail=reason["message"]) for reason in case["reasons"]],
    )
