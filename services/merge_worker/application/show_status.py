"""What is known of a customer, a command, a request or a merge; or of the worker as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from merge_engine import LargeMerge, MergeEngine
from merge_worker.adapters.customer_states import CustomerState, CustomerStates
from merge_worker.adapters.relink_ledger import LedgerEntry, RelinkLedger, SystemSummary
from merge_worker.adapters.requests import Request, Requests

_CLAIMED = text(
    "SELECT claimed_at, outcome_type, outcome_id FROM merge.inbox"
    " WHERE tenant_id = :tenant_id AND message_id = :command_id"
)
_MERGES = text(
    """
    SELECT m.merge_id::text AS merge_id, m.command_id, m.state, m.winner_id, m.actor, m.merged_at, m.undoable_until,
           array(SELECT e.loser_id FROM merge.edges e WHERE e.merge_id = m.merge_id ORDER BY e.loser_id) AS loser_ids
      FROM merge.merges m
     WHERE m.tenant_id = :tenant_id
       AND (m.merge_id::text = :id OR m.command_id = :id OR m.winner_id = :id
            OR m.merge_id IN (SELECT e.merge_id FROM merge.edges e WHERE e.tenant_id = :tenant_id AND e.loser_id = :id))
     ORDER BY m.merged_at, m.merge_id
    """
)
_TOTALS = text(
    """
    SELECT (SELECT count(*) FROM merge.merges) AS merges,
           (SELECT count(*) FROM merge.inbox) AS commands,
           (SELECT count(*) FROM merge.inbox WHERE outcome_id IS NULL) AS open_commands,
           (SELECT count(*) FROM merge.quarantine WHERE state = 'HELD') AS quarantined,
           (SELECT coalesce(sum(h.position - p.position), 0)::bigint
              FROM merge.outbox_heads h JOIN merge.outbox_published p USING (stream)) AS unpublished_rows
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeStatus:
    """A merge, who has relinked it and, of a large one, how far its rows are."""

    merge_id: str
    command_id: str
    state: str
    winner_id: str
    loser_ids: tuple[str, ...]
    actor: str
    merged_at: datetime
    undoable_until: datetime
    relinked: tuple[LedgerEntry, ...]
    large: LargeMerge | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandStatus:
    """A command: when it was accepted, and its terminal outcome if it has ended."""

    command_id: str
    accepted_at: datetime
    outcome: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerStatus:
    """A customer and who it is now. `merged` are the ids that lead to it; `version` is None for a deleted record."""

    customer_id: str
    status: str | None
    canonical_id: str
    version: int | None
    merged: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusOf:
    """All that goes by one id. `state` is what became of the customer with this id, whether it has a record or not."""

    state: CustomerState | None
    customer: CustomerStatus | None
    command: CommandStatus | None
    requests: tuple[Request, ...]
    merges: tuple[MergeStatus, ...]

    @property
    def found(self) -> bool:
        """Whether anything goes by the id."""
        return bool(self.state or self.customer or self.command or self.requests or self.merges)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusOfAll:
    """The worker as a whole; requests by state."""

    merges: int
    commands: int
    open_commands: int
    quarantined: int
    unpublished_rows: int
    requests: Mapping[str, int]
    systems: tuple[SystemSummary, ...]
    moving: tuple[LargeMerge, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowStatus:
    """The use case; reads only."""

    engine: MergeEngine
    requests: Requests
    ledger: RelinkLedger
    states: CustomerStates

    def of(self, connection: Connection, tenant_id: str, any_id: str) -> StatusOf:
        """Return all that goes by an id in a tenant."""
        customer = self._customer(connection, tenant_id, any_id)
        state = self.states.of(connection, tenant_id, any_id)
        if state is None and customer is not None:
            state = self.states.untouched(tenant_id, any_id)
        return StatusOf(
            state=state,
            customer=customer,
            command=_command(connection, tenant_id, any_id),
            requests=tuple(self.requests.about(connection, tenant_id, any_id)),
            merges=self._merges(connection, tenant_id, any_id),
        )

    def of_all(self, connection: Connection) -> StatusOfAll:
        """Return the counts of the whole database."""
        totals = connection.execute(_TOTALS).one()
        return StatusOfAll(
            merges=totals.merges,
            commands=totals.commands,
            open_commands=totals.open_commands,
            quarantined=totals.quarantined,
            unpublished_rows=totals.unpublished_rows,
            requests=self.requests.counts(connection),
            systems=tuple(self.ledger.summary(connection)),
            moving=tuple(self.engine.large.still_moving(connection)),
        )

    def _customer(self, connection: Connection, tenant_id: str, customer_id: str) -> CustomerStatus | None:
        account = self.engine.account(connection, tenant_id, customer_id)
        if account is None:
            return self._deleted(connection, tenant_id, customer_id)
        return CustomerStatus(
            customer_id=customer_id,
            status=account.summary.status,
            canonical_id=account.canonical.canonical_id,
            version=account.summary.version,
            merged=tuple(one.customer_id for one in account.merged_accounts),
        )

    def _deleted(self, connection: Connection, tenant_id: str, customer_id: str) -> CustomerStatus | None:
        """A customer whose record is gone and whose id still leads somewhere."""
        canonical = self.engine.canonical(connection, tenant_id, [customer_id])[customer_id]
        if canonical.canonical_id == customer_id:
            return None
        return CustomerStatus(
            customer_id=customer_id, status=None, canonical_id=canonical.canonical_id, version=None, merged=()
        )

    def _merges(self, connection: Connection, tenant_id: str, any_id: str) -> tuple[MergeStatus, ...]:
        rows = connection.execute(_MERGES, {"tenant_id": tenant_id, "id": any_id}).all()
        large = self.engine.large.among(connection, [row.merge_id for row in rows])
        return tuple(
            MergeStatus(
                merge_id=row.merge_id,
                command_id=row.command_id,
                state=row.state,
                winner_id=row.winner_id,
                loser_ids=tuple(row.loser_ids),
                actor=row.actor,
                merged_at=row.merged_at,
                undoable_until=row.undoable_until,
                relinked=tuple(self.ledger.of_merge(connection, tenant_id, row.merge_id)),
                large=large.get(row.merge_id),
            )
            for row in rows
        )


def _command(connection: Connection, tenant_id: str, command_id: str) -> CommandStatus | None:
    row = connection.execute(_CLAIMED, {"tenant_id": tenant_id, "command_id": command_id}).one_or_none()
    if row is None:
        return None
    return CommandStatus(command_id=command_id, accepted_at=row.claimed_at, outcome=row.outcome_type)
