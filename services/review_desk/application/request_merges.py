"""A person asks for a merge that no case proposes, recommends one, or takes one off the worker's list."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection
from uuid_utils import uuid7

from customer_events import Actor, Approval, MergeCustomers, OnIneligible, RecommendMerge, RemoveMerge
from customer_identity.merging import RuleFailure
from event_runtime.drafts import Draft
from event_runtime.publisher import Publisher
from merge_engine import MergeEngine
from review_desk.adapters.command_table import SentCommand
from review_desk.adapters.decision_log import DecisionKind, DecisionMade
from review_desk.adapters.desk_control import database_time, lock_tenants
from review_desk.adapters.tables import DeskTables
from review_desk.application.approve_cases import Choices, may_merge
from review_desk.application.decide_cases import DecideCases
from review_desk.merge_commands import as_order, decided, recommended
from review_desk.objections import Objection, no_person, objection


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of it: the commands that were sent, or why none was, with all the rules that stand against it.

    `awaits_second`: it stands on the worker's list, approved once, and another person has to approve it.
    """

    command_ids: tuple[str, ...] = ()
    awaits_second: bool = False
    drafts: tuple[Draft, ...] = ()
    refused: str | None = None
    failures: tuple[RuleFailure, ...] = ()


class RequestMerges:
    """Makes commands from what a person typed: each is a new command with an id of its own."""

    def __init__(self, *, tables: DeskTables, merges: MergeEngine, decide: DecideCases, publisher: Publisher) -> None:
        """Works on `tables` and previews with `merges`."""
        self._tables = tables
        self._merges = merges
        self._decide = decide
        self._publisher = publisher

    def merge(
        self, connection: Connection, tenant_id: str, actor: Actor, losers: Sequence[str], choices: Choices
    ) -> Asked:
        """Merge the losers into `choices.winner_id`, if no rule forbids it and nothing of theirs is in flight."""
        if not may_merge(actor):
            return Asked(refused="needs the role merge; without it a merge can only be recommended")
        lock_tenants(connection, [tenant_id])
        now = database_time(connection)
        command = MergeCustomers(
            tenant_id=tenant_id,
            command_id=str(uuid7()),
            winner_id=choices.winner_id,
            loser_ids=tuple(losers),
            **decided(fields=choices.fields, rows=choices.rows, facilitator_id=choices.facilitator_id),
            waived_rules=choices.waived_rules,
            on_ineligible=OnIneligible.WAIT if choices.wait_until_eligible else OnIneligible.REJECT,
            not_before=choices.not_before,
            requested_by=actor,
            approvals=(Approval(by=actor.id, at=now),),
            reason=choices.reason,
            issued_at=now,
        )
        return self.send(connection, command, DecisionKind.MERGE_ASKED, may_fail_now=choices.may_fail_now)

    def send(
        self,
        connection: Connection,
        command: MergeCustomers,
        kind: DecisionKind,
        *,
        may_fail_now: bool,
        recommendation_id: str | None = None,
        alone: str | None = None,
    ) -> Asked:
        """Send a merge that a person decided, under the tenant's lock, unless something stands against it now.

        With `may_fail_now` only what time cannot mend stands against it. `recommendation_id` is the command that put
        it on the worker's list, if it stands there: above a threshold of the plan that is where it waits, unless
        `alone` says why it cannot.
        """
        order = as_order(command)
        preview = self._merges.preview(connection, order)
        if preview.noop is not None:
            return Asked(refused=f"they are one customer already: {preview.noop.canonical_id}")
        match objection(preview.failures, may_fail_now=may_fail_now):
            case Objection.RULES:
                return Asked(refused="rules stand against it", failures=preview.failures)
            case Objection.SECOND_PERSON:
                if refusal := alone or no_person(command.requested_by.id):
                    return Asked(refused=refusal)
                return self._await_second(connection, command, recommendation_id)
            case Objection.NONE:
                pass
        identities = self._decide.fresh_identities(connection, command.tenant_id, order.named)
        roots = sorted({identities.root(customer_id) for customer_id in order.named})
        if taken := self._tables.commands.busy(connection, command.tenant_id, roots):
            busy = ", ".join(sorted(taken))
            return Asked(
                refused=f"a merge of {busy} is in flight ({', '.join(sorted(set(taken.values())))}); try again"
            )
        # Several merges may share a winner, so only who may be merged away is taken.
        winner = None if command.winner_id is None else identities.root(command.winner_id)
        self._send(connection, command, kind, order.named, takes=[root for root in roots if root != winner])
        if recommendation_id is not None:
            self._tables.first_approvals.forget(connection, command.tenant_id, recommendation_id)
        return Asked(command_ids=(command.command_id,), drafts=(self._publisher.draft(command),))

    def _await_second(self, connection: Connection, command: MergeCustomers, recommendation_id: str | None) -> Asked:
        """Keep what was approved once beside its line on the worker's list, which it gets if it has none."""
        listed = recommendation_id or str(uuid7())
        self._tables.first_approvals.put(connection, listed, command)
        if recommendation_id is not None:
            made = _decision(command, DecisionKind.APPROVED, as_order(command).named)
            self._tables.decisions.add(connection, [replace(made, command_id=listed)])
            return Asked(awaits_second=True)
        line = recommended(command, listed)
        self._send(connection, line, DecisionKind.MERGE_ASKED, as_order(command).named)
        return Asked(command_ids=(listed,), drafts=(self._publisher.draft(line),), awaits_second=True)

    def recommend(
        self, connection: Connection, tenant_id: str, actor: Actor, losers: Sequence[str], choices: Choices
    ) -> Asked:
        """Put the merge on the worker's list for somebody with the role merge."""
        now = database_time(connection)
        command = RecommendMerge(
            tenant_id=tenant_id,
            command_id=str(uuid7()),
            winner_id=choices.winner_id,
            loser_ids=tuple(losers),
            **decided(fields=choices.fields, rows=choices.rows, facilitator_id=choices.facilitator_id),
            waived_rules=choices.waived_rules,
            not_before=choices.not_before,
            requested_by=actor,
            reason=choices.reason,
            issued_at=now,
        )
        self._send(connection, command, DecisionKind.RECOMMENDED, (*filter(None, (choices.winner_id,)), *losers))
        return Asked(command_ids=(command.command_id,), drafts=(self._publisher.draft(command),))

    def remove(
        self, connection: Connection, tenant_id: str, actor: Actor, request_ids: Sequence[str], reason: str
    ) -> Asked:
        """Take these requests off the worker's list."""
        commands = [
            RemoveMerge(
                tenant_id=tenant_id,
                command_id=str(uuid7()),
                request_id=request_id,
                requested_by=actor,
                reason=reason,
            )
            for request_id in request_ids
        ]
        for command in commands:
            self._send(connection, command, DecisionKind.REMOVED, ())
        return Asked(
            command_ids=tuple(command.command_id for command in commands),
            drafts=tuple(self._publisher.draft(command) for command in commands),
        )

    def _send(
        self,
        connection: Connection,
        command: MergeCustomers | RecommendMerge | RemoveMerge,
        kind: DecisionKind,
        customer_ids: Sequence[str],
        *,
        takes: Sequence[str] = (),
    ) -> None:
        sent = SentCommand(
            tenant_id=command.tenant_id,
            command_id=command.command_id,
            command_type=type(command).__name__,
            candidate_id=None,
            customer_ids=tuple(customer_ids),
            actor=command.requested_by.id,
            content=command.model_dump_json(),
            takes=tuple(takes),
        )
        self._tables.commands.send(connection, [sent])
        self._tables.decisions.add(connection, [_decision(command, kind, customer_ids)])


def _decision(
    command: MergeCustomers | RecommendMerge | RemoveMerge, kind: DecisionKind, customer_ids: Sequence[str]
) -> DecisionMade:
    return DecisionMade(
        decision=kind,
        decided_by=command.requested_by.id,
        roles=command.requested_by.roles,
        reason=command.reason,
        tenant_id=command.tenant_id,
        command_id=command.command_id,
        detail={"customers": list(customer_ids)},
    )
