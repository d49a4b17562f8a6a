"""The winner's fields, decided: by the caller's explicit choices first, by the policy's strategies otherwise."""

from collections.abc import Mapping, Sequence
from typing import Any

from customer_identity.merging.identity import Identity, Member
from customer_identity.merging.orders import FieldChoice
from customer_identity.merging.policy import FieldPolicy, FieldRule, MergePolicy
from customer_identity.merging.results import FieldDecision, RuleFailure, Side
from customer_identity.merging.survivorship import (
    FOLLOW_ATTRIBUTE,
    LITERAL,
    RECORD_EXPLICIT,
    STRATEGIES,
    Candidate,
    Choice,
    Undecided,
)
from customer_identity.merging.value_forms import comparable, is_present
from frozen_values import dataclass

_CONFLICT = FieldRule(
    name="FIELD_CONFLICT",
    message="the customers have different values in a field that nobody decides by itself",
    remediation="choose the value of the field in the order",
)
_OVER_CAP = FieldRule(
    name="FIELD_OVER_LIMIT",
    message="the values of the customers are too long together",
    remediation="choose the value of the field in the order",
)
_UNFIT = FieldRule(
    name="FIELD_CHOICE_INVALID",
    message="the strategy does not fit the values of the field",
    remediation="choose a value, or another strategy",
)
_BLANK_COUNTS = frozenset({"RECENCY", FOLLOW_ATTRIBUTE})
"""Strategies to which a blank in a loser's record means something: only equal values leave nothing to decide."""
_NOT_BY_COMPARING = frozenset({LITERAL, "SUM"})
_WINNERS = frozenset({"WINNER_STRICT", "WINNER_THEN_FILL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedFields:
    """`patch` holds the new value of every field that changes, `before` what it was; decisions never hold values.

    `failures` are fields that cannot be decided without a choice.
    """

    patch: Mapping[str, Any]
    before: Mapping[str, Any]
    decisions: tuple[FieldDecision, ...]
    failures: tuple[RuleFailure, ...] = ()


def decide_fields(
    winner: Identity,
    losers: Sequence[Identity],
    choices: Sequence[FieldChoice],
    policy: MergePolicy,
    literals: Mapping[str, Any],
) -> DecidedFields:
    """Decide every field; a decision is recorded when there was something to decide or the winner's value changes.

    `literals` holds the values of literal choices by field, in the types of their columns.
    """
    chosen = {choice.field: choice for choice in choices}
    members = [winner.root, *(loser.root for loser in losers)]
    own_facts, losers_facts = winner.root.facts, [member.facts for member in members[1:]]
    everybody = {member.customer_id: member for identity in (winner, *losers) for member in identity.records}
    patch: dict[str, Any] = {}
    before: dict[str, Any] = {}
    decisions: list[FieldDecision] = []
    failures: list[RuleFailure] = []
    sources: dict[str, str | None] = {}
    for field in policy.fields:
        explicit = chosen.get(field.field)
        own = own_facts[field.fact]
        if explicit is None and _nothing_to_decide(field, own, losers_facts):
            continue
        if explicit is not None and explicit.literal is not None:
            strategy, choice = LITERAL, Choice(value=literals[field.field], from_customer_id=None)
        elif explicit is not None and explicit.from_customer_id is not None:
            strategy, choice = RECORD_EXPLICIT, _of_record(field, everybody[explicit.from_customer_id])
        else:
            strategy = field.strategy if explicit is None or explicit.strategy is None else explicit.strategy
            outcome = _by_strategy(strategy, field, members, everybody, sources)
            if isinstance(outcome, Undecided):
                failures.append(_failure(field, members, outcome))
                continue
            choice = outcome
        sources[field.field] = choice.from_customer_id
        decisions.append(FieldDecision(field=field.field, strategy=strategy, from_customer_id=choice.from_customer_id))
        if choice.value != own:
            patch[field.field] = choice.value
            before[field.field] = own
    return DecidedFields(patch=patch, before=before, decisions=tuple(decisions), failures=tuple(failures))


def candidates_of(field: FieldPolicy, members: Sequence[Member]) -> tuple[Candidate, ...]:
    """What each record says about the field."""
    return tuple(
        Candidate(
            customer_id=member.customer_id,
            value=member.facts[field.fact],
            verified=field.verified_fact is not None and member.facts[field.verified_fact] is True,
            time=None if field.time_fact is None else member.facts[field.time_fact],
            source=None if field.source_fact is None else member.facts[field.source_fact],
            evidence=field.evidence_fact is None or is_present(member.facts[field.evidence_fact]),
        )
        for member in members
    )


def _nothing_to_decide(field: FieldPolicy, own: Any, losers: Sequence[tuple[Any, ...]]) -> bool:
    """The quick way for the many fields that are equal, or missing in every loser."""
    fact, strategy = field.fact, field.strategy
    if strategy in _NOT_BY_COMPARING:
        return bool(own == field.literal) if strategy == LITERAL else not any(facts[fact] for facts in losers)
    for facts in losers:
        value = facts[fact]
        if value == own:
            continue
        blank_counts = strategy in _BLANK_COUNTS
        if value is None and not blank_counts:
            continue
        form = comparable(value)
        if form != comparable(own) and (form is not None or blank_counts):
            return False
    return True


def _by_strategy(
    strategy: str,
    field: FieldPolicy,
    members: Sequence[Member],
    everybody: Mapping[str, Member],
    sources: Mapping[str, str | None],
) -> Choice | Undecided:
    if strategy == LITERAL:
        return Choice(value=field.literal, from_customer_id=None)
    if strategy == FOLLOW_ATTRIBUTE and field.follow is not None:
        # A value that came from several records, or from none, leaves the rest of it with the winner.
        record = everybody[sources.get(field.follow) or members[0].customer_id]
        return _of_record(field, record)
    if strategy in _WINNERS and is_present(members[0].facts[field.fact]):
        # What nearly every field of nearly every merge comes to.
        return _of_record(field, members[0])
    return STRATEGIES[strategy](candidates_of(field, members), field.terms)


def _of_record(field: FieldPolicy, record: Member) -> Choice:
    return Choice(value=record.facts[field.fact], from_customer_id=record.customer_id)


def _failure(field: FieldPolicy, members: Sequence[Member], why: Undecided) -> RuleFailure:
    match why:
        case Undecided.CONFLICT:
            rule = field.on_conflict or _CONFLICT
        case Undecided.OVER_CAP:
            rule = field.over_cap or _OVER_CAP
        case Undecided.UNFIT:
            rule = _UNFIT
    return RuleFailure(
        rule=rule.name,
        side=Side.PAIR,
        customer_ids=tuple(member.customer_id for member in members if is_present(member.facts[field.fact])),
        field=field.field,
        message=rule.message,
        remediation=rule.remediation,
        permanent=True,
    )
