"""Topic merge-candidate: opens, revises and withdraws cases, and decides what can be decided at once."""

from collections.abc import Sequence
from itertools import groupby

from sqlalchemy import Connection

from customer_events import MergeCandidateFound, MergeCandidateWithdrawn
from event_runtime.drafts import Draft
from event_runtime.records import Received
from review_desk import cases as life
from review_desk.adapters.desk_control import lock_tenants
from review_desk.adapters.tables import DeskTables
from review_desk.application.decide_cases import DecideCases
from review_desk.cases import Case

_Candidate = MergeCandidateFound | MergeCandidateWithdrawn


class RecordCandidates:
    """A handler: the same or an older revision changes nothing."""

    def __init__(self, *, tables: DeskTables, decide: DecideCases) -> None:
        """Works on `tables` and leaves decisions to `decide`."""
        self._tables = tables
        self._decide = decide

    def handle(self, connection: Connection, received: Sequence[Received]) -> Sequence[Draft]:
        """Bring the cases up to date with the candidates, and look at those that changed."""
        events = [item.event for item in received if isinstance(item.event, _Candidate)]
        by_tenant = sorted(events, key=lambda event: event.tenant_id)  # stable: order within a tenant is kept
        lock_tenants(connection, {event.tenant_id for event in events})
        drafts: list[Draft] = []
        for tenant_id, of_tenant in groupby(by_tenant, key=lambda event: event.tenant_id):
            drafts.extend(self._of_tenant(connection, tenant_id, list(of_tenant)))
        return drafts

    def _of_tenant(self, connection: Connection, tenant_id: str, events: Sequence[_Candidate]) -> list[Draft]:
        held = self._tables.cases.by_candidates(connection, tenant_id, {event.candidate_id for event in events})
        changed: dict[str, Case] = {}
        for event in events:
            case = changed.get(event.candidate_id) or held.get(event.candidate_id)
            after = _after(case, event)
            if after is not None:
                changed[event.candidate_id] = after
        undecided = [case for case in changed.values() if case.state in life.UNDECIDED]
        decided = [case for case in changed.values() if case.state not in life.UNDECIDED]
        self._tables.cases.save(connection, decided)
        return self._decide(connection, tenant_id, undecided)


def _after(case: Case | None, event: _Candidate) -> Case | None:
    """The case after an event, or None if nothing changes."""
    if isinstance(event, MergeCandidateWithdrawn):
        return None if case is None else life.withdrawn(case, event)
    return life.opened(event) if case is None else life.revised(case, event)
