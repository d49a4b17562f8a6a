"""Eligibility rules: what may stop a merge. All failing rules are reported, never only the first.

Rules that a plan declares test facts of the members of the identities that would become one; a member is every
customer ever merged into a root, so nobody slips past a rule behind somebody else.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from typing import Any

from customer_identity.merging.identity import Identity
from customer_identity.merging.orders import MergeOrder
from customer_identity.merging.results import RuleFailure, Side
from customer_identity.merging.roles import has_role
from frozen_values import dataclass

AssertedPairs = frozenset[tuple[str, str, str]]
"""(tenant, smaller id, greater id) of customers asserted to be different people."""


class Severity(StrEnum):
    """What a failing rule does: stop the merge, stop it unless waived by a role, or only warn."""

    BLOCK = "BLOCK"
    WAIVABLE = "WAIVABLE"
    WARN = "WARN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """The identities that an order would join, and all that rules may look at besides their facts.

    `winner` is None while it is unknown (or does not exist); `now` is the database's time; `identities` is everybody,
    the winner first.
    """

    order: MergeOrder
    winner: Identity | None
    losers: tuple[Identity, ...]
    asserted: AssertedPairs
    now: datetime
    identities: tuple[Identity, ...] = field(init=False)

    def __post_init__(self) -> None:
        # Every rule asks for them.
        everybody = self.losers if self.winner is None else (self.winner, *self.losers)
        object.__setattr__(self, "identities", everybody)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Where a check found what it looks for; `until` is when that is over, where it can be known."""

    side: Side
    customer_ids: tuple[str, ...] = ()
    until: datetime | None = None


Check = Callable[[Parties], Iterator[Fault]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedBy:
    """What of an order answers a rule, so that it need not stop anything: a choice of everything that is named."""

    field: str | None = None
    facilitator: bool = False
    rows: str | None = None

    def fixes(self, order: MergeOrder) -> bool:
        """Whether the order has made these choices."""
        return (
            (self.field is None or any(choice.field == self.field for choice in order.field_choices))
            and (not self.facilitator or order.facilitator_id is not None)
            and (self.rows is None or any(choice.table == self.rows for choice in order.row_choices))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure behind a rule: what the position `position` of a customer's figures means."""

    label: str
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: a check, and what to say and do when it finds something.

    `trigger` is a fact without which the check can find nothing (of whatever member); None where there is no such
    fact. `side` is whom the rule looks at, EITHER included. `conversion`: it stands against a conversion of the
    customer as it does against a merge.
    """

    name: str
    side: Side
    check: Check
    message: str
    remediation: str
    field: str | None = None
    severity: Severity = Severity.BLOCK
    permanent: bool = True
    waivable_by: str | None = None
    cleared_by_reason: str | None = None
    fixed_by: FixedBy | None = None
    trigger: int | None = None
    figures: tuple[Figure, ...] = ()
    conversion: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """All rules of a policy.

    `untriggered` are those that must be asked even where no trigger holds; `look` picks the triggers from facts.
    """

    rules: tuple[Rule, ...]
    untriggered: tuple[Rule, ...]
    look: Callable[[tuple[Any, ...]], Iterable[Any]]

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> "RuleBook":
        """Sort out which rules can be passed over when no trigger holds, which is nearly always."""
        rules = tuple(rules)
        return cls(
            rules=rules,
            untriggered=tuple(rule for rule in rules if rule.trigger is None),
            look=_look_at({rule.trigger for rule in rules if rule.trigger is not None}),
        )

    def to_ask(self, parties: Parties) -> Sequence[Rule]:
        """The rules that may find something."""
        for identity in parties.identities:
            for member in identity.members:
                facts = member.facts
                if facts and any(self.look(facts)):
                    return self.rules
        return self.untriggered


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What the rules found: failures stop the merge, warnings do not."""

    failures: tuple[RuleFailure, ...]
    warnings: tuple[RuleFailure, ...]


def evaluate(book: RuleBook, parties: Parties) -> Evaluation:
    """Run every rule."""
    failures: list[RuleFailure] = []
    warnings: list[RuleFailure] = []
    order = parties.order
    for rule in book.to_ask(parties):
        for fault in rule.check(parties):
            if not _answered(rule, order):
                (failures if _blocks(rule, order) else warnings).append(_failure(rule, fault))
    return Evaluation(failures=tuple(failures), warnings=tuple(warnings))


def _look_at(triggers: Collection[int]) -> Callable[[tuple[Any, ...]], Iterable[Any]]:
    """Picking them at once costs a tenth of picking them one by one."""
    if len(triggers) > 1:
        return itemgetter(*sorted(triggers))
    return lambda facts: [facts[trigger] for trigger in triggers]


def _answered(rule: Rule, order: MergeOrder) -> bool:
    if rule.cleared_by_reason is not None and rule.cleared_by_reason == order.reason:
        return True
    return rule.fixed_by is not None and rule.fixed_by.fixes(order)


def _blocks(rule: Rule, order: MergeOrder) -> bool:
    if rule.severity is Severity.WAIVABLE and rule.waivable_by is not None and rule.name in order.waived_rules:
        return not has_role(order.requested_by.roles, rule.waivable_by)
    return rule.severity is not Severity.WARN


def _failure(rule: Rule, fault: Fault) -> RuleFailure:
    waiver = "" if rule.waivable_by is None else f"; or have it waived by somebody with the role {rule.waivable_by}"
    return RuleFailure(
        rule=rule.name,
        side=fault.side,
        customer_ids=fault.customer_ids,
        field=rule.field,
        message=rule.message,
        remediation=rule.remediation + waiver,
        permanent=rule.permanent,
        until=fault.until,
    )
