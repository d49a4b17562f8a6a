"""What a downstream system is told, and what it must be able to do with it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from sqlalchemy import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirection:
    """An id whose answer changed.

    `canonical_id` is where it ends now, chains resolved; after an unmerge it is the id itself again. `merge_id` is the
    merge that said so, or the unmerge; of a conversion, the id of its event.
    """

    tenant_id: str
    customer_id: str
    canonical_id: str
    version: int
    merge_id: str


class Relinker(Protocol):
    """One downstream system's own rows.

    The shape that makes a merge, a chain and an unmerge the same statement: every row keeps the id it was
    written with (`original_customer_id`, never changed) beside the one it belongs to now:

        UPDATE t SET customer_id = r.canonical_id FROM unnest(…) AS r (customer_id, canonical_id)
         WHERE t.original_customer_id = r.customer_id AND t.customer_id <> r.canonical_id
    """

    @property
    def system(self) -> str:
        """The name under which this system acknowledges, such as `crm`."""
        ...

    def apply(self, connection: Connection, redirects: Sequence[Redirection]) -> Mapping[str, int]:
        """Point the rows of each id at its canonical id; return how many rows changed, by type of row.

        Runs inside the handler's transaction and must not end it. The same redirections once more change
        nothing and count nothing.
        """
        ...


@runtime_checkable
class Forgetting(Protocol):
    """What a relinker may have beside: the erasure of a customer's rows, where it holds personal data."""

    def forget(self, connection: Connection, tenant_id: str, customer_ids: Collection[str]) -> None:
        """Erase what the rows of these ids say about the person; all of them were one.

        Runs inside the handler's transaction and must not end it. Once more changes nothing.
        """
        ...
