"""Sample downstream system: a loyalty program whose balances must be added up exactly once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text

from customer_merge_demo.bulk import insert_rows
from customer_merge_demo.customers import Customer
from customer_merge_demo.downstream import REDIRECTS, arrays
from relink import Redirection

_MEMBERS = {"tenant_id": "text", "customer_id": "text", "points": "bigint"}
_ENTRIES = {
    "tenant_id": "text", "original_customer_id": "text", "customer_id": "text", "points": "bigint", "reason": "text",
}  # fmt: skip


class Loyalty:
    """Entries move with the identity; a member's points are the sum of the member's entries.

    The balance is derived, never added to: so an announcement that comes twice, or late, cannot count a
    point twice, and an unmerge gives back exactly what came.
    """

    system = "loyalty"
    title = "The loyalty program"

    def fill(self, connection: Connection, tenant_id: str, customers: Sequence[Customer]) -> None:
        """Every customer is a member; the entries are the customer's ledger."""
        members = [(tenant_id, c.customer_id, c.history.points) for c in customers]
        entries = [
            (tenant_id, c.customer_id, c.customer_id, entry.points, entry.reason)
            for c in customers
            for entry in c.history.ledger
        ]
        insert_rows(connection, "loyalty.members", _MEMBERS, members)
        insert_rows(connection, "loyalty.entries", _ENTRIES, entries)

    def apply(self, connection: Connection, redirects: Sequence[Redirection]) -> Mapping[str, int]:
        """Move entries, then derive the balances of everybody who gave or received any."""
        moved = connection.execute(text(_MOVE_ENTRIES), arrays(redirects)).all()
        touched = sorted({(row.tenant_id, member) for row in moved for member in (row.held_by, row.customer_id)})
        if touched:
            tenants, members = zip(*touched, strict=True)
            connection.execute(text(_DERIVE_POINTS), {"tenants": list(tenants), "members": list(members)})
        return {"entries": len(moved), "members": len(touched)}

    def holders(self, connection: Connection) -> Sequence[tuple[str, str]]:
        """Where the entries of each original member are now."""
        found = connection.execute(
            text("SELECT DISTINCT original_customer_id, customer_id FROM loyalty.entries ORDER BY 1, 2")
        )
        return [(row.original_customer_id, row.customer_id) for row in found]

    def totals(self, connection: Connection) -> Mapping[str, int]:
        """Members, entries and points."""
        row = connection.execute(
            text("""SELECT (SELECT count(*) FROM loyalty.members), (SELECT count(*) FROM loyalty.entries),
                           (SELECT coalesce(sum(points), 0) FROM loyalty.members)""")
        ).one()
        return {"members": row[0], "entries": row[1], "points": int(row[2])}


_MOVE_ENTRIES = f"""
WITH moving AS (
    SELECT e.id, e.customer_id AS held_by, r.canonical_id
      FROM loyalty.entries e JOIN {REDIRECTS} ON e.tenant_id = r.tenant_id AND e.original_customer_id = r.customer_id
     WHERE e.customer_id <> r.canonical_id
     ORDER BY e.id FOR UPDATE OF e
)
UPDATE loyalty.entries e SET customer_id = m.canonical_id FROM moving m WHERE e.id = m.id
RETURNING e.tenant_id, m.held_by, e.customer_id
"""

_DERIVE_POINTS = """
INSERT INTO loyalty.members AS held (tenant_id, customer_id, points)
SELECT t.tenant_id, t.customer_id, coalesce(sum(e.points), 0)
  FROM unnest(CAST(:tenants AS text[]), CAST(:members AS text[])) AS t (tenant_id, customer_id)
  LEFT JOIN loyalty.entries e ON e.tenant_id = t.tenant_id AND e.customer_id = t.customer_id
 GROUP BY t.tenant_id, t.customer_id
    ON CONFLICT (tenant_id, customer_id) DO UPDATE SET points = excluded.points
"""
