"""Topic merge-command: claim each command once, then do the batch's commands in order.

A command claimed for the first time is done; the same one again gets the outcome stored for it and
nothing else; other content under its id is refused without touching what is stored. Whether a command
counts in full is the authority's to say (see `admission`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from customer_events import RuleError, Side, Stage
from event_runtime.codec import EventTooLarge
from event_runtime.failpoints import failpoint
from event_runtime.handler import Refusal, RefusedFault
from event_runtime.inbox import ClaimState, Inbox
from event_runtime.outbox import Draft
from event_runtime.records import Received
from event_runtime.retry import FaultClass
from merge_worker.adapters.commands import AnyCommand, Command
from merge_worker.adapters.outcomes import Outcomes
from merge_worker.adapters.stream_events import OutsideContract
from merge_worker.application.admission import Arrival, Authority, admit
from merge_worker.application.deferral import LOCK_BUSY, TOO_LARGE
from merge_worker.application.order_of_work import rounds

# Of a statement, of a whole transaction.
_TOOK_TOO_LONG = frozenset({"57014", "25P04"})

UseCase = Callable[[Connection, Sequence[Command], datetime], Sequence[Draft]]
"""Does commands of one kind, in their order, at a time; returns everything to publish about them."""

PutOff = Callable[[Connection, Sequence[Command], datetime, str], Sequence[Draft]]
"""Puts commands of one kind aside for a reason, LOCK_BUSY or TOO_LARGE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandleCommands:
    """The handler of topic merge-command.

    `authority` says which commands are believed. `cases` does commands and `put_off` puts those aside that find no
    lock, both by the name of the command. `alone` are those that lock customers one command after the other. `count`
    hears what becomes of a batch: the drafts about its new commands, and how many commands were known.
    """

    inbox: Inbox
    outcomes: Outcomes
    authority: Authority
    cases: Mapping[str, UseCase]
    put_off: Mapping[str, PutOff]
    alone: frozenset[str]
    clock: Callable[[Connection], datetime]
    count: Callable[[Connection, Sequence[Draft], int], None]

    def handle(self, connection: Connection, received: Sequence[Received]) -> Sequence[Draft]:
        """Do a batch inside the caller's transaction and return what to publish."""
        now = self.clock(connection)
        fresh, known = self._claim(connection, received, now)
        failpoint("after_claim")
        commands, drafts = self._admit(connection, fresh, now)
        for kinds in rounds(commands):
            for kind, commands in kinds.items():
                drafts.extend(self.cases[kind](connection, commands, now))
        self.count(connection, drafts, len(received) - len(fresh))
        return [*known, *drafts]

    def refuse(self, connection: Connection, received: Received, fault: RefusedFault) -> Refusal | None:
        """Answer a command that cannot be carried out even alone.

        What the database refuses for good, or no event can tell, is the command's own outcome. A merge whose
        customers stay locked is put aside; any other command ends, for those behind it in the partition wait. Anything
        else is no statement about the command: None, and nothing claimed.
        """
        if not isinstance(received.event, AnyCommand):
            return None
        kind = type(received.event).__name__
        is_busy = fault.fault_class is FaultClass.CONTENTION
        untold = not_tellable(fault.fault)
        if not is_busy and untold is None and fault.fault_class not in {FaultClass.DATA, FaultClass.STALE}:
            return None
        now = self.clock(connection)
        fresh, known = self._claim(connection, [received], now)
        commands, drafts = self._admit(connection, fresh, now)
        for command in commands:
            # What is put off is done later without another look at its proof.
            error = untold or (in_the_way(fault.sqlstate) if is_busy else database_refused(fault.sqlstate))
            if is_busy and command.proven and kind in self.put_off:
                drafts.extend(self.put_off[kind](connection, [command], now, error.rule))
            else:
                drafts.append(self.outcomes.rejected(command, Stage.EXECUTION, [error], now))
        return Refusal(drafts=(*known, *drafts))

    def _admit(
        self, connection: Connection, fresh: Sequence[Arrival], now: datetime
    ) -> tuple[list[Command], list[Draft]]:
        admitted = admit(self.authority, connection, fresh, now)
        refused = [
            self.outcomes.rejected(command, Stage.AUTHORISATION, [error], now) for command, error in admitted.refused
        ]
        return admitted.commands, refused

    def _claim(
        self, connection: Connection, received: Sequence[Received], now: datetime
    ) -> tuple[list[Arrival], list[Draft]]:
        commands = [Command.of(item.event) for item in received]
        claims = self.inbox.claim(
            connection,
            [
                (command.tenant_id, command.command_id, item.digest)
                for command, item in zip(commands, received, strict=True)
            ],
        )
        fresh: list[Arrival] = []
        drafts: list[Draft] = []
        for command, item, claim in zip(commands, received, claims, strict=True):
            match claim.state:
                case ClaimState.NEW:
                    fresh.append(Arrival(command=command, received=item))
                case ClaimState.DUPLICATE if claim.outcome is not None:
                    drafts.append(claim.outcome.draft())
                case ClaimState.DUPLICATE:
                    # Not ended yet: it waits, or it is being done in this very batch. Its one
                    # outcome answers every copy.
                    continue
                case ClaimState.CONFLICT:
                    drafts.append(self.outcomes.key_reused(command, item.digest, now))
        return fresh, drafts


def in_the_way(sqlstate: str | None) -> RuleError:
    """Return the failure of a command that did not come to its end in time, however often it was tried."""
    is_late = sqlstate in _TOOK_TOO_LONG
    return RuleError(
        rule=TOO_LARGE if is_late else LOCK_BUSY,
        side=Side.SYSTEM,
        message="the change takes longer than a transaction may" if is_late else "others kept the records locked",
        remediation="Send the command again under a new id" + (", at a quiet time." if is_late else "."),
        permanent=False,
    )


def not_tellable(fault: Exception | None) -> RuleError | None:
    """Return the failure of a command whose outcome no event can tell; None for any other fault."""
    if not isinstance(fault, OutsideContract | EventTooLarge):
        return None
    return RuleError(
        rule="NOT_TELLABLE",
        side=Side.SYSTEM,
        message=f"no event can tell of the change: {fault}",
        remediation="Split the command over several, or remove rows with external ids that nobody needs.",
        permanent=True,
    )


def database_refused(sqlstate: str | None) -> RuleError:
    """Return the failure of a command whose own data the database does not take."""
    return RuleError(
        rule="DATABASE_REFUSED",
        side=Side.SYSTEM,
        message=f"the database refused the change (SQLSTATE {sqlstate or 'unknown'})",
        remediation="Look for a constraint or trigger on the customer tables that the merge plan does not know of.",
        permanent=True,
    )
