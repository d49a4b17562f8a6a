"""What rules look for: each function makes a check over the facts of the parties."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any

from customer_identity.merging.identity import Identity, Member
from customer_identity.merging.orders import MergeOrder
from customer_identity.merging.results import Side
from customer_identity.merging.roles import has_role
from customer_identity.merging.rules import Check, Fault, Parties
from customer_identity.merging.value_forms import comparable


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A customer as a rule in Python sees it: `side` is WINNER or LOSER, `root_id` whose identity it belongs to."""

    customer_id: str
    root_id: str
    side: Side
    facts: Mapping[str, Any]


RuleFunction = Callable[[Sequence[Subject], MergeOrder, datetime], Sequence[str] | bool]
"""Given the customers, the order and the database's time: the ids of the customers at fault, or true for all."""


def flagged(side: Side, fact: int) -> Check:
    """The fact is true of a member on that side (forms `flag` and `exists`)."""

    def check(parties: Parties) -> Iterator[Fault]:
        for at, identities in _sides(side, parties):
            ids = tuple(member.customer_id for member in _members(identities) if member.facts[fact])
            if ids:
                yield Fault(side=at, customer_ids=ids)

    return check


def known_of(side: Side, fact: int) -> Check:
    """The fact, which the engine keeps by id, is true of a member on that side, whether it has a record or not."""

    def check(parties: Parties) -> Iterator[Fault]:
        for at, identities in _sides(side, parties):
            ids = tuple(
                member.customer_id
                for identity in identities
                for member in identity.members
                if member.facts and member.facts[fact]
            )
            if ids:
                yield Fault(side=at, customer_ids=ids)

    return check


def system_flagged(fact: int) -> Check:
    """The fact, which is the same for all customers of a tenant, is true (form `flag` with a table)."""

    def check(parties: Parties) -> Iterator[Fault]:
        if any(member.facts[fact] for member in _members(parties.identities)):
            yield Fault(side=Side.SYSTEM)

    return check


def in_window(end_of_window: Callable[[datetime], datetime | None]) -> Check:
    """The moment lies in a window (form `calendar`); the fault says when that ends."""

    def check(parties: Parties) -> Iterator[Fault]:
        until = end_of_window(parties.now)
        if until is not None:
            yield Fault(side=Side.SYSTEM, until=until)

    return check


def mismatching(fact: int) -> Check:
    """Two members of different identities both have a value, and the values differ (form `mismatch`)."""

    def check(parties: Parties) -> Iterator[Fault]:
        identities = parties.identities
        if len({value for member in _members(identities) for value in _values(member, fact)}) > 1:
            yield from _pairs(identities, lambda a, b: any(x != y for x in _values(a, fact) for y in _values(b, fact)))

    return check


def mismatching_by(fact: int) -> Check:
    """As `mismatching`, but only values under the same key count; the fact is a list of [key, value]."""

    def differ(a: Member, b: Member) -> bool:
        return any(x[0] == y[0] and x[1] != y[1] for x in _keyed(a, fact) for y in _keyed(b, fact))

    def check(parties: Parties) -> Iterator[Fault]:
        values_by_key: dict[Any, set[Any]] = {}
        for member in _members(parties.identities):
            for key, value in _keyed(member, fact):
                values_by_key.setdefault(key, set()).add(value)
        if any(len(values) > 1 for values in values_by_key.values()):
            yield from _pairs(parties.identities, differ)

    return check


def differing(fact: int) -> Check:
    """Two identities do not have the same values; none on one side counts as different (form `differs`)."""

    def check(parties: Parties) -> Iterator[Fault]:
        known = [identity for identity in parties.identities if identity.records]
        if len(known) > 1 and len({comparable(member.facts[fact]) for member in _members(known)}) > 1:
            yield Fault(side=Side.PAIR, customer_ids=tuple(identity.root_id for identity in known))

    return check


def differing_lists(fact: int) -> Check:
    """The same of rows: those of an identity's members count together, as rows move to the root."""

    def check(parties: Parties) -> Iterator[Fault]:
        known = [identity for identity in parties.identities if identity.records]
        sets = {frozenset(value for m in identity.records for value in _values(m, fact)) for identity in known}
        if len(sets) > 1:
            yield Fault(side=Side.PAIR, customer_ids=tuple(identity.root_id for identity in known))

    return check


def overlapping(fact: int) -> Check:
    """Rows of two identities would take the same place (collision policy `block`); the fact lists the places."""

    def check(parties: Parties) -> Iterator[Fault]:
        found = [(i, {place for m in i.records for place in _values(m, fact)}) for i in parties.identities]
        meeting = [(one, other) for (one, a), (other, b) in combinations(found, 2) if a & b]
        if meeting:
            yield Fault(side=Side.PAIR, customer_ids=tuple(dict.fromkeys(i.root_id for pair in meeting for i in pair)))

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


def lacking_role(role: str, fact: int | None) -> Check:
    """The actor has not the role (or a higher one), though a member with that fact is concerned (`needs_role`)."""

    def check(parties: Parties) -> Iterator[Fault]:
        if has_role(parties.order.requested_by.roles, role):
            return
        members = list(_members(parties.identities))
        ids = tuple(member.customer_id for member in members if fact is not None and member.facts[fact])
        if fact is None or ids:
            yield Fault(side=Side.ACTOR, customer_ids=ids)

    return check


def left_behind(field: str, fact: int) -> Check:
    """A loser has a value in a protected field that the winner does not have, and the order does not decide it."""

    def check(parties: Parties) -> Iterator[Fault]:
        if any(choice.field == field for choice in parties.order.field_choices):
            return
        kept = None
        if parties.winner is not None and parties.winner.root.version is not None:
            kept = comparable(parties.winner.root.facts[fact])
        ids = tuple(
            loser.root_id
            for loser in parties.losers
            if loser.root.version is not None and comparable(loser.root.facts[fact]) not in (None, kept)
        )
        if ids:
            yield Fault(side=Side.LOSER, customer_ids=ids)

    return check


def choosing_without_role(role: str, fields: frozenset[str]) -> Check:
    """The order decides a protected field, and its actor has not the role for that."""

    def check(parties: Parties) -> Iterator[Fault]:
        order = parties.order
        if any(choice.field in fields for choice in order.field_choices) and not has_role(
            order.requested_by.roles, role
        ):
            yield Fault(side=Side.ACTOR)

    return check


def overlapping_requests(fact: int) -> Check:
    """Another open request, older than this order, names a customer; several may share a winner, nothing else.

    The fact is a list of [command id, winner id or None, status, when it came (ISO 8601, UTC)]. That only older
    ones count keeps two requests from waiting for each other. A recommendation holds up nobody who may merge.
    """

    def check(parties: Parties) -> Iterator[Fault]:
        order = parties.order
        may_merge = has_role(order.requested_by.roles, "merge")
        own = ((order.first_seen_at or parties.now), order.command_id)
        for at, identities in _sides(Side.EITHER, parties):
            ids = tuple(
                member.customer_id
                for member in _members(identities)
                for command_id, winner_id, status, came in member.facts[fact] or ()
                if command_id != order.command_id
                and not (may_merge and status == "recommended")
                and not (at is Side.WINNER and winner_id == member.customer_id)
                and (datetime.fromisoformat(came), command_id) < own
            )
            if ids:
                yield Fault(side=at, customer_ids=tuple(dict.fromkeys(ids)))

    return check


def finding(side: Side, function: RuleFunction, facts: Mapping[str, int]) -> Check:
    """Whatever a function finds (form `python`)."""

    def check(parties: Parties) -> Iterator[Fault]:
        subjects = [
            Subject(
                customer_id=member.customer_id,
                root_id=identity.root_id,
                side=at,
                facts={name: member.facts[position] for name, position in facts.items()},
            )
            for at, identities in _sides(side if side in (Side.WINNER, Side.LOSER) else Side.EITHER, parties)
            for identity in identities
            for member in identity.records
        ]
        found = function(subjects, parties.order, parties.now)
        if not found:
            return
        at_fault = [one for one in subjects if found is True or one.customer_id in found]
        if side in (Side.PAIR, Side.SYSTEM, Side.ACTOR):
            yield Fault(side=side, customer_ids=tuple(one.customer_id for one in at_fault))
            return
        for at in dict.fromkeys(one.side for one in at_fault):
            yield Fault(side=at, customer_ids=tuple(one.customer_id for one in at_fault if one.side is at))

    return check


def _pairs(identities: Sequence[Identity], differ: Callable[[Member, Member], bool]) -> Iterator[Fault]:
    ids: dict[str, None] = {}
    for one, other in combinations(identities, 2):
        for a in one.records:
            for b in other.records:
                if differ(a, b):
                    ids.update({a.customer_id: None, b.customer_id: None})
    if ids:
        yield Fault(side=Side.PAIR, customer_ids=tuple(ids))


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
    """The values of a fact in their comparable form: a table may hold several, a column holds one or none."""
    value = member.facts[fact]
    if value is None:
        return ()
    values = value if isinstance(value, list) else (value,)
    return [form for form in map(comparable, values) if form is not None]


def _keyed(member: Member, fact: int) -> Sequence[tuple[Any, Any]]:
    return [(comparable(key), comparable(value)) for key, value in member.facts[fact] or ()]
