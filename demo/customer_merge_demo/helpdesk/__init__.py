"""Sample downstream system: a helpdesk whose tickets carry a copy of the requester's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text

from customer_merge_demo.bulk import insert_rows
from customer_merge_demo.customers import Customer
from customer_merge_demo.downstream import REDIRECTS, arrays, move
from relink import Redirection

_REQUESTERS = {"tenant_id": "text", "original_customer_id": "text", "customer_id": "text", "name": "text"}
_TICKETS = {
    "tenant_id": "text", "original_customer_id": "text", "customer_id": "text", "requester_name": "text",
    "subject": "text", "status": "text",
}  # fmt: skip


class Helpdesk:
    """Tickets move with the identity and show the name of the customer they now belong to."""

    system = "helpdesk"
    title = "The helpdesk"

    def fill(self, connection: Connection, tenant_id: str, customers: Sequence[Customer]) -> None:
        """One requester a customer, with the customer's tickets."""
        requesters = [(tenant_id, c.customer_id, c.customer_id, c.display_name) for c in customers]
        tickets = [
            (tenant_id, c.customer_id, c.customer_id, c.display_name, ticket.subject, ticket.status)
            for c in customers
            for ticket in c.history.tickets
        ]
        insert_rows(connection, "helpdesk.requesters", _REQUESTERS, requesters)
        insert_rows(connection, "helpdesk.tickets", _TICKETS, tickets)

    def apply(self, connection: Connection, redirects: Sequence[Redirection]) -> Mapping[str, int]:
        """Move requesters and tickets, then renew the copied name on the tickets."""
        requesters = move(connection, "helpdesk.requesters", redirects)
        tickets = move(connection, "helpdesk.tickets", redirects)
        connection.execute(text(_RENEW_NAMES), arrays(redirects))
        return {"requesters": requesters, "tickets": tickets}

    def holders(self, connection: Connection) -> Sequence[tuple[str, str]]:
        """Where each original requester is now."""
        found = connection.execute(text("SELECT original_customer_id, customer_id FROM helpdesk.requesters"))
        return [(row.original_customer_id, row.customer_id) for row in found]

    def totals(self, connection: Connection) -> Mapping[str, int]:
        """Requesters and tickets."""
        row = connection.execute(
            text("SELECT (SELECT count(*) FROM helpdesk.requesters), (SELECT count(*) FROM helpdesk.tickets)")
        ).one()
        return {"requesters": row[0], "tickets": row[1]}


# The name of a requester is what was written under the requester's own id.
_RENEW_NAMES = f"""
UPDATE helpdesk.tickets AS t SET requester_name = q.name
  FROM {REDIRECTS} JOIN helpdesk.requesters q ON q.tenant_id = r.tenant_id AND q.original_customer_id = r.canonical_id
 WHERE t.tenant_id = r.tenant_id AND t.original_customer_id = r.customer_id AND t.requester_name <> q.name
"""
