"""Whom an order is really about, once the identity map has been asked. The checks run in a fixed order.

1. All named customers are one identity already: nothing to do.
2. A named customer was merged away elsewhere: refused with its canonical id, unless the order follows redirects.
3. It does, to a root that it does not name: refused unless it is approved and gives the reviewed version of every root.
4. What remains is an order on roots.
"""

from collections.abc import Mapping
from operator import eq

from customer_identity.merging.orders import MergeOrder
from customer_identity.merging.results import Noop, NoopReason, Refused, RuleFailure, Side, Stage
from frozen_values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """An order on roots: with `winner_id` None the plan chooses among `loser_ids`."""

    order: MergeOrder
    winner_id: str | None
    loser_ids: tuple[str, ...]
    facilitator_id: str | None

    @property
    def root_ids(self) -> tuple[str, ...]:
        """All roots that the order touches, the winner first and the facilitator last."""
        winner = () if self.winner_id is None else (self.winner_id,)
        facilitator = () if self.facilitator_id is None else (self.facilitator_id,)
        return (*winner, *self.loser_ids, *facilitator)


def check_shape(order: MergeOrder) -> Refused | None:
    """What is wrong with the order itself, without asking any database; None when it can be planned."""
    errors: list[RuleFailure] = []
    if order.winner_id is not None and order.winner_id in order.loser_ids:
        errors.append(_same_record(order.winner_id))
    elif len(order.named) < 2:
        errors.append(_same_record(*order.named))
    return Refused(order=order, stage=Stage.VALIDATION, errors=tuple(errors)) if errors else None


def resolve(order: MergeOrder, roots: Mapping[str, str]) -> Resolved | Noop | Refused:
    """Apply the checks; `roots` answers every id that the order touches with its canonical id, which may be itself."""
    named = order.named
    distinct = tuple(dict.fromkeys(roots[customer_id] for customer_id in named))
    if len(distinct) == 1:
        return Noop(order=order, reason=NoopReason.SAME_IDENTITY, canonical_id=distinct[0])
    errors = _merged_elsewhere(order, roots)
    if order.follow_redirects:
        reviewed = order.approvals and order.expected_versions.keys() >= set(distinct)
        errors = () if reviewed or not errors else (_not_approved(distinct),)
    if errors:
        return Refused(order=order, stage=Stage.ELIGIBILITY, errors=errors)
    winner_id = None if order.winner_id is None else roots[order.winner_id]
    return Resolved(
        order=order,
        winner_id=winner_id,
        loser_ids=tuple(root for root in distinct if root != winner_id),
        facilitator_id=None if order.facilitator_id is None else roots[order.facilitator_id],
    )


def _merged_elsewhere(order: MergeOrder, roots: Mapping[str, str]) -> tuple[RuleFailure, ...]:
    """Named customers that answer to somebody else. A loser whose root is named too was reviewed with that root."""
    if all(map(eq, order.named, map(roots.__getitem__, order.named))):
        return ()  # as nearly always
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


def _not_approved(roots: tuple[str, ...]) -> RuleFailure:
    """An approval of the customers named says nothing of whom they were merged into since."""
    return RuleFailure(
        rule="APPROVAL_OF_ROOTS_MISSING",
        side=Side.PAIR,
        customer_ids=roots,
        field=None,
        message="a customer was merged away since, and nobody approved a merge of those who answer now",
        remediation=f"review {', '.join(roots)}; send an order with an approval and the expected version of each",
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
