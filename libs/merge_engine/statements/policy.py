"""The pure policy of a plan, and the facts it needs."""

from datetime import timedelta

from customer_identity.merging import Side
from customer_identity.merging.policy import FieldPolicy, MergePolicy, Preference
from customer_identity.merging.rules import Check, Rule, both_flagged, flagged, mismatching
from merge_engine.plan_file import BothPresentRule, ExistsRule, FlagRule, Plan, PreferencePlan, RulePlan
from merge_engine.statements.facts import Facts


def policy_of(plan: Plan, facts: Facts) -> MergePolicy:
    """Compile fields, rules and winner preferences; what they look at is collected in `facts`."""
    return MergePolicy(
        version=f"{plan.name}-{plan.revision}",
        fields=tuple(
            FieldPolicy(
                field=name,
                strategy=field.strategy,
                fact=facts.column(name),
                verified_fact=None if field.verified_column is None else facts.column(field.verified_column),
            )
            for name, field in plan.fields.items()
        ),
        rules=tuple(_rule(rule, facts) for rule in plan.rules),
        winner_preferences=tuple(_preference(preference, facts) for preference in plan.winner),
        undo_window=timedelta(days=plan.undo_window_days),
    )


def _rule(rule: RulePlan, facts: Facts) -> Rule:
    return Rule(
        name=rule.rule,
        check=_check(rule, facts),
        message=rule.message,
        remediation=rule.remediation,
        field=rule.field,
        severity=rule.severity,
        permanent=rule.permanent,
        waivable_by=rule.waivable_by,
        cleared_by_reason=rule.cleared_by_reason,
    )


def _check(rule: RulePlan, facts: Facts) -> Check:
    if isinstance(rule, ExistsRule):
        return flagged(Side(rule.side), facts.exists(rule.exists))
    if isinstance(rule, FlagRule):
        return flagged(Side(rule.side), facts.flag(rule.flag))
    if isinstance(rule, BothPresentRule):
        return both_flagged(facts.recent(rule.both_present))
    return mismatching(facts.values(rule.mismatch))


def _preference(preference: PreferencePlan, facts: Facts) -> Preference:
    if preference.exists is not None:
        return Preference(fact=facts.exists(preference.exists), highest=True)
    if preference.flag is not None:
        return Preference(fact=facts.flag(preference.flag), highest=True)
    if preference.highest is not None:
        return Preference(fact=facts.column(preference.highest), highest=True)
    return Preference(fact=facts.column(preference.lowest or ""), highest=False)
