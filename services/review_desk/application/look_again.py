"""Looks again at what is undecided: rules may pass now, the policy may be another, a wait may be over."""

from collections.abc import Callable, Iterator, Sequence

from sqlalchemy import Connection, Engine

from customer_identity.approval import ApprovalPolicy, Grade
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
        """Decide every open case that is left to the policy, and every waiting one; returns how many were approved."""
        approved = self._through(engine, publish, CaseState.OPEN, tuple(self._policy.grades))
        return approved + self._through(engine, publish, CaseState.WAITING, tuple(Grade))

    def _through(
        self,
        engine: Engine,
        publish: Callable[[Connection, Sequence[Draft]], None],
        state: CaseState,
        grades: Sequence[Grade],
    ) -> int:
        approved = 0
        after: tuple[float, int] | None = None
        while True:
            with engine.begin() as connection:
                page = self._tables.cases.listed(
                    connection, tenant_id=None, states=(state,), grades=grades, after=after, limit=_PAGE
                )
                drafts = list(self._decided(connection, page, state))
                publish(connection, drafts)
            approved += len(drafts)
            if len(page) < _PAGE:
                return approved
            after = (page[-1].score, page[-1].case_no)

    def _decided(self, connection: Connection, cases: Sequence[Case], state: CaseState) -> Iterator[Draft]:
        by_tenant: dict[str, list[str]] = {}
        for case in cases:
            if case.automatic or case.approval is not None:
                by_tenant.setdefault(case.tenant_id, []).append(case.candidate_id)
        lock_tenants(connection, by_tenant)
        for tenant_id, candidate_ids in sorted(by_tenant.items()):
            # Read once more: they may have changed before the lock was there.
            held = self._tables.cases.by_candidates(connection, tenant_id, candidate_ids)
            still = [case for case in held.values() if case.state is state]
            yield from self._decide(connection, tenant_id, still, as_stored=True)
