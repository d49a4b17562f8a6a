"""Table merge.erasures: who is to be forgotten, what that waits for, and who decided."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

WAITING = "WAITING"
CONFIRMED = "CONFIRMED"
DECLINED = "DECLINED"
DONE = "DONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """One request to forget a customer. `merge_ids`: merges that a person has to look at before it is done."""

    tenant_id: str
    customer_id: str
    version: int
    request_reference: str | None
    state: str
    waiting_for: tuple[str, ...]
    merge_ids: tuple[str, ...]
    member_ids: tuple[str, ...]
    requested_at: datetime
    received_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    erased_at: datetime | None


_COLUMNS = (
    "tenant_id, customer_id, version, request_reference, state, waiting_for, merge_ids, member_ids, requested_at,"
    " received_at, decided_by, decided_at, erased_at"
)
# A request that was declined is opened again by a newer event of the same customer only.
_ASK = text(
    """
    INSERT INTO merge.erasures AS e (tenant_id, customer_id, version, request_reference, state, requested_at,
                                     received_at)
    SELECT DISTINCT ON (tenant_id, customer_id) tenant_id, customer_id, version, request_reference, 'WAITING',
           requested_at, :now
      FROM unnest(CAST(:tenants AS text[]), CAST(:ids AS text[]), CAST(:versions AS bigint[]),
                  CAST(:refs AS text[]), CAST(:times AS timestamptz[]))
           AS t(tenant_id, customer_id, version, request_reference, requested_at)
     ORDER BY tenant_id, customer_id, version DESC
    ON CONFLICT (tenant_id, customer_id) DO UPDATE SET
        version = excluded.version, request_reference = excluded.request_reference, state = 'WAITING',
        requested_at = excluded.requested_at, received_at = excluded.received_at, decided_by = NULL, decided_at = NULL
     WHERE e.state = 'DECLINED' AND excluded.version > e.version
    RETURNING tenant_id, customer_id
    """
)
# What waits for a person alone is left until that person has decided, or a merge to look at stands no more.
_DUE = text(
    """
    SELECT e.tenant_id, e.customer_id FROM merge.erasures e
     WHERE e.state IN ('WAITING', 'CONFIRMED')
       AND (e.state = 'CONFIRMED' OR e.waiting_for <> '{AUTOMATIC_MERGE}' OR EXISTS (
             SELECT 1 FROM merge.merges m WHERE m.merge_id = ANY (CAST(e.merge_ids AS uuid[]))
                AND (m.state <> 'MERGED' OR m.undoable_until < clock_timestamp())))
     ORDER BY e.state, e.received_at, e.tenant_id, e.customer_id
    """
)
_LOCK = text(
    f"SELECT {_COLUMNS} FROM merge.erasures WHERE tenant_id = :tenant_id AND customer_id = :customer_id"
    " AND state IN ('WAITING', 'CONFIRMED') FOR UPDATE SKIP LOCKED"
)
_OF = text(f"SELECT {_COLUMNS} FROM merge.erasures WHERE tenant_id = :tenant_id AND customer_id = :customer_id")
_LIST = text(
    f"SELECT {_COLUMNS} FROM merge.erasures"
    " WHERE CAST(:states AS text[]) IS NULL OR state = ANY (CAST(:states AS text[]))"
    " ORDER BY received_at, tenant_id, customer_id"
)
_WAIT = text(
    "UPDATE merge.erasures SET waiting_for = :waiting_for, merge_ids = :merge_ids, member_ids = :member_ids"
    " WHERE tenant_id = :tenant_id AND customer_id = :customer_id"
)
_FINISH = text(
    "UPDATE merge.erasures SET state = 'DONE', waiting_for = '{}', merge_ids = '{}', member_ids = :member_ids,"
    " erased_at = :at WHERE tenant_id = :tenant_id AND customer_id = :customer_id"
)
_DECIDE = text(
    "UPDATE merge.erasures SET state = :state, decided_by = :by, decided_at = clock_timestamp()"
    " WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND state = 'WAITING'"
)
_UNDECIDED = text(
    "SELECT count(*) FROM merge.erasures WHERE state = 'WAITING' AND 'AUTOMATIC_MERGE' = ANY (waiting_for)"
)


class Erasures:
    """The table. Every method runs in the caller's transaction."""

    def ask(
        self, connection: Connection, asked: Sequence[tuple[str, str, int, str | None, datetime]], now: datetime
    ) -> set[tuple[str, str]]:
        """Keep requests (tenant, customer, version, reference, time); answers those that are news."""
        tenants, ids, versions, refs, times = (list(column) for column in zip(*asked, strict=True))
        rows = connection.execute(
            _ASK, {"tenants": tenants, "ids": ids, "versions": versions, "refs": refs, "times": times, "now": now}
        )
        return {(row.tenant_id, row.customer_id) for row in rows}

    def of(self, connection: Connection, tenant_id: str, customer_id: str) -> Erasure | None:
        """The request about a customer."""
        row = connection.execute(_OF, {"tenant_id": tenant_id, "customer_id": customer_id}).one_or_none()
        return None if row is None else _erasure(row)

    def due(self, connection: Connection) -> list[tuple[str, str]]:
        """(tenant, customer) of requests that may be able to go on, confirmed ones first, then the oldest."""
        return [(row.tenant_id, row.customer_id) for row in connection.execute(_DUE)]

    def lock(self, connection: Connection, tenant_id: str, customer_id: str) -> Erasure | None:
        """A request that is not done, locked; None when it is done by now, or somebody else works on it."""
        row = connection.execute(_LOCK, {"tenant_id": tenant_id, "customer_id": customer_id}).one_or_none()
        return None if row is None else _erasure(row)

    def listed(self, connection: Connection, states: Collection[str] | None) -> list[Erasure]:
        """All requests, or those in some states."""
        return [_erasure(row) for row in connection.execute(_LIST, {"states": None if states is None else [*states]})]

    def wait(
        self,
        connection: Connection,
        erasure: Erasure,
        *,
        waiting_for: Collection[str],
        merge_ids: Collection[str],
        member_ids: Collection[str],
    ) -> None:
        """Note what a request waits for."""
        connection.execute(
            _WAIT,
            {
                "tenant_id": erasure.tenant_id,
                "customer_id": erasure.customer_id,
                "waiting_for": [*waiting_for],
                "merge_ids": [*merge_ids],
                "member_ids": [*member_ids],
            },
        )

    def finish(self, connection: Connection, erasure: Erasure, member_ids: Collection[str], at: datetime) -> None:
        """Note that a request is done."""
        connection.execute(
            _FINISH,
            {
                "tenant_id": erasure.tenant_id,
                "customer_id": erasure.customer_id,
                "member_ids": [*member_ids],
                "at": at,
            },
        )

    def decide(self, connection: Connection, tenant_id: str, customer_id: str, *, confirmed: bool, by: str) -> bool:
        """Note a person's decision; False when nothing waits for one."""
        state = CONFIRMED if confirmed else DECLINED
        asked = {"tenant_id": tenant_id, "customer_id": customer_id, "state": state, "by": by}
        return connection.execute(_DECIDE, asked).rowcount == 1

    def undecided(self, connection: Connection) -> int:
        """How many requests wait for a person."""
        count: int = connection.execute(_UNDECIDED).scalar_one()
        return count


def _erasure(row: object) -> Erasure:
    values = {name: getattr(row, name) for name in Erasure.__slots__}
    for name in ("waiting_for", "merge_ids", "member_ids"):
        values[name] = tuple(values[name])
    return Erasure(**values)
