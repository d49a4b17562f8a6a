"""The fields of a customer, decided again because one of the merges into it is taken apart or was fed otherwise.

The fields are taken back merge by merge to what they were, then every merge is decided again in its order. What
somebody changed by hand between two merges stays as it was changed: nothing is guessed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from customer_identity.merging.field_decisions import decide_fields
from customer_identity.merging.identity import Identity, Member
from customer_identity.merging.orders import FieldChoice
from customer_identity.merging.policy import MergePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class PastMerge:
    """A merge into the customer: the losers it is decided with now, and what it once changed.

    Losers are records as they were at the merge. Without losers the merge is no more.
    """

    merge_id: str
    losers: tuple[Member, ...]
    before: Mapping[str, Any]
    wrote: Mapping[str, Any]
    choices: tuple[FieldChoice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Redecided:
    """What a merge changes now. `stuck` are fields that would be others, had they not been changed by hand since."""

    merge_id: str
    before: Mapping[str, Any]
    wrote: Mapping[str, Any]
    stuck: tuple[str, ...]


def decide_again(
    customer: Member, merges: Sequence[PastMerge], gone: Collection[str], policy: MergePolicy
) -> tuple[Mapping[str, Any], tuple[Redecided, ...]]:
    """The customer's fields as they should be now, and what each merge (oldest first) changes.

    `customer` holds the fields as they are. Records of `gone` customers are not chosen any more.
    """
    values = {field.field: customer.facts[field.fact] for field in policy.fields}
    left: list[Mapping[str, Any]] = []
    for merge in reversed(merges):
        left.insert(0, dict(values))
        values.update({field: value for field, value in merge.before.items() if field in values})
    redecided = []
    for merge, after in zip(merges, left, strict=True):
        decided = _decide(customer, values, merge, after=after, gone=gone, policy=policy)
        changed = {field for field in merge.wrote if field in after and after[field] != merge.wrote[field]}
        now = {field: after[field] if field in changed else decided[field] for field in values}
        fields = [
            field for field in values if (field in merge.wrote if field in changed else decided[field] != values[field])
        ]
        redecided.append(
            Redecided(
                merge_id=merge.merge_id,
                before={field: merge.before[field] if field in changed else values[field] for field in fields},
                wrote={field: merge.wrote[field] if field in changed else decided[field] for field in fields},
                stuck=tuple(field for field in values if field in changed and decided[field] != merge.wrote[field]),
            )
        )
        values = now
    return values, tuple(redecided)


def _decide(
    customer: Member,
    values: Mapping[str, Any],
    merge: PastMerge,
    *,
    after: Mapping[str, Any],
    gone: Collection[str],
    policy: MergePolicy,
) -> Mapping[str, Any]:
    """All fields after the merge. A choice that cannot be followed any more gives way to the policy."""
    if not merge.losers:
        return values
    winner = Identity(members=(_with(customer, values, policy),))
    losers = [Identity(members=(loser,)) for loser in merge.losers]
    at_hand = {customer.customer_id, *(loser.customer_id for loser in merge.losers)}
    choices = [choice for choice in merge.choices if choice.from_customer_id not in gone]
    followed = [
        choice
        for choice in choices
        if choice.literal is None and (choice.from_customer_id is None or choice.from_customer_id in at_hand)
    ]
    patch = decide_fields(winner, losers, followed, policy, {}).patch
    # A literal, or a value of a record further below: it is what it was.
    as_it_was = {
        choice.field: merge.wrote.get(choice.field, after[choice.field])
        for choice in choices
        if choice not in followed and choice.field in values
    }
    return {**values, **patch, **as_it_was}


def _with(customer: Member, values: Mapping[str, Any], policy: MergePolicy) -> Member:
    facts = list(customer.facts)
    for field in policy.fields:
        facts[field.fact] = values[field.field]
    return replace(customer, facts=tuple(facts))
