"""The pure policy of a plan, and the facts it needs."""

import re
from collections.abc import Iterator
from datetime import timedelta

from customer_identity.merging.policy import FieldPolicy, FieldRule, MergePolicy, Preference
from customer_identity.merging.rules import RuleBook
from customer_identity.merging.survivorship import FOLLOW_ATTRIBUTE, Terms
from merge_engine.plan_file import FieldPlan, Plan, PreferencePlan, Repoint, RepointUnique, pack_rule
from merge_engine.statements.facts import Facts
from merge_engine.statements.rules import rules_of


def policy_of(plan: Plan, facts: Facts, figures: Facts) -> tuple[MergePolicy, tuple[str, ...]]:
    """Compile fields, rules and winner preferences; what they look at is collected in `facts`.

    The columns that fields are decided from come first among the facts: they are the second answer. What a preview
    shows of each rule is collected in `figures`.
    """
    fields = tuple(_fields(plan, facts))
    field_columns = facts.first_columns()
    policy = MergePolicy(
        version=f"{plan.name}-{plan.revision}",
        fields=fields,
        rules=RuleBook.of(rules_of(plan, facts, figures)),
        winner_preferences=tuple(_preference(preference, facts) for preference in plan.winner),
        undo_window=timedelta(days=plan.undo_window_days),
        choosable=frozenset(
            child.table for child in plan.children if isinstance(child, Repoint | RepointUnique) and child.choosable
        ),
        facilitated=any(isinstance(child, Repoint) and child.facilitator for child in plan.children),
    )
    return policy, field_columns


_REFUSES = re.compile(
    r"opt(ed)?_?out|unsubscri|do_?not|dont_|^no_|suppress|refus|declin|object|block|withdrawn|revoked"
)
"""Names of columns in which it is `true` that forbids."""


def _fields(plan: Plan, facts: Facts) -> Iterator[FieldPolicy]:
    """The fields, those that follow another one after all others."""
    ordered = sorted(plan.fields.items(), key=lambda item: item[1].strategy == FOLLOW_ATTRIBUTE)
    return (_field(name, field, facts) for name, field in ordered)


def _field(name: str, field: FieldPlan, facts: Facts) -> FieldPolicy:
    restrictive = _REFUSES.search(name.lower()) is not None if field.restrictive is None else field.restrictive
    return FieldPolicy(
        field=name,
        strategy=field.strategy,
        fact=facts.column(name),
        verified_fact=_optional(field.verified_column, facts),
        time_fact=_optional(field.time, facts),
        source_fact=_optional(field.source, facts),
        evidence_fact=_optional(field.evidence, facts),
        terms=Terms(order=field.order, cap=field.cap, restrictive=restrictive),
        follow=field.follow,
        literal=field.value,
        on_conflict=_field_rule(field.on_conflict, f"the customers differ in {name}", name),
        over_cap=_field_rule(field.over_cap, f"{name} of the customers is too long together", name),
    )


def _optional(column: str | None, facts: Facts) -> int | None:
    return None if column is None else facts.column(column)


def _field_rule(rule: str | None, message: str, field: str) -> FieldRule | None:
    if rule is None:
        return None
    packed = pack_rule(rule)
    if packed is None:
        return FieldRule(name=rule, message=message, remediation=f"choose the value of {field} in the order")
    return FieldRule(name=rule, message=packed.message, remediation=packed.remediation)


def _preference(preference: PreferencePlan, facts: Facts) -> Preference:
    if preference.exists is not None:
        return Preference(fact=facts.exists(preference.exists), highest=True)
    if preference.flag is not None:
        return Preference(fact=facts.flag(preference.flag), highest=True)
    if preference.highest is not None:
        return Preference(fact=facts.column(preference.highest), highest=True)
    return Preference(fact=facts.column(preference.lowest or ""), highest=False)
