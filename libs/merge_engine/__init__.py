"""A merge plan against a live database: load, check, preview, apply with journal, verify and undo."""

from merge_engine.engine import MergeEngine
from merge_engine.erasing import AlreadyErased, Erased, ErasureResult, ErasureWaits
from merge_engine.faults import MergeEngineError, PlanError, RootMoved, TooManyRows
from merge_engine.large.leases import Lease, LeaseLost, MovingMerge
from merge_engine.large.merges import LargeMerges
from merge_engine.large.moving import Step
from merge_engine.large.progress import LargeMerge
from merge_engine.large.returning import ReturnStep
from merge_engine.large.undo_state import ReturningMerge
from merge_engine.large.unmerges import LargeUnmerges
from merge_engine.values import (
    Account,
    Canonical,
    CustomerSummary,
    FieldPreview,
    Finding,
    FindingKind,
    Identifier,
    MergedAccount,
    MergeRecord,
    MergeState,
    Preview,
    RuleCheck,
    RuleFigure,
    SearchCriteria,
)

__all__ = [
    "Account",
    "AlreadyErased",
    "Canonical",
    "CustomerSummary",
    "Erased",
    "ErasureResult",
    "ErasureWaits",
    "FieldPreview",
    "Finding",
    "FindingKind",
    "Identifier",
    "LargeMerge",
    "LargeMerges",
    "LargeUnmerges",
    "Lease",
    "LeaseLost",
    "MergeEngine",
    "MergeEngineError",
    "MergeRecord",
    "MergeState",
    "MergedAccount",
    "MovingMerge",
    "PlanError",
    "Preview",
    "ReturnStep",
    "ReturningMerge",
    "RootMoved",
    "RuleCheck",
    "RuleFigure",
    "SearchCriteria",
    "Step",
    "TooManyRows",
]
