"""Values by record, the winner's first, and what a strategy makes of them."""

from typing import Any

from customer_identity.merging.survivorship import STRATEGIES, Candidate, Terms, Undecided

PLAIN = Terms()
RANKS = Terms(order=("GOLD", "SILVER", 3))


def chosen(strategy: str, candidates: list[Candidate], terms: Terms = PLAIN) -> object:
    """(value, place of the record it came from), or why nothing was chosen."""
    choice = STRATEGIES[strategy](candidates, terms)
    if isinstance(choice, Undecided):
        return choice
    return choice.value, None if choice.from_customer_id is None else int(choice.from_customer_id)


def plain(values: list[Any]) -> list[Candidate]:
    """Candidates that differ in their values alone."""
    return [Candidate(customer_id=str(place), value=value) for place, value in enumerate(values)]
