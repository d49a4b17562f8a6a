"""Does a plan fit a database? Pure checks of values: a plan and a live schema in, faults with their place out."""

from merge_engine.checking.check import check_plan
from merge_engine.checking.faults import PlanFault

__all__ = ["PlanFault", "check_plan"]
