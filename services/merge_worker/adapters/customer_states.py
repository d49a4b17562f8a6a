"""View merge.customer_state: what became of a customer, as other programs read it too (docs/merge-state.md)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

_OF = text(
    """
    SELECT tenant_id, customer_id, state, canonical_id, version, merge_id::text, merged_at, merged_by,
           merged_accounts, open_requests, rows_moving
      FROM merge.customer_state WHERE tenant_id = :tenant_id AND customer_id = :customer_id
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerState:
    """What became of a customer; `merge_id`, when and by whom are those of its own being merged away."""

    tenant_id: str
    customer_id: str
    state: str
    canonical_id: str
    version: int
    merge_id: str | None
    merged_at: datetime | None
    merged_by: str | None
    merged_accounts: int
    open_requests: int
    rows_moving: bool


class CustomerStates:
    """Reads only."""

    def of(self, connection: Connection, tenant_id: str, customer_id: str) -> CustomerState | None:
        """Return the state of a customer; None when nothing ever happened to it and nobody asked for anything."""
        asked = {"tenant_id": tenant_id, "customer_id": customer_id}
        row = connection.execute(_OF, asked).mappings().one_or_none()
        return None if row is None else CustomerState(**row)

    def untouched(self, tenant_id: str, customer_id: str) -> CustomerState:
        """Return the state of a customer that nothing ever happened to."""
        return CustomerState(
            tenant_id=tenant_id,
            customer_id=customer_id,
            state="active",
            canonical_id=customer_id,
            version=0,
            merge_id=None,
            merged_at=None,
            merged_by=None,
            merged_accounts=0,
            open_requests=0,
            rows_moving=False,
        )
