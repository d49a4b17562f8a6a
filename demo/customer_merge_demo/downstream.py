"""What the sample downstream systems have in common: they are filled, they relink, they can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, text

from customer_merge_demo.customers import Customer
from relink import Redirection, Relinker


class DownstreamSystem(Relinker, Protocol):
    """A system beside the store, with tables in the schema of its own name; `title` is how people call it."""

    @property
    def title(self) -> str:
        """Begins a sentence, such as `The CRM`."""
        ...

    def fill(self, connection: Connection, tenant_id: str, customers: Sequence[Customer]) -> None:
        """Store what this system knew about the customers before any merge."""
        ...

    def holders(self, connection: Connection) -> Sequence[tuple[str, str]]:
        """Original customer id and the id its rows lie under now; an id twice when its rows are torn apart."""
        ...

    def totals(self, connection: Connection) -> Mapping[str, int]:
        """Rows by kind, and sums that a merge must not change."""
        ...


def move(connection: Connection, table: str, redirects: Sequence[Redirection]) -> int:
    """Point the rows of each redirected id at its canonical id; how many changed."""
    moved = connection.execute(text(_MOVE.format(table=table)), arrays(redirects))
    return int(moved.rowcount)


def arrays(redirects: Sequence[Redirection]) -> dict[str, Any]:
    """The redirects as the bind values of `REDIRECTS`."""
    return {
        "tenants": [redirect.tenant_id for redirect in redirects],
        "originals": [redirect.customer_id for redirect in redirects],
        "canonicals": [redirect.canonical_id for redirect in redirects],
    }


REDIRECTS = """unnest(CAST(:tenants AS text[]), CAST(:originals AS text[]), CAST(:canonicals AS text[]))
    AS r (tenant_id, customer_id, canonical_id)"""

_MOVE = f"""
UPDATE {{table}} AS t SET customer_id = r.canonical_id FROM {REDIRECTS}
 WHERE t.tenant_id = r.tenant_id AND t.original_customer_id = r.customer_id AND t.customer_id <> r.canonical_id
"""
