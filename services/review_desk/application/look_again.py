"""Looks again at open cases that the policy could approve: rules may pass now, and the policy may be another."""

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import Connection, Engine

from customer_identity.approval import ApprovalPolicy
from event_runtime.drafts import Draft
from review_desk.adapters.desk_control import lock_tenants
from review_desk.adapters.tables import DeskTables
from review_desk.application.decide_cases import DecideCases
from review_desk.cases import Case, CaseState

# Cases of one transaction; nobody else decides about their tenants meanwhile.
_PAGE = 200


class LookAgain:
    """Works through the whole list, a page a transaction."""

    def __init__(self, *, tables: DeskTables, decide: DecideCases, policy: ApprovalPolicy) -> None:
        """Works on `tables` and leaves decisions to `decide`, which holds the same `policy`."""
        self._tables = tables
        self._decide = decide
        self._policy = policy

    def __call__(self, engine: Engine, publish: Callable[[Connection, Sequence[Draft]], None]) -> int:
        """Decide every open case that is left to the policy; returns how many were approved."""
        approved = 0
        after: tuple[float, int] | None = None
        while True:
            with engine.begin() as connection:
                page = self._tables.cases.listed(
                    connection,
                    tenant_id=None,
                    states=(CaseState.OPEN,),
                    grades=tuple(self._policy.grades),
                    after=after,
                    limit=_PAGE,
                )
                drafts = list(self._decided(connection, [case for case in page if case.automatic]))
                publish(connection, drafts)
            approved += len(drafts)
            if len(page) < _PAGE:
                return approved
            after = (page[-1].score, page[-1].case_no)

    def _decided(self, connection: Connection, cases: Sequence[Case]) -> Iterator[Draft]:
        by_tenant: dict[str, list[str]] = {}
        for case in cases:
            by_tenant.setdefault(case.tenant_id, []).append(case.candidate_id)
        lock_tenants(connection, by_tenant)
        for tenant_id, candidate_ids in sorted(by_tenant.items()):
            # Read once more: they may have changed before the lock was there.
            held = self._tables.cases.by_candidates(connection, tenant_id, candidate_ids)
            still_open = [case for case in held.values() if case.state is CaseState.OPEN and case.automatic]
            yield from self._decide(connection, tenant_id, still_open, as_stored=True)
