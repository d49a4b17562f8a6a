"""A merge plan against a live database: load, check, preview, apply with journal, verify and undo."""

from merge_engine.engine import MergeEngine
from merge_engine.faults import MergeEngineError, PlanError, RootMoved
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
    SearchCriteria,
)

__all__ = [
    "Account",
    "Canonical",
    "CustomerSummary",
    "FieldPreview",
    "Finding",
    "FindingKind",
    "Identifier",
    "MergeEngine",
    "MergeEngineError",
    "MergeRecord",
    "MergeState",
    "MergedAccount",
    "PlanError",
    "Preview",
    "RootMoved",
    "RuleCheck",
    "SearchCriteria",
]
