"""Orders, identities and policies in memory, with what a test does not care about filled in."""

from datetime import UTC, datetime, timedelta

from customer_identity.merging import (
    ActorRef,
    Deferred,
    MergeOrder,
    Refused,
    Side,
)
from customer_identity.merging.identity import Identity, Member
from customer_identity.merging.identity_pack import IDENTITY_PACK
from customer_identity.merging.planning import MergePlan, plan_merge
from customer_identity.merging.policy import FieldPolicy, MergePolicy, Preference
from customer_identity.merging.redirect_checks import Resolved, resolve
from customer_identity.merging.rules import Rule, RuleBook

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NOBODY: frozenset[tuple[str, str, str]] = frozenset()


def order(winner_id: str | None, *loser_ids: str, **more: object) -> MergeOrder:
    """An order of somebody who may merge."""
    values: dict[str, object] = {
        "tenant_id": "t",
        "command_id": "c",
        "winner_id": winner_id,
        "loser_ids": loser_ids,
        "requested_by": ActorRef(id="me", roles=("merge",)),
        "reason": "r",
    }
    return MergeOrder(**{**values, **more})  # type: ignore[arg-type]


def member(customer_id: str, *facts: object, version: int | None = 1, tenant_id: str | None = "t") -> Member:
    """A customer; `facts` are its columns, as they are in a row."""
    return Member(
        customer_id=customer_id,
        tenant_id=tenant_id,
        version=version,
        direct_to=customer_id,
        alias_version=0,
        facts=facts,
    )


def identities(*roots: Member, **members: Member) -> dict[str, Identity]:
    """Roots, and with each the members whose name begins like it."""
    return {
        root.customer_id: Identity(
            members=(root, *(found for name, found in members.items() if name[0] == root.customer_id))
        )
        for root in roots
    }


def policy(*rules: Rule, fields: tuple[FieldPolicy, ...] = (), preferences: tuple[Preference, ...] = ()) -> MergePolicy:
    """A policy with the identity pack and these rules."""
    return MergePolicy(
        version="test-1",
        fields=fields,
        rules=RuleBook.of((*IDENTITY_PACK, *rules)),
        winner_preferences=preferences,
        undo_window=timedelta(days=1),
    )


def rule(name: str, check: object, **more: object) -> Rule:
    """A rule about losers."""
    return Rule(name=name, side=Side.LOSER, check=check, message="m", remediation="r", **more)  # type: ignore[arg-type]


def plan(
    merge_order: MergeOrder, found: dict[str, Identity], merge_policy: MergePolicy
) -> MergePlan | Refused | Deferred:
    """What becomes of an order whose customers are all roots."""
    resolved = resolve(merge_order, {id_: id_ for id_ in merge_order.touched})
    assert isinstance(resolved, Resolved)
    return plan_merge(resolved, found, NOBODY, merge_policy, NOW)
