"""What only the whole plan can show: rules of packs that nobody binds, parts that refer to parts that are not there."""

from collections.abc import Iterator

from customer_identity.merging.survivorship import FOLLOW_ATTRIBUTE
from merge_engine.plan_file.children import BlockIfExists
from merge_engine.plan_file.packs import pack_rule, packs
from merge_engine.plan_file.plan import Plan
from merge_engine.plan_file.rules import SystemFlagRule

Fault = tuple[tuple[int | str, ...], str]
"""Where in the plan, and what is wrong."""


def binding_faults(plan: Plan) -> Iterator[Fault]:
    """What is wrong between the parts of a plan."""
    yield from _packs(plan)
    for name, field in plan.fields.items():
        if field.follow is not None and plan.fields.get(field.follow, field).strategy == FOLLOW_ATTRIBUTE:
            hint = "name a field that stands under fields and does not follow another one itself"
            yield ("fields", name, "follow"), f"{field.follow} cannot be followed; {hint}"
    for place, rule in enumerate(plan.rules):
        if isinstance(rule, SystemFlagRule) and rule.flag.per is not None and plan.customer.tenant is None:
            yield (
                ("rules", place, "flag", "per"),
                "the customers have no tenant; leave per out, or name customer.tenant",
            )
        if rule.fixed_by is not None and rule.fixed_by.field not in (None, *plan.fields):
            yield ("rules", place, "fixed_by", "field"), f"{rule.fixed_by.field} does not stand under fields"


def _packs(plan: Plan) -> Iterator[Fault]:
    """A plan that names any pack is held to the identity pack too."""
    bound = set(_bound(plan))
    for name in plan.not_applicable:
        rule = pack_rule(name)
        if rule is None:
            yield ("not_applicable", name), "there is no such rule in any pack"
        elif rule.provided is not None:
            yield ("not_applicable", name), f"{name} is checked by {rule.provided} itself; it always applies"
        elif name in bound:
            yield ("not_applicable", name), f"{name} is bound in this plan as well; keep one of the two"
    for pack in dict.fromkeys(("identity", *plan.packs)) if plan.packs else ():
        for rule in packs()[pack].rules:
            if rule.provided is None and rule.rule not in bound and rule.rule not in plan.not_applicable:
                hint = "bind it under rules, or say under not_applicable why it does not apply"
                yield ("packs",), f"{rule.rule} of the pack {pack} is not bound ({rule.message}); {hint}"


def _bound(plan: Plan) -> Iterator[str]:
    yield from (rule.rule for rule in plan.rules)
    yield from (child.rule for child in plan.children if isinstance(child, BlockIfExists))
    for field in plan.fields.values():
        yield from (rule for rule in (field.over_cap, field.on_conflict) if rule is not None)
        if field.protected:
            yield from ("PROTECTED_ATTRIBUTE_NOT_COPIED", "PROTECTED_DATA_PERMISSION_MISSING")
    if plan.customer.type is not None:
        yield "ENTITY_TYPE_MISMATCH"
