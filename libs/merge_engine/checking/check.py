"""All checks, in the order in which they make sense: names before types, types before keys."""

from collections.abc import Iterable

from merge_engine.checking.columns import check_names, check_types
from merge_engine.checking.coverage import check_coverage
from merge_engine.checking.disposal import check_disposal
from merge_engine.checking.emptied import check_conversion, check_erasure
from merge_engine.checking.faults import PlanFault
from merge_engine.checking.uniqueness import check_uniqueness
from merge_engine.live_schema import LiveSchema
from merge_engine.plan_file import Plan


def check_plan(plan: Plan, schema: LiveSchema) -> list[PlanFault]:
    """Every fault of the plan; none when it fits. While names are wrong nothing else can be told."""
    missing = list(check_names(plan, schema))
    if missing:
        return _once(missing)
    return _once(
        [
            *check_types(plan, schema),
            *check_coverage(plan, schema),
            *check_uniqueness(plan, schema),
            *check_disposal(plan, schema),
            *check_conversion(plan, schema),
            *check_erasure(plan, schema),
        ]
    )


def _once(faults: Iterable[PlanFault]) -> list[PlanFault]:
    """What several parts of a plan have in common is told at the first of them."""
    return list({fault.message: fault for fault in reversed(list(faults))}.values())[::-1]
