"""Whom an order is really about, once the identity map has been asked. The checks run in a fixed order.

1. All named customers are one identity already: nothing to do.
2. A named customer was merged away elsewhere: refused with its canonical id, unless the order follows redirects.
3. What remains is an order on roots.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from customer_identity.merging.orders import MergeOrder
from customer_identity.merging.results import Noop, NoopReason, Refused, RuleFailure, Side, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """An order on roots: with `winner_id` None the plan chooses among `loser_ids`."""

    order: MergeOrder
    winner_id: str | None
    loser_ids: tuple[str, ...]

    @property
    def root_ids(self) -> tuple[str, ...]:
        """All roots that the order is about, the winner first."""
        return self.loser_ids if self.winner_id is None else (self.winner_id, *self.loser_ids)


def check_shape(order: MergeOrder) -> Refused | None:
    """What is wrong with the order itself, without asking any database; None when it can be planned."""
    errors: list[RuleFailure] = []
    if order.winner_id is not None and order.winner_id in order.loser_ids:
        errors.append(_same_record(order.winner_id))
    elif len(order.named) < 2:
        errors.append(_same_record(*order.named))
    if order.facilitator_id is not None:
        errors.append(_not_supported("facilitator_id"))
    if order.row_choices:
        errors.append(_not_supported("row_choices"))
    return Refused(order=order, stage=Stage.VALIDATION, errors=tuple(errors)) if errors else None


def resolve(order: MergeOrder, roots: Mapping[str, str]) -> Resolved | Noop | Refused:
    """Apply the checks; `roots` answers every named id with its canonical id (itself when never merged)."""
    named = order.named
    distinct = tuple(dict.fromkeys(roots[customer_id] for customer_id in named))
    if len(distinct) == 1:
        return Noop(order=order, reason=NoopReason.SAME_IDENTITY, canonical_id=distinct[0])
    if not order.follow_redirects:
        errors = _merged_elsewhere(order, roots)
        if errors:
            return Refused(order=order, stage=Stage.ELIGIBILITY, errors=errors)
    if order.winner_id is None:
        return Resolved(order=order, winner_id=None, loser_ids=distinct)
    winner_id = roots[order.winner_id]
    return Resolved(order=order, winner_id=winner_id, loser_ids=tuple(root for root in distinct if root != winner_id))


def _merged_elsewhere(order: MergeOrder, roots: Mapping[str, str]) -> tuple[RuleFailure, ...]:
    """Named customers that answer to somebody else. A loser whose root is named too was reviewed with that root."""
    errors = []
    if order.winner_id is not None and roots[order.winner_id] != order.winner_id:
        errors.append(_previously_merged(Side.WINNER, order.winner_id, roots[order.winner_id]))
    named = set(order.named)
    errors.extend(
        _previously_merged(Side.LOSER, loser_id, roots[loser_id])
        for loser_id in dict.fromkeys(order.loser_ids)
        if roots[loser_id] not in named
    )
    return tuple(errors)


def _previously_merged(side: Side, customer_id: str, canonical_id: str) -> RuleFailure:
    return RuleFailure(
        rule=f"{side.value}_PREVIOUSLY_MERGED",
        side=side,
        customer_ids=(customer_id,),
        field=None,
        message=f"customer {customer_id} was merged into {canonical_id}",
        remediation=f"use {canonical_id} in its place, after reviewing that customer",
        permanent=True,
    )


def _same_record(*customer_ids: str) -> RuleFailure:
    return RuleFailure(
        rule="SAME_RECORD",
        side=Side.PAIR,
        customer_ids=customer_ids,
        field=None,
        message="the order names one customer on both sides, or only one customer",
        remediation="name a winner and at least one other customer",
        permanent=True,
    )


def _not_supported(field: str) -> RuleFailure:
    return RuleFailure(
        rule="NOT_SUPPORTED",
        side=Side.SYSTEM,
        customer_ids=(),
        field=field,
        message=f"this version does not carry out {field}",
        remediation=f"send the order without {field}",
        permanent=True,
    )
