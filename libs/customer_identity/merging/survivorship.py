"""Which value a field of the winner ends up with.

Every strategy is a function of the candidates in order of preference: the winner first, then the losers as the order
names them. That order is also the last tie-break, so equal input always gives the equal result. Blank is missing.
A strategy that cannot decide says so by value; it never guesses and never raises.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from customer_identity.merging.value_forms import comparable, elements, is_present, word
from frozen_values import dataclass

RECORD_EXPLICIT = "RECORD_EXPLICIT"
LITERAL = "LITERAL"
FOLLOW_ATTRIBUTE = "FOLLOW_ATTRIBUTE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What one record says about the field, and what the plan's columns say about that.

    `verified` is false, `time` and `source` None unless the plan names columns for them. `evidence` is whether the
    evidence column holds something; where the plan names none, a time is evidence enough.
    """

    customer_id: str
    value: Any
    verified: bool = False
    time: date | None = None
    source: Any = None
    evidence: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the plan adds to a strategy.

    `order` lists sources or ranks, the best first; `cap` bounds what is combined (elements of a union, characters of
    a text); `restrictive` is the value of a permission that forbids.
    """

    order: tuple[Any, ...] = ()
    cap: int | None = None
    restrictive: Any = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The surviving value and the record it came from; None when it came from several or from none."""

    value: Any
    from_customer_id: str | None


class Undecided(StrEnum):
    """Why no value survives: somebody has to choose, or the strategy does not fit the values."""

    CONFLICT = "CONFLICT"
    OVER_CAP = "OVER_CAP"
    UNFIT = "UNFIT"


Strategy = Callable[[Sequence[Candidate], Terms], Choice | Undecided]


def winner_strict(candidates: Sequence[Candidate], _terms: Terms) -> Choice:
    """The winner's value, even when it is missing."""
    return _taken(candidates[0])


def winner_then_fill(candidates: Sequence[Candidate], _terms: Terms) -> Choice:
    """The winner's value, or the first loser's that has one."""
    return _first(candidates)


def verified_first(candidates: Sequence[Candidate], _terms: Terms) -> Choice:
    """The first verified value, or else the first value."""
    return _first([candidate for candidate in _present(candidates) if candidate.verified] or candidates)


def recency(candidates: Sequence[Candidate], _terms: Terms) -> Choice | Undecided:
    """The value with the latest date. A cleared field has a date and may win; a field never set has none."""
    dated = [candidate for candidate in candidates if candidate.time is not None]
    if not dated:
        return _first(candidates)
    latest = _extreme(dated, lambda candidate: candidate.time, highest=True)
    if latest is None:
        return Undecided.UNFIT
    # Not `_taken`: that the field was cleared was learnt from a record too.
    return Choice(value=latest.value, from_customer_id=latest.customer_id)


def oldest(candidates: Sequence[Candidate], _terms: Terms) -> Choice | Undecided:
    """The value with the earliest date; values without a date come last."""
    dated = [candidate for candidate in _present(candidates) if candidate.time is not None]
    return _best(dated, lambda candidate: candidate.time, highest=False) if dated else _first(candidates)


def source_priority(candidates: Sequence[Candidate], terms: Terms) -> Choice | Undecided:
    """The value from the source that stands first in the plan's order; sources not listed come last."""
    places = _places(terms)
    return _best(candidates, lambda candidate: places.get(word(candidate.source), len(places)), highest=False)


def frequency(candidates: Sequence[Candidate], _terms: Terms) -> Choice | Undecided:
    """The value that most records have."""
    counts = Counter(comparable(candidate.value) for candidate in candidates)
    return _best(candidates, lambda candidate: counts[comparable(candidate.value)], highest=True)


def union(candidates: Sequence[Candidate], terms: Terms) -> Choice | Undecided:
    """The first list whole, and after it every element of the others that is not there yet."""
    present = _present(candidates)
    lists = [elements(candidate.value) for candidate in present]
    if any(one is None for one in lists) or len({isinstance(candidate.value, list) for candidate in present}) > 1:
        return Undecided.UNFIT
    added = _additions([one for one in lists if one is not None])
    if not added:
        return _first(candidates)
    first = present[0].value
    if terms.cap is not None and len(lists[0] or ()) + len(added) > terms.cap:
        return Undecided.OVER_CAP
    combined = [*first, *added] if isinstance(first, list) else ", ".join([first.rstrip(", "), *added])
    return Choice(value=combined, from_customer_id=None)


def minimum(candidates: Sequence[Candidate], _terms: Terms) -> Choice | Undecided:
    """The smallest value."""
    return _best(candidates, lambda candidate: candidate.value, highest=False)


def maximum(candidates: Sequence[Candidate], _terms: Terms) -> Choice | Undecided:
    """The greatest value."""
    return _best(candidates, lambda candidate: candidate.value, highest=True)


def total(candidates: Sequence[Candidate], _terms: Terms) -> Choice | Undecided:
    """The sum of the values."""
    present = _present(candidates)
    values = [candidate.value for candidate in present]
    if any(isinstance(value, bool) or not isinstance(value, int | float | Decimal) for value in values):
        return Undecided.UNFIT
    if len(present) < 2:
        return _first(candidates)
    # fsum: the sum of floats would depend on the order of the losers.
    summed = math.fsum(values) if any(isinstance(value, float) for value in values) else sum(values)
    return Choice(value=summed, from_customer_id=None)


def highest_rank(candidates: Sequence[Candidate], terms: Terms) -> Choice | Undecided:
    """The value that stands first in the plan's order; values not listed come last."""
    places = _places(terms)
    return _best(candidates, lambda candidate: places.get(word(candidate.value), len(places)), highest=False)


def concat(candidates: Sequence[Candidate], terms: Terms) -> Choice | Undecided:
    """The first text whole, and below it every line of the others that is not there yet."""
    present = _present(candidates)
    if not all(isinstance(candidate.value, str) for candidate in present):
        return Undecided.UNFIT
    added = _additions([candidate.value.splitlines() for candidate in present])
    if not added:
        return _first(candidates)
    text = "\n".join([present[0].value, *added])
    if terms.cap is not None and len(text) > terms.cap:
        return Undecided.OVER_CAP
    return Choice(value=text, from_customer_id=None)


def most_restrictive(candidates: Sequence[Candidate], terms: Terms) -> Choice:
    """Of permissions: the one that forbids, as soon as any record says so."""
    forbids = word(terms.restrictive)
    return _first([candidate for candidate in candidates if word(candidate.value) == forbids] or candidates)


def latest_evidence(candidates: Sequence[Candidate], terms: Terms) -> Choice | Undecided:
    """The value with the latest dated evidence; values without any count only where none has."""
    proven = [candidate for candidate in _present(candidates) if candidate.time is not None and candidate.evidence]
    return recency(proven, terms) if proven else _first(candidates)


def block_on_conflict(candidates: Sequence[Candidate], _terms: Terms) -> Choice | Undecided:
    """The one value that there is; two different ones are for somebody to decide."""
    if len({comparable(candidate.value) for candidate in _present(candidates)}) > 1:
        return Undecided.CONFLICT
    return _first(candidates)


STRATEGIES: Mapping[str, Strategy] = {
    "WINNER_STRICT": winner_strict,
    "WINNER_THEN_FILL": winner_then_fill,
    "RECENCY": recency,
    "OLDEST": oldest,
    "SOURCE_PRIORITY": source_priority,
    "FREQUENCY": frequency,
    "UNION": union,
    "MIN": minimum,
    "MAX": maximum,
    "SUM": total,
    "HIGHEST_RANK": highest_rank,
    "CONCAT": concat,
    "MOST_RESTRICTIVE": most_restrictive,
    "LATEST_EVIDENCE": latest_evidence,
    "VERIFIED_FIRST": verified_first,
    "BLOCK_ON_CONFLICT": block_on_conflict,
}
"""Those that decide a field from its candidates alone; for LITERAL and the like see `field_decisions`."""


def _present(candidates: Sequence[Candidate]) -> list[Candidate]:
    return [candidate for candidate in candidates if is_present(candidate.value)]


def _first(candidates: Sequence[Candidate]) -> Choice:
    return _taken(next((candidate for candidate in candidates if is_present(candidate.value)), candidates[0]))


def _taken(candidate: Candidate) -> Choice:
    found = is_present(candidate.value)
    return Choice(value=candidate.value, from_customer_id=candidate.customer_id if found else None)


def _best(candidates: Sequence[Candidate], key: Callable[[Candidate], Any], *, highest: bool) -> Choice | Undecided:
    """The first of the present values with the greatest (or smallest) key."""
    present = _present(candidates)
    if not present:
        return _first(candidates)
    best = _extreme(present, key, highest=highest)
    return Undecided.UNFIT if best is None else _taken(best)


def _extreme(candidates: Sequence[Candidate], key: Callable[[Candidate], Any], *, highest: bool) -> Candidate | None:
    """The first candidate with the extreme key; None when the keys have no order among them."""
    try:
        return max(candidates, key=key) if highest else min(candidates, key=key)
    except (TypeError, ArithmeticError):  # a number is not less than a text, and nothing is less than NaN
        return None


def _places(terms: Terms) -> dict[Any, int]:
    return {word(name): place for place, name in reversed(list(enumerate(terms.order)))}


def _additions(lists: Sequence[Sequence[Any]]) -> list[Any]:
    """What the later lists add to the first, each element once."""
    seen = {comparable(element) for element in lists[0]} | {None} if lists else set()
    added = []
    for one in lists[1:]:
        for element in one:
            if comparable(element) not in seen:
                seen.add(comparable(element))
                added.append(element)
    return added
