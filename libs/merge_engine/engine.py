"""The one class that services use: a merge plan, ready to run against a database that has the customer tables."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from customer_identity.merging import (
    MergeOrder,
    MergeResult,
    NotDuplicateOrder,
    NotDuplicateResult,
    UnmergeOrder,
    UnmergeResult,
)
from merge_engine import asserting, merging, previewing, reading, reconciling, schema_check, unmerging, verifying
from merge_engine.compiled_plan import CompiledPlan, compile_plan
from merge_engine.plan_file import load_plan
from merge_engine.values import (
    Account,
    Canonical,
    CustomerSummary,
    Finding,
    MergeRecord,
    Preview,
    SearchCriteria,
)


class MergeEngine:
    """Merges customers by one plan. Every method works inside the caller's transaction and never commits."""

    def __init__(self, compiled: CompiledPlan) -> None:
        self._compiled = compiled

    @classmethod
    def load(cls, plan: str | Path, *, schema: str = "merge") -> "MergeEngine":
        """Read a plan file, or a shipped plan by name, and compile it. Raises PlanError with file, line and remedy."""
        return cls(compile_plan(load_plan(plan), schema))

    @property
    def policy_version(self) -> str:
        """Name and version of the plan, as events carry it."""
        return self._compiled.policy.version

    def merge(self, connection: Connection, orders: Sequence[MergeOrder]) -> list[MergeResult]:
        """Run the orders, set-based, and answer each at its place.

        Locks every customer of the batch in one global order. Raises RootMoved when an identity changed while its
        lock was waited for: the caller rolls back and runs its whole transaction again.
        """
        return merging.merge(connection, self._compiled, orders)

    def preview(self, connection: Connection, order: MergeOrder) -> Preview:
        """What `merge` would do with the order now, by the same planner; takes no locks and works read-only."""
        return previewing.preview(connection, self._compiled, order)

    def eligibility(self, connection: Connection, orders: Sequence[MergeOrder]) -> list[Preview]:
        """Each order's preview without its moves and fields, for many orders by a handful of statements."""
        return previewing.eligibility(connection, self._compiled, orders)

    def unmerge(self, connection: Connection, order: UnmergeOrder) -> UnmergeResult:
        """Take a merge apart from its journal and report all that could not go back. May raise RootMoved."""
        return unmerging.unmerge(connection, self._compiled, order)

    def assert_not_duplicate(self, connection: Connection, order: NotDuplicateOrder) -> NotDuplicateResult:
        """Record (or withdraw) that each pair of these customers is two people; refused while they are one identity."""
        return asserting.assert_not_duplicate(connection, self._compiled, order)

    def reconcile(self, connection: Connection, limit: int, *, merged_since: datetime | None = None) -> int:
        """Move and journal rows written under merged-away ids, at most `limit` customers' rows; returns rows moved."""
        return reconciling.reconcile(connection, self._compiled, limit, merged_since)

    def verify(self, connection: Connection, merge_id: str | None = None) -> Iterator[Finding]:
        """Everything that is not as a merge should have left it: of one merge, or (None) of the whole database."""
        return verifying.verify(connection, self._compiled, merge_id)

    def check(self, connection: Connection) -> list[str]:
        """Compare the plan with the live schema; one line per fault, none when the plan covers it."""
        return schema_check.check(connection, self._compiled)

    def canonical(self, connection: Connection, tenant_id: str, ids: Sequence[str]) -> dict[str, Canonical]:
        """Where each id ends now; every id asked for is answered."""
        return reading.canonical(connection, self._compiled, tenant_id, ids)

    def records(self, connection: Connection, tenant_id: str, ids: Sequence[str]) -> Mapping[str, CustomerSummary]:
        """The customers with these ids that exist, with their identifiers."""
        return reading.load_records(connection, self._compiled, tenant_id, ids)

    def search(
        self, connection: Connection, tenant_id: str, criteria: SearchCriteria, *, limit: int = 50
    ) -> list[CustomerSummary]:
        """Customers that match all criteria, merged-away ones included and marked."""
        return reading.search(connection, self._compiled, tenant_id, criteria, limit)

    def account(self, connection: Connection, tenant_id: str, customer_id: str) -> Account | None:
        """One customer in full, or None when there is none with this id."""
        return reading.account(connection, self._compiled, tenant_id, customer_id)

    def merge_record(self, connection: Connection, merge_id: str) -> MergeRecord | None:
        """One merge as it was recorded, or None."""
        return reading.load_merge(connection, self._compiled, merge_id)
