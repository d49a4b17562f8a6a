"""Topic merge-outcome: how the desk's commands ended, and who may go next.

Only the commands of the desk are looked at. The end of a command frees its identities, and every undecided case of
theirs is looked at again.
"""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from customer_events import (
    MergeCompleted,
    MergeDeferred,
    MergeNoop,
    MergeRecommended,
    MergeRejected,
    MergeRemoved,
    OutcomeKind,
    RuleError,
)
from event_runtime.drafts import Draft
from event_runtime.records import Received
from review_desk import cases as life
from review_desk.adapters.command_table import SentCommand
from review_desk.adapters.desk_control import lock_tenants
from review_desk.adapters.tables import DeskTables
from review_desk.application.decide_cases import ALREADY_MERGED, DecideCases
from review_desk.cases import Case, CaseState

_Terminal = MergeCompleted | MergeRejected | MergeRemoved | MergeNoop
_Notice = MergeDeferred | MergeRecommended

# Refusals that say nothing against the pair: an identity or a record moved between decision and execution. The same
# decision is made again from fresh facts.
MOVED_MEANWHILE = frozenset({"WINNER_PREVIOUSLY_MERGED", "LOSER_PREVIOUSLY_MERGED", "STALE_VERSION", "LOCK_BUSY"})


# The refusal of somebody's other content under an id of the desk's. The desk's own command still runs.
OTHER_CONTENT = "IDEMPOTENCY_KEY_REUSED"


class FollowOutcomes:
    """A handler: an outcome that was seen, or that answers somebody else's command, changes nothing."""

    def __init__(self, *, tables: DeskTables, decide: DecideCases) -> None:
        """Works on `tables` and leaves decisions to `decide`."""
        self._tables = tables
        self._decide = decide

    def handle(self, connection: Connection, received: Sequence[Received]) -> Sequence[Draft]:
        """Bring the cases up to date with the outcomes, one after the other."""
        events = [item.event for item in received if isinstance(item.event, _Terminal | _Notice)]
        lock_tenants(connection, {event.tenant_id for event in events})
        drafts: list[Draft] = []
        for event in events:
            if isinstance(event, _Notice):
                self._note(connection, event)
            elif not _is_about_other_content(event):
                drafts.extend(self._end(connection, event))
        return drafts

    def _note(self, connection: Connection, event: _Notice) -> None:
        command = self._tables.commands.sent(connection, event.tenant_id, event.command_id)
        case = None if command is None or command.outcome else self._case_of(connection, command)
        if case is None or case.state is not CaseState.APPROVED:
            return
        what = "DEFERRED" if isinstance(event, MergeDeferred) else "RECOMMENDED"
        why = (what, *_rules(event.errors))
        self._tables.cases.save(connection, [replace(case, why=why)])

    def _end(self, connection: Connection, event: _Terminal) -> list[Draft]:
        outcome = type(event).__name__
        command = self._tables.commands.end(connection, event.tenant_id, event.command_id, outcome)
        if command is None:
            return []
        case = self._case_of(connection, command)
        if case is not None and case.command_id == command.command_id and case.state is CaseState.APPROVED:
            self._tables.cases.save(connection, [_after(case, event)])
        return self._wake(connection, command)

    def _wake(self, connection: Connection, command: SentCommand) -> list[Draft]:
        identities = self._decide.fresh_identities(connection, command.tenant_id, command.customer_ids)
        touched = {*command.customer_ids, *identities.canonical, *identities.canonical.values()}
        waiting = self._tables.cases.touching(connection, command.tenant_id, touched, life.UNDECIDED)
        return self._decide(connection, command.tenant_id, waiting)

    def _case_of(self, connection: Connection, command: SentCommand) -> Case | None:
        if command.candidate_id is None:
            return None
        found = self._tables.cases.by_candidates(connection, command.tenant_id, [command.candidate_id])
        return found.get(command.candidate_id)


def _is_about_other_content(event: _Terminal) -> bool:
    return isinstance(event, MergeRejected) and any(error.rule == OTHER_CONTENT for error in event.errors)


def _after(case: Case, event: _Terminal) -> Case:
    match event:
        case MergeCompleted(kind=OutcomeKind.MERGE):
            return life.done(case, event.merge_id)
        case MergeNoop():
            return life.closed(case, ALREADY_MERGED)
        case MergeRejected():
            rules = {error.rule for error in event.errors}
            why = (f"REJECTED at {event.stage.lower()}", *_rules(event.errors))
            return life.handed_back(case, why, try_again=bool(rules) and rules <= MOVED_MEANWHILE)
        case MergeRemoved():
            return life.handed_back(case, ("REMOVED from the merge list",), try_again=False)
        case _:  # completed as something else than a merge: not what this case asked for
            return life.handed_back(case, (f"ended as {type(event).__name__}",), try_again=False)


def _rules(errors: Sequence[RuleError]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(error.rule for error in errors))
