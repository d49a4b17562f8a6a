"""What the rules that fail mean for an approval: it goes, it waits for a second person, or it is refused."""

from collections.abc import Sequence
from enum import Enum, auto

from customer_identity.merging import RuleFailure
from customer_identity.merging.approvers import TWO_PEOPLE_REQUIRED, approved_by_two, people


class Objection(Enum):
    """How much stands against it."""

    NONE = auto()
    SECOND_PERSON = auto()
    RULES = auto()


def objection(failures: Sequence[RuleFailure], *, may_fail_now: bool) -> Objection:
    """With `may_fail_now` only what time cannot mend stands against it."""
    others = [failure for failure in failures if failure.rule != TWO_PEOPLE_REQUIRED]
    if any(failure.permanent or not may_fail_now for failure in others):
        return Objection.RULES
    return Objection.SECOND_PERSON if len(others) < len(failures) else Objection.NONE


def same_again(first: str, second: str) -> str | None:
    """Why the second approval is none; None when somebody else gave it."""
    if approved_by_two((first, second)):
        return None
    return no_person(second) or f"was approved by {first} already; another person has to approve it, too"


def no_person(actor_id: str) -> str | None:
    """Why an actor is nobody who could approve with somebody else; None for a person."""
    return None if people((actor_id,)) else f"needs two people, and {actor_id} is none"
