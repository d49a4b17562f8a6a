"""The winner's fields, decided: by the caller's explicit choices first, by the policy's strategies otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from customer_identity.merging.identity import Identity, Member
from customer_identity.merging.orders import FieldChoice
from customer_identity.merging.policy import FieldPolicy, MergePolicy
from customer_identity.merging.results import FieldDecision, RuleFailure, Side
from customer_identity.merging.rules import Parties
from customer_identity.merging.survivorship import (
    LITERAL,
    RECORD_EXPLICIT,
    STRATEGIES,
    Candidate,
    Choice,
    comparable,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedFields:
    """`patch` holds the new value of every field that changes, `before` what it was; decisions never hold values."""

    patch: Mapping[str, Any]
    before: Mapping[str, Any]
    decisions: tuple[FieldDecision, ...]


def decide_fields(
    winner: Identity, losers: Sequence[Identity], choices: Sequence[FieldChoice], policy: MergePolicy
) -> DecidedFields:
    """Decide every field; a decision is recorded when there was something to decide or the winner's value changes."""
    chosen = {choice.field: choice for choice in choices}
    members = [winner.root, *(loser.root for loser in losers)]
    everybody = {member.customer_id: member for identity in (winner, *losers) for member in identity.records}
    patch: dict[str, Any] = {}
    before: dict[str, Any] = {}
    decisions: list[FieldDecision] = []
    for field in policy.fields:
        explicit = chosen.get(field.field)
        own = winner.root.facts[field.fact]
        if explicit is None and _nothing_to_decide(members, field, own):
            continue
        strategy, choice = _decide(field, members, explicit, everybody)
        decisions.append(FieldDecision(field=field.field, strategy=strategy, from_customer_id=choice.from_customer_id))
        if choice.value != own:
            patch[field.field] = choice.value
            before[field.field] = own
    return DecidedFields(patch=patch, before=before, decisions=tuple(decisions))


def candidates_of(field: FieldPolicy, members: Sequence[Member]) -> tuple[Candidate, ...]:
    """What each record says about the field."""
    return tuple(
        Candidate(
            customer_id=member.customer_id,
            value=member.facts[field.fact],
            verified=field.verified_fact is not None and member.facts[field.verified_fact] is True,
        )
        for member in members
    )


def invalid_choices(parties: Parties, policy: MergePolicy) -> tuple[RuleFailure, ...]:
    """Choices that cannot be followed: unknown fields, strategies or records, or not exactly one way to decide."""
    known = {field.field for field in policy.fields}
    ids = {member.customer_id for identity in parties.identities for member in identity.members}
    seen: set[str] = set()
    errors = []
    for choice in parties.order.field_choices:
        ways = [way for way in (choice.from_customer_id, choice.strategy, choice.literal) if way is not None]
        if choice.field not in known:
            errors.append(_invalid(choice, "the plan has no such field", f"one of: {', '.join(sorted(known))}"))
        elif choice.field in seen or len(ways) != 1:
            errors.append(_invalid(choice, "the field is not decided in exactly one way", "give one choice, one way"))
        elif choice.strategy is not None and choice.strategy not in STRATEGIES:
            errors.append(_invalid(choice, "there is no such strategy", f"one of: {', '.join(STRATEGIES)}"))
        elif choice.from_customer_id is not None and choice.from_customer_id not in ids:
            errors.append(_invalid(choice, "the record is no part of this merge", "name a customer of the order"))
        seen.add(choice.field)
    return tuple(errors)


def _nothing_to_decide(members: Sequence[Member], field: FieldPolicy, own: Any) -> bool:
    """The quick way for the many fields that are equal, or missing in every loser."""
    fact = field.fact
    return all(
        (value := member.facts[fact]) is None or value == own or comparable(value) in (None, comparable(own))
        for member in members[1:]
    )


def _decide(
    field: FieldPolicy,
    members: Sequence[Member],
    explicit: FieldChoice | None,
    everybody: Mapping[str, Member],
) -> tuple[str, Choice]:
    if explicit is not None and explicit.literal is not None:
        return LITERAL, Choice(value=explicit.literal, from_customer_id=None)
    if explicit is not None and explicit.from_customer_id is not None:
        record = everybody.get(explicit.from_customer_id)
        value = None if record is None else record.facts[field.fact]
        return RECORD_EXPLICIT, Choice(value=value, from_customer_id=explicit.from_customer_id)
    strategy = explicit.strategy if explicit is not None and explicit.strategy is not None else field.strategy
    return strategy, STRATEGIES[strategy](candidates_of(field, members))


def _invalid(choice: FieldChoice, message: str, remediation: str) -> RuleFailure:
    return RuleFailure(
        rule="FIELD_CHOICE_INVALID",
        side=Side.SYSTEM,
        customer_ids=(),
        field=choice.field,
        message=message,
        remediation=remediation,
        permanent=True,
    )
