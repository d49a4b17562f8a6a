"""Who stands behind an order: people are told apart, policies are none."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from math import isfinite
from typing import Any

from customer_identity.merging.results import Side
from customer_identity.merging.rules import Check, Fault, Parties

POLICY_PREFIX = "policy:"
"""What the ids of actors begin with that are no persons but policies."""

TWO_PEOPLE_REQUIRED = "TWO_PEOPLE_REQUIRED"
"""The rule of an order that is above a threshold of the plan and that one person approved, or none."""


def people(ids: Iterable[str]) -> frozenset[str]:
    """The persons among actors, each once, however their ids are written."""
    plain = (unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", id_).casefold()).strip() for id_ in ids)
    return frozenset(id_ for id_ in plain if id_ and not id_.startswith(POLICY_PREFIX))


def approved_by_two(approvers: Iterable[str]) -> bool:
    """Whether two different persons are among those who approved."""
    return len(people(approvers)) > 1


def needing_two(fact: int, above: float, *, of_losers: bool) -> Check:
    """A number of the customers (or of the losers only) comes to more than that, and no two people approved.

    The numbers of all members are added up. One that is no finite number is above everything.
    """

    def check(parties: Parties) -> Iterator[Fault]:
        if approved_by_two(approval.by for approval in parties.order.approvals):
            return
        counted = [
            (member.customer_id, member.facts[fact])
            for identity in (parties.losers if of_losers else parties.identities)
            for member in identity.records
        ]
        if _exceeds([number for _, number in counted], above):
            yield Fault(side=Side.ACTOR, customer_ids=tuple(id_ for id_, number in counted if number))

    return check


def _exceeds(numbers: Sequence[Any], above: float) -> bool:
    return not all(map(isfinite, numbers)) or bool(sum(numbers) > above)
