"""Which value a field of the winner ends up with.

Every strategy is a function of the candidates in order of preference: the winner first, then the losers as the order
names them. That order is also the tie-break, so equal input always gives the equal result. Blank is missing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RECORD_EXPLICIT = "RECORD_EXPLICIT"
LITERAL = "LITERAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What one record says about the field; `verified` is false unless the plan names a column that says so."""

    customer_id: str
    value: Any
    verified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The surviving value and the record it came from; None when it came from several or from none."""

    value: Any
    from_customer_id: str | None


Strategy = Callable[[Sequence[Candidate]], Choice]


def comparable(value: Any) -> Any:
    """The value as it is compared: text without regard to case and spacing, blank text as missing."""
    if isinstance(value, str):
        return " ".join(value.casefold().split()) or None
    return value


def winner_strict(candidates: Sequence[Candidate]) -> Choice:
    """The winner's value, even when it is missing."""
    return _taken(candidates[0])


def winner_then_fill(candidates: Sequence[Candidate]) -> Choice:
    """The winner's value, or the first loser's that has one."""
    return _taken(next((candidate for candidate in candidates if _present(candidate)), candidates[0]))


def verified_first(candidates: Sequence[Candidate]) -> Choice:
    """The first verified value, or else the first value."""
    verified = [candidate for candidate in candidates if candidate.verified and _present(candidate)]
    return winner_then_fill(verified or candidates)


def minimum(candidates: Sequence[Candidate]) -> Choice:
    """The smallest value."""
    present = [candidate for candidate in candidates if _present(candidate)]
    return _taken(min(present, key=lambda candidate: candidate.value, default=candidates[0]))


def maximum(candidates: Sequence[Candidate]) -> Choice:
    """The greatest value."""
    present = [candidate for candidate in candidates if _present(candidate)]
    return _taken(max(present, key=lambda candidate: candidate.value, default=candidates[0]))


def most_restrictive(candidates: Sequence[Candidate]) -> Choice:
    """Of permissions (booleans), false as soon as any record says so."""
    refused = [candidate for candidate in candidates if candidate.value is False]
    return winner_then_fill(refused or candidates)


def concat(candidates: Sequence[Candidate]) -> Choice:
    """The first text whole, and below it every line of the others that is not there yet."""
    present = [candidate for candidate in candidates if _present(candidate)]
    lines = str(present[0].value).splitlines() if present else []
    seen = {comparable(line) for line in lines} | {None}
    added = []
    for candidate in present[1:]:
        for line in str(candidate.value).splitlines():
            if comparable(line) not in seen:
                seen.add(comparable(line))
                added.append(line)
    if not added:
        return winner_then_fill(candidates)
    return Choice(value="\n".join([present[0].value, *added]), from_customer_id=None)


STRATEGIES: Mapping[str, Strategy] = {
    "WINNER_STRICT": winner_strict,
    "WINNER_THEN_FILL": winner_then_fill,
    "VERIFIED_FIRST": verified_first,
    "MIN": minimum,
    "MAX": maximum,
    "MOST_RESTRICTIVE": most_restrictive,
    "CONCAT": concat,
}


def _present(candidate: Candidate) -> bool:
    return comparable(candidate.value) is not None


def _taken(candidate: Candidate) -> Choice:
    return Choice(value=candidate.value, from_customer_id=candidate.customer_id if _present(candidate) else None)
