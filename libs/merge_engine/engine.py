"""The one class that services use: a merge plan, ready to run against a database that has the customer tables."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from customer_identity.merging import (
    MergeOrder,
    MergeResult,
    NotDuplicateOrder,
    NotDuplicateResult,
    Refused,
    RowsReturning,
    UnmergeOrder,
    UnmergeResult,
)
from customer_identity.merging.conversion import ConversionOrder, ConversionResult
from merge_engine import (
    asserting,
    changes,
    converting,
    erasing,
    merging,
    previewing,
    purging,
    reading,
    reconciling,
    standing,
    unmerging,
    verifying,
)
from merge_engine.checking import check_plan
from merge_engine.compiled_plan import CompiledPlan, compile_plan
from merge_engine.erasing import ErasureResult
from merge_engine.large import undoing
from merge_engine.large.merges import LargeMerges
from merge_engine.large.sizing import ROWS_A_TRANSACTION
from merge_engine.large.unmerges import LargeUnmerges
from merge_engine.live_schema import load_schema
from merge_engine.plan_file import load_plan, place_in
from merge_engine.statements.reads import canonical_customers
from merge_engine.undo_order import undo_order
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

    own_schemas = ("merge", "review", "detector")
    """Schemas of this software: they hold ids of customers everywhere, and no plan moves them."""

    def __init__(self, compiled: CompiledPlan, *, source: str | Path) -> None:
        self._compiled = compiled
        self._source = source
        self.large = LargeMerges(compiled)
        """The merges whose rows follow in chunks."""
        self.unmerges = LargeUnmerges(compiled)
        """Those of them whose rows go back in chunks."""

    @classmethod
    def load(cls, plan: str | Path, *, schema: str = "merge") -> "MergeEngine":
        """Read a plan file, or a shipped plan by name, and compile it. Raises PlanError with file, line and remedy."""
        return cls(compile_plan(load_plan(plan), schema), source=plan)

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

    def eligibility(
        self, connection: Connection, orders: Sequence[MergeOrder], *, with_figures: bool = False
    ) -> list[Preview]:
        """Each order's preview without its moves and fields, for many orders by a handful of statements."""
        return previewing.eligibility(connection, self._compiled, orders, with_figures=with_figures)

    def unmerge(self, connection: Connection, order: UnmergeOrder) -> UnmergeResult:
        """Take a merge apart from its journal and report all that could not go back. May raise RootMoved."""
        return unmerging.unmerge(connection, self._compiled, order)

    def begin_unmerge(self, connection: Connection, order: UnmergeOrder) -> UnmergeResult | RowsReturning:
        """The same; but the rows of a large merge go back in chunks before (`unmerges`). May raise RootMoved."""
        return undoing.begin_unmerge(connection, self._compiled, order)

    def undo_order(self, connection: Connection, order: UnmergeOrder) -> tuple[str, ...] | Refused:
        """The merges to undo, newest first, until this one can go. Locks like an undo. May raise RootMoved."""
        return undo_order(connection, self._compiled, order)

    def erase(
        self, connection: Connection, tenant_id: str, customer_id: str, *, confirmed: bool = False
    ) -> ErasureResult:
        """Forget a customer's whole identity, for good, or say why that must wait. May raise RootMoved.

        `confirmed`: a person has looked at members that only an automatic merge joined.
        """
        return erasing.erase(connection, self._compiled, tenant_id, customer_id, confirmed=confirmed)

    def assert_not_duplicate(self, connection: Connection, order: NotDuplicateOrder) -> NotDuplicateResult:
        """Record (or withdraw) that each pair of these customers is two people; refused while they are one identity."""
        return asserting.assert_not_duplicate(connection, self._compiled, order)

    def convert(self, connection: Connection, order: ConversionOrder) -> ConversionResult:
        """Make an individual an organisation or the other way round, as the plan says. May raise RootMoved."""
        return converting.convert(connection, self._compiled, order)

    def reconcile(
        self,
        connection: Connection,
        limit: int,
        *,
        merged_since: datetime | None = None,
        rows: int = ROWS_A_TRANSACTION,
    ) -> int:
        """Move and journal rows written under merged-away ids, at most `limit` customers' and about `rows` rows.

        Returns how many were moved: come again until there are none.
        """
        return reconciling.reconcile(connection, self._compiled, limit, merged_since, rows)

    def purge_images(self, connection: Connection, *, merges: int, lines: int) -> purging.Purged:
        """Empty journalled images of merges whose undo window has closed: one batch, bounded in merges and lines."""
        return purging.purge_images(connection, self._compiled, merges=merges, lines=lines)

    def verify(self, connection: Connection, merge_id: str | None = None) -> Iterator[Finding]:
        """Everything that is not as a merge should have left it: of one merge, or (None) of the whole database."""
        return verifying.verify(connection, self._compiled, merge_id)

    def check(self, connection: Connection) -> list[str]:
        """Compare the plan with the live schema: a line with file, line and remedy for each fault."""
        live = load_schema(connection, without=self.own_schemas)
        faults = check_plan(self._compiled.plan, live)
        return [f"{place_in(self._source, fault.location)}: {fault.message}" for fault in faults]

    def canonical(self, connection: Connection, tenant_id: str, ids: Sequence[str]) -> dict[str, Canonical]:
        """Where each id ends now; every id asked for is answered."""
        return reading.canonical(connection, self._compiled, tenant_id, ids)

    def canonical_view(self, view: str) -> str:
        """SQL that makes a view (schema.name) of the customers that answer for themselves: one row a person."""
        return canonical_customers(self._compiled.names, view)

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

    def standing(self, connection: Connection, tenant_id: str, customer_id: str) -> tuple[standing.RuleStanding, ...]:
        """Every rule as it stands for one customer, whoever it may be merged with, with the figures behind it."""
        return standing.standing(connection, self._compiled, tenant_id, customer_id)

    def sums(self, connection: Connection, tenant_id: str, customer_id: str) -> Mapping[str, Mapping[str, Any]]:
        """One customer's balances: what a merge adds up, by table and column."""
        return standing.sums(connection, self._compiled, tenant_id, customer_id)

    def merge_record(self, connection: Connection, merge_id: str) -> MergeRecord | None:
        """One merge as it was recorded, or None."""
        return reading.load_merge(connection, self._compiled, merge_id)

    def merge_changes(self, connection: Connection, merge_id: str) -> changes.MergeChanges | None:
        """What a merge changed in people's records, values included, or None when there is no such merge."""
        return changes.merge_changes(connection, self._compiled, merge_id)
