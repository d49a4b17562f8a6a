"""Sample downstream system: a CRM with contacts and their activities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from customer_merge_demo.bulk import insert_rows
from customer_merge_demo.customers import Customer
from customer_merge_demo.downstream import move
from relink import Redirection

_CONTACTS = {
    "tenant_id": "text",
    "original_customer_id": "text",
    "customer_id": "text",
    "name": "text",
    "email": "text",
}
_ACTIVITIES = {
    "tenant_id": "text", "original_customer_id": "text", "customer_id": "text", "kind": "text", "at": "timestamptz",
}  # fmt: skip


class Crm:
    """Contacts follow the identity; an activity belongs to the contact's customer."""

    system = "crm"
    title = "The CRM"

    def fill(self, connection: Connection, tenant_id: str, customers: Sequence[Customer]) -> None:
        """One contact a customer; one activity an order and one a ticket."""
        now = datetime.now(tz=UTC)
        contacts = [
            (tenant_id, c.customer_id, c.customer_id, c.display_name, c.attributes.get("email")) for c in customers
        ]
        activities = [
            (tenant_id, c.customer_id, c.customer_id, kind, now - timedelta(days=happened.days_ago))
            for c in customers
            for kind, happenings in (("purchase", c.history.orders), ("call", c.history.tickets))
            for happened in happenings
        ]
        insert_rows(connection, "crm.contacts", _CONTACTS, contacts)
        insert_rows(connection, "crm.activities", _ACTIVITIES, activities)

    def apply(self, connection: Connection, redirects: Sequence[Redirection]) -> Mapping[str, int]:
        """Move contacts and activities."""
        return {
            "contacts": move(connection, "crm.contacts", redirects),
            "activities": move(connection, "crm.activities", redirects),
        }

    def holders(self, connection: Connection) -> Sequence[tuple[str, str]]:
        """Where each original contact is now."""
        found = connection.execute(text("SELECT original_customer_id, customer_id FROM crm.contacts"))
        return [(row.original_customer_id, row.customer_id) for row in found]

    def totals(self, connection: Connection) -> Mapping[str, int]:
        """Contacts and activities."""
        row = connection.execute(
            text("SELECT (SELECT count(*) FROM crm.contacts), (SELECT count(*) FROM crm.activities)")
        ).one()
        return {"contacts": row[0], "activities": row[1]}
