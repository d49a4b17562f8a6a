"""A customer changes from an individual to an organisation, or back: what it takes, and what becomes of its id.

No merge joins an individual and an organisation (ENTITY_TYPE_MISMATCH): one of them is converted first. Where ids tell
the type by a prefix the customer gets another id, and the old one leads to it like a merged-away one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from customer_identity.merging.identity import Identity
from customer_identity.merging.orders import ActorRef, MergeOrder
from customer_identity.merging.results import Moved, Redirect, RuleFailure, Side, VersionedId
from customer_identity.merging.roles import PROTECTED_DATA, has_role
from customer_identity.merging.rules import Parties, RuleBook, evaluate


class PartyType(StrEnum):
    """What kind of party a customer is."""

    INDIVIDUAL = "INDIVIDUAL"
    ORGANISATION = "ORGANISATION"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionOrder:
    """Change a customer's type. `contact_id` is the individual who is to be an organisation's primary contact."""

    tenant_id: str
    command_id: str
    customer_id: str
    to_type: PartyType
    contact_id: str | None
    requested_by: ActorRef
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionPolicy:
    """How a plan converts. `stored` is how the type is written; without `prefixes` the id stays as it is.

    `protected` are those of `clears` that only a role may touch.
    """

    stored: Mapping[PartyType, str]
    prefixes: Mapping[PartyType, str] | None
    clears: tuple[str, ...]
    keeps_contact: bool
    protected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionFacts:
    """What is known of the customer, under lock.

    `stored_type` is as the record has it, None when there is no record. `new_root` is who answers for the id it would
    get, None when nobody ever had that id. `contact_type` and `primary_contacts` are about the contact of the order.
    """

    root_id: str
    stored_type: str | None
    new_root: str | None
    contact_type: str | None
    primary_contacts: Sequence[str]
    rows_moving: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """The customer is of the other type now, `customer.id` is its id. `redirects` is empty when the id stayed."""

    order: ConversionOrder
    conversion_id: str
    customer: VersionedId
    redirects: tuple[Redirect, ...]
    cleared: tuple[str, ...]
    moved: tuple[Moved, ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionRefused:
    """The order fails these rules: all of them, never only the first."""

    order: ConversionOrder
    errors: tuple[RuleFailure, ...]


ConversionResult = Converted | ConversionRefused


def new_id(order: ConversionOrder, policy: ConversionPolicy) -> str | None:
    """Return the customer's id after the conversion; None when its id has not the prefix of the type it has."""
    if policy.prefixes is None:
        return order.customer_id
    old = policy.prefixes[_other(order.to_type)]
    if not order.customer_id.startswith(old) or order.customer_id == old:
        return None
    return policy.prefixes[order.to_type] + order.customer_id.removeprefix(old)


def objections(order: ConversionOrder, policy: ConversionPolicy, facts: ConversionFacts) -> tuple[RuleFailure, ...]:
    """Return every reason why the customer cannot be converted."""
    return tuple(_objections(order, policy, facts))


def broken_rules(order: ConversionOrder, book: RuleBook, customer: Identity, now: datetime) -> tuple[RuleFailure, ...]:
    """Return the rules of the plan that stand against changing this customer: those that protect the record itself.

    They are asked as of a merge in which the customer stands alone, so every member of its identity counts.
    """
    alone = MergeOrder(
        tenant_id=order.tenant_id,
        command_id=order.command_id,
        winner_id=order.customer_id,
        loser_ids=(),
        requested_by=order.requested_by,
        reason=order.reason,
    )
    parties = Parties(order=alone, winner=customer, losers=(), asserted=frozenset(), now=now)
    return evaluate(RuleBook.of(rule for rule in book.rules if rule.conversion), parties).failures


def redirects_of_conversion(old: Identity, converted_id: str) -> tuple[Redirect, ...]:
    """Return the new answers when a root gets another id: its own, and those of all that were merged into it.

    When the customer is converted back, the id it gets is one of its former ids, which answers for itself again.
    """
    return tuple(
        Redirect(
            from_id=member.customer_id,
            direct_to=converted_id if member.customer_id in (old.root_id, converted_id) else member.direct_to,
            canonical=converted_id,
            version=member.alias_version + 1,
        )
        for member in old.members
    )


def not_planned(order: ConversionOrder) -> RuleFailure:
    """Return the failure of a plan that says nothing about conversions."""
    return _failure(
        order,
        "CONVERSION_NOT_PLANNED",
        "the merge plan does not say how a customer's type is changed",
        "give the plan customer.type and conversion, or change the type in the customer database itself",
        side=Side.SYSTEM,
        field="to_type",
    )


def _objections(order: ConversionOrder, policy: ConversionPolicy, facts: ConversionFacts) -> Iterator[RuleFailure]:
    if facts.root_id != order.customer_id:
        message = f"customer {order.customer_id} answers as {facts.root_id} now"
        yield _failure(order, "CUSTOMER_MERGED_AWAY", message, f"convert {facts.root_id} in its place")
        return
    if facts.stored_type is None:
        yield _failure(order, "CUSTOMER_NOT_FOUND", "there is no such customer", "check the id and the tenant")
        return
    if facts.stored_type == policy.stored[order.to_type]:
        message = f"the customer is an {order.to_type.lower()} already"
        yield _failure(order, "ALREADY_OF_THIS_TYPE", message, "nothing needs doing", field="to_type")
    elif facts.stored_type not in policy.stored.values():
        message = "the customer's record says neither individual nor organisation"
        yield _failure(order, "TYPE_UNKNOWN", message, "correct the record's type first", field="to_type")
    else:
        yield from _of_the_id(order, policy, facts)
    if facts.rows_moving:
        message = "rows of an earlier merge are still on their way to the customer"
        yield _failure(order, "MERGE_IN_PROGRESS", message, "convert it when they have arrived", permanent=False)
    if order.to_type is PartyType.ORGANISATION and policy.protected and not _may_touch_protected(order):
        message = f"the conversion empties protected data ({', '.join(policy.protected)})"
        remediation = f"ask somebody with the role {PROTECTED_DATA} to do it"
        yield _failure(order, "PROTECTED_DATA_PERMISSION_MISSING", message, remediation, side=Side.ACTOR)
    yield from _of_the_contact(order, policy, facts)


def _may_touch_protected(order: ConversionOrder) -> bool:
    return has_role(order.requested_by.roles, PROTECTED_DATA)


def _of_the_id(order: ConversionOrder, policy: ConversionPolicy, facts: ConversionFacts) -> Iterator[RuleFailure]:
    wanted = new_id(order, policy)
    if wanted is None:
        message = "the customer's id does not begin as ids of its type do"
        yield _failure(order, "ID_WITHOUT_PREFIX", message, "correct the id in the customer database first")
    elif facts.new_root not in (None, order.customer_id):
        message = f"the id {wanted}, which the customer would get, belongs to somebody else"
        yield _failure(order, "ID_TAKEN", message, "give that customer another id first")


def _of_the_contact(order: ConversionOrder, policy: ConversionPolicy, facts: ConversionFacts) -> Iterator[RuleFailure]:
    if order.contact_id is None:
        return
    if not policy.keeps_contact or order.to_type is not PartyType.ORGANISATION:
        message = "only an organisation has a primary contact, and only if the plan says where it is kept"
        yield _failure(order, "CONTACT_NOT_PLANNED", message, "leave relationship out", field="relationship")
    elif facts.contact_type != policy.stored[PartyType.INDIVIDUAL] or order.contact_id == order.customer_id:
        message = f"{order.contact_id} is no individual who can be the primary contact"
        yield _failure(order, "CONTACT_NOT_FOUND", message, "name an individual", field="relationship")
    elif any(one != order.contact_id for one in facts.primary_contacts):
        message = "the customer has another primary contact, who is kept"
        remediation = "leave relationship out, or end that relationship first"
        yield _failure(order, "PRIMARY_CONTACT_EXISTS", message, remediation, field="relationship")


def _other(to_type: PartyType) -> PartyType:
    return PartyType.INDIVIDUAL if to_type is PartyType.ORGANISATION else PartyType.ORGANISATION


def _failure(
    order: ConversionOrder,
    rule: str,
    message: str,
    remediation: str,
    *,
    side: Side = Side.WINNER,
    field: str | None = None,
    permanent: bool = True,
) -> RuleFailure:
    return RuleFailure(
        rule=rule,
        side=side,
        customer_ids=(order.customer_id,),
        field=field,
        message=message,
        remediation=remediation,
        permanent=permanent,
    )
