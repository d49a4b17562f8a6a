"""Topic customer-merged: keeps the desk's identity map, and closes or wakes the cases that a merge touches."""

from collections.abc import Sequence

from sqlalchemy import Connection

from customer_events import CustomerConverted, CustomerMerged, CustomerUnmerged
from event_runtime.drafts import Draft
from event_runtime.records import Received
from review_desk import cases as life
from review_desk.adapters.desk_control import lock_tenants
from review_desk.adapters.identity_table import Answer
from review_desk.adapters.tables import DeskTables
from review_desk.application.decide_cases import DecideCases
from review_desk.cases import CaseState

_Redirecting = CustomerMerged | CustomerUnmerged | CustomerConverted

UNMERGED = "UNMERGED"


class FollowMerges:
    """A handler: a redirect that is not newer than the answer held changes nothing."""

    def __init__(self, *, tables: DeskTables, decide: DecideCases) -> None:
        """Works on `tables` and leaves decisions to `decide`."""
        self._tables = tables
        self._decide = decide

    def handle(self, connection: Connection, received: Sequence[Received]) -> Sequence[Draft]:
        """Take the redirects in, then look at what they touch."""
        events = [item.event for item in received if isinstance(item.event, _Redirecting)]
        lock_tenants(connection, {event.tenant_id for event in events})
        touched: dict[str, set[str]] = {}
        for event in events:
            answers = [
                Answer(customer_id=redirect.from_, canonical_id=redirect.canonical, version=redirect.version)
                for redirect in event.redirects
            ]
            self._tables.identities.apply(connection, event.tenant_id, answers)
            told = touched.setdefault(event.tenant_id, set())
            told.update(answer.customer_id for answer in answers)
            told.update(answer.canonical_id for answer in answers)
            if isinstance(event, CustomerUnmerged):
                self._keep_apart(connection, event)
        drafts: list[Draft] = []
        for tenant_id, customer_ids in sorted(touched.items()):
            # A case may name neither the loser nor the winner, only somebody who became the winner long before.
            whole = customer_ids | self._tables.identities.of(connection, tenant_id, customer_ids).canonical.keys()
            undecided = self._tables.cases.touching(connection, tenant_id, whole, life.UNDECIDED)
            drafts.extend(self._decide(connection, tenant_id, undecided))
        return drafts

    def _keep_apart(self, connection: Connection, event: CustomerUnmerged) -> None:
        """An unmerge says that its pairs are different people: their merged cases stand rejected now."""
        restored = {member.id for member in event.restored} | {redirect.from_ for redirect in event.redirects}
        merged = (CaseState.DONE, CaseState.CLOSED)
        found = self._tables.cases.touching(connection, event.tenant_id, restored, merged)
        identities = self._decide.fresh_identities(
            connection, event.tenant_id, sorted({one for case in found for one in case.pair})
        )
        apart = [case for case in found if identities.root(case.pair[0]) != identities.root(case.pair[1])]
        self._tables.cases.save(connection, [life.denied(case, UNMERGED) for case in apart])
