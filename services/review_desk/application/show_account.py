"""A customer as somebody needs to see it before a merge: the record, its rows, and what is pertinent to rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from merge_engine import Account, MergeEngine
from merge_engine.standing import RuleStanding
from review_desk.adapters.merge_requests import CustomerState, MergeRequestView
from review_desk.adapters.tables import DeskTables
from review_desk.application.report_requests import ReportRequests, RequestReported
from review_desk.cases import Case, CaseState


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountShown:
    """One customer in full. `account` is None for an id whose record is gone, which `state` still knows.

    `rules` is empty for a customer that was merged away; `sums` are its balances by table and column.
    """

    account: Account | None
    state: CustomerState | None
    rules: tuple[RuleStanding, ...]
    sums: Mapping[str, Mapping[str, Any]]
    open_requests: tuple[RequestReported, ...]
    cases: tuple[Case, ...]

    @property
    def found(self) -> bool:
        """Whether anybody ever heard of the customer."""
        return self.account is not None or self.state is not None


class ShowAccount:
    """Reads only."""

    def __init__(
        self, *, tables: DeskTables, requests: MergeRequestView, report: ReportRequests, merges: MergeEngine
    ) -> None:
        """Reads the desk's `tables` and the worker's `requests`, and judges with `merges`."""
        self._tables = tables
        self._requests = requests
        self._report = report
        self._merges = merges

    def __call__(self, connection: Connection, tenant_id: str, customer_id: str) -> AccountShown:
        """The customer as it stands at this moment."""
        account = self._merges.account(connection, tenant_id, customer_id)
        there = account is not None
        requests = self._requests.open_of(connection, tenant_id, customer_id)
        return AccountShown(
            account=account,
            state=self._requests.state_of(connection, tenant_id, customer_id),
            rules=self._merges.standing(connection, tenant_id, customer_id) if there else (),
            sums=self._merges.sums(connection, tenant_id, customer_id) if there else {},
            open_requests=tuple(self._report.judged(connection, requests)),
            cases=tuple(self._tables.cases.touching(connection, tenant_id, [customer_id], tuple(CaseState))),
        )
