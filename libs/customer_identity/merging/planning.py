"""From an order and the facts about its customers to a plan, a refusal or a deferral. No clock: `now` is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from customer_identity.merging.field_decisions import DecidedFields, decide_fields, invalid_choices
from customer_identity.merging.identity import Identity
from customer_identity.merging.identity_pack import CUSTOMER_NOT_FOUND, AssertedPairs, identity_pack
from customer_identity.merging.orders import MergeOrder, OnIneligible
from customer_identity.merging.policy import MergePolicy
from customer_identity.merging.redirect_checks import Resolved
from customer_identity.merging.results import Deferred, Refused, RuleFailure, Stage
from customer_identity.merging.rules import Evaluation, Parties, evaluate
from customer_identity.merging.winner_choice import choose_winner

NOT_FOUND_PATIENCE = timedelta(seconds=60)
"""How long a customer may be missing: its creation may still be on the way from another system."""
NOT_FOUND_RETRY = timedelta(seconds=5)
"""A missing customer usually appears at once; looking every five seconds costs nothing."""
INELIGIBLE_RETRY = timedelta(minutes=5)
"""Orders that wait for temporary rules are tried again at this pace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePlan:
    """A merge that may happen: nothing is left to decide."""

    order: MergeOrder
    winner: Identity
    losers: tuple[Identity, ...]
    fields: DecidedFields
    warnings: tuple[RuleFailure, ...]


def plan_merge(
    resolved: Resolved,
    identities: Mapping[str, Identity],
    asserted: AssertedPairs,
    policy: MergePolicy,
    now: datetime,
) -> MergePlan | Refused | Deferred:
    """Decide an order on roots. `identities` holds every root of it by id, existing or not."""
    parties = parties_of(resolved, identities, policy)
    invalid = invalid_choices(parties, policy)
    if invalid:
        return Refused(order=resolved.order, stage=Stage.VALIDATION, errors=invalid)
    evaluation = check_eligibility(parties, asserted, policy)
    if evaluation.failures or parties.winner is None:
        return _ineligible(resolved.order, evaluation.failures, now)
    return MergePlan(
        order=resolved.order,
        winner=parties.winner,
        losers=parties.losers,
        fields=decide_fields(parties.winner, parties.losers, resolved.order.field_choices, policy),
        warnings=evaluation.warnings,
    )


def parties_of(resolved: Resolved, identities: Mapping[str, Identity], policy: MergePolicy) -> Parties:
    """Who wins and who loses; no winner is chosen while one of the candidates does not exist."""
    losers: Sequence[Identity] = [identities[loser_id] for loser_id in resolved.loser_ids]
    winner: Identity | None = None
    if resolved.winner_id is not None:
        winner = identities[resolved.winner_id]
    elif all(identity.root.version is not None for identity in losers):
        winner = choose_winner(losers, policy.winner_preferences)
        losers = [identity for identity in losers if identity is not winner]
    return Parties(order=resolved.order, winner=winner, losers=tuple(losers))


def check_eligibility(parties: Parties, asserted: AssertedPairs, policy: MergePolicy) -> Evaluation:
    """Run the identity pack and the plan's own rules."""
    return evaluate((*identity_pack(asserted), *policy.rules), parties)


def _ineligible(order: MergeOrder, failures: tuple[RuleFailure, ...], now: datetime) -> Refused | Deferred:
    missing = any(failure.rule == CUSTOMER_NOT_FOUND for failure in failures)
    others = [failure for failure in failures if failure.rule != CUSTOMER_NOT_FOUND]
    may_wait = order.on_ineligible is OnIneligible.WAIT and not any(failure.permanent for failure in others)
    give_up_at = (order.first_seen_at or now) + NOT_FOUND_PATIENCE
    if (others and not may_wait) or (missing and now >= give_up_at):
        return Refused(order=order, stage=Stage.ELIGIBILITY, errors=failures)
    until = min(now + NOT_FOUND_RETRY, give_up_at) if missing else now + INELIGIBLE_RETRY
    waiting_for = tuple(dict.fromkeys(failure.rule for failure in failures))
    return Deferred(order=order, until=until, waiting_for=waiting_for, errors=failures)
