"""From an order and the facts about its customers to a plan, a refusal or a deferral. No clock: `now` is given."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from customer_identity.merging.choices import invalid_choices
from customer_identity.merging.field_decisions import DecidedFields, decide_fields
from customer_identity.merging.identity import Identity
from customer_identity.merging.identity_pack import CUSTOMER_NOT_FOUND
from customer_identity.merging.orders import MergeOrder, OnIneligible
from customer_identity.merging.policy import MergePolicy
from customer_identity.merging.redirect_checks import Resolved
from customer_identity.merging.results import Deferred, Refused, RuleFailure, Stage
from customer_identity.merging.rules import AssertedPairs, Evaluation, Parties, evaluate
from customer_identity.merging.winner_choice import choose_winner
from frozen_values import dataclass

NOT_FOUND_PATIENCE = timedelta(seconds=60)
"""How long a customer may be missing: its creation may still be on the way from another system."""
NOT_FOUND_RETRY = timedelta(seconds=5)
"""A missing customer usually appears at once; looking every five seconds costs nothing."""
INELIGIBLE_RETRY = timedelta(minutes=5)
"""Orders that wait for temporary rules are tried again at this pace."""

NO_LITERALS: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePlan:
    """A merge that may happen: nothing is left to decide."""

    order: MergeOrder
    winner: Identity
    losers: tuple[Identity, ...]
    facilitator: Identity | None
    fields: DecidedFields
    warnings: tuple[RuleFailure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """An order judged on what is known: `fields` is None while one of the records is missing or a choice invalid."""

    parties: Parties
    invalid: tuple[RuleFailure, ...]
    evaluation: Evaluation
    fields: DecidedFields | None

    @property
    def failures(self) -> tuple[RuleFailure, ...]:
        """All that stands in the way: invalid choices, rules, fields that nobody decided."""
        undecided = () if self.fields is None else self.fields.failures
        return (*self.invalid, *self.evaluation.failures, *undecided)


def plan_merge(
    resolved: Resolved,
    identities: Mapping[str, Identity],
    asserted: AssertedPairs,
    policy: MergePolicy,
    now: datetime,
    *,
    literals: Mapping[str, Any] = NO_LITERALS,
) -> MergePlan | Refused | Deferred:
    """Decide an order on roots. `identities` holds every root of it by id, existing or not."""
    judged = judge(resolved, identities, asserted, policy, now, literals=literals)
    if judged.invalid:
        return Refused(order=resolved.order, stage=Stage.VALIDATION, errors=judged.invalid)
    failures, parties = judged.failures, judged.parties
    if failures or parties.winner is None or judged.fields is None:
        return _ineligible(resolved.order, failures, now)
    return MergePlan(
        order=resolved.order,
        winner=parties.winner,
        losers=parties.losers,
        facilitator=_facilitator(resolved, identities),
        fields=judged.fields,
        warnings=judged.evaluation.warnings,
    )


def judge(
    resolved: Resolved,
    identities: Mapping[str, Identity],
    asserted: AssertedPairs,
    policy: MergePolicy,
    now: datetime,
    *,
    literals: Mapping[str, Any] = NO_LITERALS,
) -> Judgement:
    """Ask every rule and decide every field; nothing stops at the first fault."""
    parties = _parties(resolved, identities, asserted, policy, now)
    invalid = invalid_choices(parties, policy, literals, _facilitator(resolved, identities))
    fields = None
    if parties.winner is not None and not invalid and all(one.root.version is not None for one in parties.identities):
        fields = decide_fields(parties.winner, parties.losers, resolved.order.field_choices, policy, literals)
    return Judgement(parties=parties, invalid=invalid, evaluation=evaluate(policy.rules, parties), fields=fields)


def _parties(
    resolved: Resolved,
    identities: Mapping[str, Identity],
    asserted: AssertedPairs,
    policy: MergePolicy,
    now: datetime,
) -> Parties:
    """Who wins and who loses; no winner is chosen while one of the candidates does not exist."""
    losers: Sequence[Identity] = [identities[loser_id] for loser_id in resolved.loser_ids]
    winner: Identity | None = None
    if resolved.winner_id is not None:
        winner = identities[resolved.winner_id]
    elif all(identity.root.version is not None for identity in losers):
        winner = choose_winner(losers, policy.winner_preferences)
        losers = [identity for identity in losers if identity is not winner]
    return Parties(order=resolved.order, winner=winner, losers=tuple(losers), asserted=asserted, now=now)


def _facilitator(resolved: Resolved, identities: Mapping[str, Identity]) -> Identity | None:
    return None if resolved.facilitator_id is None else identities[resolved.facilitator_id]


def _ineligible(order: MergeOrder, failures: tuple[RuleFailure, ...], now: datetime) -> Refused | Deferred:
    missing = any(failure.rule == CUSTOMER_NOT_FOUND for failure in failures)
    others = [failure for failure in failures if failure.rule != CUSTOMER_NOT_FOUND]
    may_wait = order.on_ineligible is OnIneligible.WAIT and not any(failure.permanent for failure in others)
    give_up_at = (order.first_seen_at or now) + NOT_FOUND_PATIENCE
    if (others and not may_wait) or (missing and now >= give_up_at):
        return Refused(order=order, stage=Stage.ELIGIBILITY, errors=failures)
    waiting_for = tuple(dict.fromkeys(failure.rule for failure in failures))
    return Deferred(
        order=order,
        until=_try_again_at(failures, now, give_up_at, missing=missing),
        waiting_for=waiting_for,
        errors=failures,
    )


def _try_again_at(failures: Sequence[RuleFailure], now: datetime, give_up_at: datetime, *, missing: bool) -> datetime:
    """Soon for a customer that is missing; else when the last state with a known end is over."""
    if missing:
        return min(now + NOT_FOUND_RETRY, give_up_at)
    ends = [failure.until for failure in failures if failure.until is not None]
    return max(ends, default=now + INELIGIBLE_RETRY)
