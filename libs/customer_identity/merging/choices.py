"""What an order decides by itself, checked: fields, rows of child tables, and a facilitator for what does not move."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from customer_identity.merging.identity import Identity
from customer_identity.merging.orders import FieldChoice
from customer_identity.merging.policy import FieldPolicy, MergePolicy
from customer_identity.merging.results import RuleFailure, Side
from customer_identity.merging.rules import Parties
from customer_identity.merging.survivorship import FOLLOW_ATTRIBUTE, STRATEGIES


def invalid_choices(
    parties: Parties, policy: MergePolicy, literals: Mapping[str, Any], facilitator: Identity | None
) -> tuple[RuleFailure, ...]:
    """Choices that cannot be followed.

    `literals` holds those literals that fit their columns, by field; `facilitator` is the identity that the order's
    facilitator belongs to.
    """
    order = parties.order
    if not order.field_choices and not order.row_choices and order.facilitator_id is None:
        return ()
    ids = {member.customer_id for identity in parties.identities for member in (identity.root, *identity.records)}
    return (
        *_fields(parties, policy, literals, ids),
        *_rows(parties, policy),
        *_facilitator(parties, policy, facilitator),
    )


def _fields(
    parties: Parties, policy: MergePolicy, literals: Mapping[str, Any], ids: Collection[str]
) -> Iterator[RuleFailure]:
    known = {field.field: field for field in policy.fields}
    seen: set[str] = set()
    for choice in parties.order.field_choices:
        ways = [way for way in (choice.from_customer_id, choice.strategy, choice.literal) if way is not None]
        field = known.get(choice.field)
        if field is None:
            yield _invalid(choice, "the plan has no such field", f"one of: {', '.join(sorted(known))}")
        elif choice.field in seen or len(ways) != 1:
            yield _invalid(choice, "the field is not decided in exactly one way", "give one choice, one way")
        elif choice.strategy is not None and not _usable(choice.strategy, field):
            usable = [strategy for strategy in (*STRATEGIES, FOLLOW_ATTRIBUTE) if _usable(strategy, field)]
            yield _invalid(choice, "there is no such strategy for the field", f"one of: {', '.join(usable)}")
        elif choice.from_customer_id is not None and choice.from_customer_id not in ids:
            yield _invalid(choice, "the record is no part of this merge", "name a customer of the order")
        elif choice.literal is not None and choice.field not in literals:
            yield _invalid(choice, "the literal does not fit the type of the field", "write a value of its type")
        seen.add(choice.field)


def _usable(strategy: str, field: FieldPolicy) -> bool:
    """Whether the plan has named for the field what the strategy needs."""
    match strategy:
        case "VERIFIED_FIRST":
            return field.verified_fact is not None
        case "RECENCY" | "OLDEST" | "LATEST_EVIDENCE":
            return field.time_fact is not None
        case "SOURCE_PRIORITY":
            return field.source_fact is not None
        case "HIGHEST_RANK":
            return field.strategy == strategy
        case "FOLLOW_ATTRIBUTE":
            return field.follow is not None
        case _:
            return strategy in STRATEGIES


def _rows(parties: Parties, policy: MergePolicy) -> Iterator[RuleFailure]:
    tables = [choice.table for choice in parties.order.row_choices]
    for table in dict.fromkeys(tables):
        if table not in policy.choosable:
            choosable = ", ".join(sorted(policy.choosable)) or "none"
            message, remediation = "rows of this table cannot be chosen", f"tables to choose from: {choosable}"
        elif tables.count(table) > 1:
            message, remediation = "the rows of the table are chosen twice", "give one choice for the table"
        else:
            continue
        yield _failure("ROW_CHOICE_INVALID", (), table, message, remediation)


def _facilitator(parties: Parties, policy: MergePolicy, facilitator: Identity | None) -> Iterator[RuleFailure]:
    id_ = parties.order.facilitator_id
    if id_ is None:
        return
    if not policy.facilitated:
        message, remediation = "no rows of this plan go to a facilitator", "send the order without facilitator_id"
    elif facilitator is None or facilitator.root.version is None:
        message, remediation = "there is no such customer", "name a customer that exists"
    elif facilitator.root.tenant_id != parties.order.tenant_id:
        message, remediation = "the facilitator does not belong to the order's tenant", "name another customer"
    elif facilitator.root_id != id_:
        message, remediation = f"the facilitator was merged into {facilitator.root_id}", "name that customer"
    elif any(facilitator.root_id == identity.root_id for identity in parties.identities):
        message, remediation = "the facilitator takes part in the merge", "name a third customer"
    else:
        return
    yield _failure("FACILITATOR_INVALID", (id_,), "facilitator_id", message, remediation)


def _invalid(choice: FieldChoice, message: str, remediation: str) -> RuleFailure:
    return _failure("FIELD_CHOICE_INVALID", (), choice.field, message, remediation)


def _failure(rule: str, ids: tuple[str, ...], field: str, message: str, remediation: str) -> RuleFailure:
    return RuleFailure(
        rule=rule,
        side=Side.SYSTEM,
        customer_ids=ids,
        field=field,
        message=message,
        remediation=remediation,
        permanent=True,
    )
