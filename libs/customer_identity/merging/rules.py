"""Eligibility rules: what may stop a merge. All failing rules are reported, never only the first.

Rules that a plan declares test facts of the members of the identities that would become one; a member is every
customer ever merged into a root, so nobody slips past a rule behind somebody else.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Any

from customer_identity.merging.identity import Identity, Member
from customer_identity.merging.orders import MergeOrder
from customer_identity.merging.results import RuleFailure, Side


class Severity(StrEnum):
    """What a failing rule does: stop the merge, stop it unless waived by a role, or only warn."""

    BLOCK = "BLOCK"
    WAIVABLE = "WAIVABLE"
    WARN = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """The identities that an order would join. `winner` is None while it is unknown (or does not exist)."""

    order: MergeOrder
    winner: Identity | None
    losers: tuple[Identity, ...]

    @property
    def identities(self) -> tuple[Identity, ...]:
        """Everybody, the winner first."""
        return self.losers if self.winner is None else (self.winner, *self.losers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Where a check found what it looks for."""

    side: Side
    customer_ids: tuple[str, ...]


Check = Callable[[Parties], Iterator[Fault]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: a check, and what to say and do when it finds something."""

    name: str
    check: Check
    message: str
    remediation: str
    field: str | None = None
    severity: Severity = Severity.BLOCK
    permanent: bool = True
    waivable_by: str | None = None
    cleared_by_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What the rules found: failures stop the merge, warnings do not."""

    failures: tuple[RuleFailure, ...]
    warnings: tuple[RuleFailure, ...]


def evaluate(rules: Sequence[Rule], parties: Parties) -> Evaluation:
    """Run every rule."""
    failures: list[RuleFailure] = []
    warnings: list[RuleFailure] = []
    for rule in rules:
        found = [_failure(rule, fault) for fault in rule.check(parties)]
        if found and rule.cleared_by_reason != parties.order.reason:
            (failures if _blocks(rule, parties.order) else warnings).extend(found)
    return Evaluation(failures=tuple(failures), warnings=tuple(warnings))


def flagged(side: Side, fact: int) -> Check:
    """The fact is true of a member on that side (forms `flag` and `exists`)."""

    def check(parties: Parties) -> Iterator[Fault]:
        for at, identities in _sides(side, parties):
            ids = tuple(member.customer_id for member in _members(identities) if member.facts[fact])
            if ids:
                yield Fault(side=at, customer_ids=ids)

    return check


def mismatching(fact: int) -> Check:
    """Two members of different identities both have a value, and the values differ (form `mismatch`)."""

    def check(parties: Parties) -> Iterator[Fault]:
        identities = parties.identities
        if len({value for member in _members(identities) for value in _values(member, fact)}) < 2:
            return
        ids: dict[str, None] = {}
        for one, other in combinations(identities, 2):
            for a in one.records:
                for b in other.records:
                    if any(x != y for x in _values(a, fact) for y in _values(b, fact)):
                        ids.update({a.customer_id: None, b.customer_id: None})
        if ids:
            yield Fault(side=Side.PAIR, customer_ids=tuple(ids))

    return check


def both_flagged(fact: int) -> Check:
    """The fact is true of members of two identities (form `both_present`)."""

    def check(parties: Parties) -> Iterator[Fault]:
        found = [
            tuple(member.customer_id for member in identity.records if member.facts[fact])
            for identity in parties.identities
        ]
        present = [ids for ids in found if ids]
        if len(present) > 1:
            yield Fault(side=Side.PAIR, customer_ids=tuple(id_ for ids in present for id_ in ids))

    return check


def _blocks(rule: Rule, order: MergeOrder) -> bool:
    if rule.severity is Severity.WAIVABLE:
        return not (rule.name in order.waived_rules and rule.waivable_by in order.requested_by.roles)
    return rule.severity is Severity.BLOCK


def _failure(rule: Rule, fault: Fault) -> RuleFailure:
    return RuleFailure(
        rule=rule.name,
        side=fault.side,
        customer_ids=fault.customer_ids,
        field=rule.field,
        message=rule.message,
        remediation=rule.remediation,
        permanent=rule.permanent,
    )


def _sides(side: Side, parties: Parties) -> Iterator[tuple[Side, Sequence[Identity]]]:
    """The identities that a one-sided rule looks at. While no winner is known, everybody may become a loser."""
    if side in (Side.WINNER, Side.EITHER) and parties.winner is not None:
        yield Side.WINNER, (parties.winner,)
    if side in (Side.LOSER, Side.EITHER):
        yield Side.LOSER, parties.losers


def _members(identities: Sequence[Identity]) -> Iterator[Member]:
    for identity in identities:
        yield from identity.records


def _values(member: Member, fact: int) -> Sequence[Any]:
    """The values of a fact: a child table may hold several, a column holds one or none."""
    value = member.facts[fact]
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)
