"""Everything the worker publishes, as drafts: terminal outcomes, notices, and what merges tell the world.

A terminal outcome answers its command, so the inbox keeps it and gives it again to whoever repeats
the command. Ids are computed (event_ids): a transaction that is run again publishes the same events.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import customer_events as wire
from customer_events import unchecked
from customer_identity import merging
from customer_identity.merging.conversion import ConversionOrder, Converted
from event_runtime.outbox import Draft
from event_runtime.publisher import Publisher
from event_runtime.records import MessageKey
from merge_engine import MovingMerge, ReturningMerge
from merge_worker.adapters.commands import Command
from merge_worker.adapters.relink_ledger import RequiredAck
from merge_worker.adapters.stream_events import customer_converted, customer_merged, customer_unmerged, rows_moved
from merge_worker.application import event_ids
from merge_worker.application.deferral import Overdue, Wait

# Made for every merge: see stream_events.
_MergeCompleted = unchecked(wire.MergeCompleted)
_CustomerAlias = unchecked(wire.CustomerAlias)

KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"

Asked = Command | merging.MergeOrder | merging.UnmergeOrder | merging.NotDuplicateOrder
"""What a rejection answers: a command, or what the engine made of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Drafts of the worker's events. `systems` must acknowledge every change of the identity map within `due`."""

    publisher: Publisher
    systems: tuple[str, ...] = ()
    due: timedelta = timedelta(hours=1)

    def merged(self, result: merging.Merged) -> list[Draft]:
        """CustomerMerged, a CustomerAlias for each id whose answer changed, and MergeCompleted."""
        order = result.order
        event = customer_merged(result, self._wire_acks(result.merged_at))
        drafts = [self._stream_event(event, result.merge_id), *self._aliases(order, result.merge_id, result.redirects)]
        completed = _MergeCompleted(
            tenant_id=order.tenant_id,
            command_id=order.command_id,
            merge_id=result.merge_id,
            kind=wire.OutcomeKind.MERGE,
            winner_id=result.winner.id,
            rows=wire.RowsState(result.rows),
            warnings=tuple(wire.Warning_(rule=one.rule, message=one.message) for one in result.warnings),
            completed_at=result.merged_at,
        )
        return [*drafts, self._placed_terminal(completed)]

    def unmerged(self, result: merging.Unmerged) -> list[Draft]:
        """CustomerUnmerged, a CustomerAlias for each id whose answer changed, and MergeCompleted."""
        order = result.order
        event = customer_unmerged(result, self._wire_acks(result.at))
        drafts = [
            self._stream_event(event, result.unmerge_id),
            *self._aliases(order, result.unmerge_id, result.redirects),
        ]
        completed = wire.MergeCompleted(
            tenant_id=order.tenant_id,
            command_id=order.command_id,
            merge_id=result.merge_id,
            kind=wire.OutcomeKind.UNMERGE,
            winner_id=result.from_id,
            rows=wire.RowsState.COMPLETE,
            completed_at=result.at,
        )
        return [*drafts, self._placed_terminal(completed)]

    def converted(self, result: Converted) -> list[Draft]:
        """CustomerConverted, a CustomerAlias for each id whose answer changed, and MergeCompleted."""
        order = result.order
        completed = wire.MergeCompleted(
            tenant_id=order.tenant_id,
            command_id=order.command_id,
            merge_id=result.conversion_id,
            kind=wire.OutcomeKind.CONVERT,
            winner_id=result.customer.id,
            rows=wire.RowsState.COMPLETE,
            completed_at=result.at,
        )
        return [
            self._stream_event(customer_converted(result), result.conversion_id),
            *self._aliases(order, result.conversion_id, result.redirects),
            self._placed_terminal(completed),
        ]

    def not_duplicate(self, command: Command, at: datetime) -> Draft:
        """Terminal: the assertion is recorded, or withdrawn."""
        return self._terminal(
            wire.MergeCompleted(
                tenant_id=command.tenant_id,
                command_id=command.command_id,
                merge_id=event_ids.assertion_id(command.tenant_id, command.command_id),
                kind=wire.OutcomeKind.NOT_DUPLICATE,
                rows=wire.RowsState.COMPLETE,
                completed_at=at,
            )
        )

    def noop(self, command: Command, reason: str, canonical_id: str) -> Draft:
        """Terminal: there was nothing to do."""
        return self._terminal(
            wire.MergeNoop(
                tenant_id=command.tenant_id,
                command_id=command.command_id,
                reason=wire.NoopReason(reason),
                canonical_id=canonical_id,
            )
        )

    def rejected(self, command: Asked, stage: wire.Stage, errors: Sequence[wire.RuleError], at: datetime) -> Draft:
        """Terminal: refused, with every failing rule."""
        return self._terminal(_rejection(command, stage, errors, at))

    def removed(self, command: Command, request_id: str, at: datetime) -> Draft:
        """Terminal: taken off the list."""
        return self._terminal(
            wire.MergeRemoved(tenant_id=command.tenant_id, command_id=command.command_id, request_id=request_id, at=at)
        )

    def key_reused(self, command: Command, digest: bytes, at: datetime) -> Draft:
        """Refusal of other content under a used command id; it answers nothing and leaves the stored outcome alone."""
        error = wire.RuleError(
            rule=KEY_REUSED,
            side=wire.Side.SYSTEM,
            field="command_id",
            message="a command with this id and other content was accepted before",
            remediation="Send the command under an id of its own.",
            permanent=True,
        )
        return self.publisher.draft(
            _rejection(command, wire.Stage.VALIDATION, [error], at),
            event_id=event_ids.conflict_id(command.tenant_id, command.command_id, digest),
        )

    def recommended(
        self, command: Command, request_id: str, errors: Sequence[wire.RuleError], *, eligible: bool
    ) -> Draft:
        """Notice: it waits for somebody who may merge. `eligible`: it could be done as things are."""
        event = wire.MergeRecommended(
            tenant_id=command.tenant_id,
            command_id=command.command_id,
            request_id=request_id,
            eligible=eligible,
            errors=tuple(errors),
        )
        return self._notice(event, "recommended", 0)

    def deferred(self, command: Command, wait: Wait, errors: Sequence[wire.RuleError], number: int) -> Draft:
        """Notice: it will be tried again; the `number`-th one about this command."""
        event = wire.MergeDeferred(
            tenant_id=command.tenant_id,
            command_id=command.command_id,
            until=wait.until,
            waiting_for=wait.waiting_for,
            errors=tuple(errors),
        )
        return self._notice(event, "deferred", number)

    def returning(self, result: merging.RowsReturning) -> Draft:
        """Notice, the first: the rows of a large merge begin to go back."""
        event = wire.MergeProgressed(
            tenant_id=result.order.tenant_id,
            command_id=result.order.command_id,
            merge_id=result.merge_id,
            rows_moved=0,
            rows_total=result.rows,
        )
        return self._notice(event, "progressed", 0)

    def progressed(self, merge: MovingMerge | ReturningMerge, number: int) -> Draft:
        """Notice: how far a large merge is, or its undo; the `number`-th one about the command."""
        event = wire.MergeProgressed(
            tenant_id=merge.tenant_id,
            command_id=merge.command_id,
            merge_id=merge.merge_id,
            rows_moved=merge.rows_moved,
            rows_total=merge.rows_total,
        )
        return self._notice(event, "progressed", number)

    def rows_moved(self, merge: MovingMerge) -> Draft:
        """RowsMoved: a large merge has come to its end."""
        return self._stream_event(rows_moved(merge), merge.merge_id)

    def required_acks(self, result: merging.Merged | merging.Unmerged) -> list[RequiredAck]:
        """What the ledger has to expect of a change."""
        match result:
            case merging.Merged():
                change_id, at = result.merge_id, result.merged_at
            case merging.Unmerged():
                change_id, at = result.unmerge_id, result.at
        return [
            RequiredAck(tenant_id=result.order.tenant_id, merge_id=change_id, system=system, due_at=at + self.due)
            for system in self.systems
        ]

    def _wire_acks(self, at: datetime) -> tuple[wire.RequiredAck, ...]:
        return tuple(wire.RequiredAck(system=system, due_at=at + self.due) for system in self.systems)

    def _stream_event(self, event: wire.StreamEvent, change_id: str) -> Draft:
        name = type(event).__name__
        return self.publisher.draft(event, event_id=event_ids.stream_event_id(event.tenant_id, change_id, name))

    def _aliases(
        self,
        order: merging.MergeOrder | merging.UnmergeOrder | ConversionOrder,
        change_id: str,
        redirects: Sequence[merging.Redirect],
    ) -> list[Draft]:
        return [self._alias(order.tenant_id, change_id, redirect) for redirect in redirects]

    def _alias(self, tenant_id: str, change_id: str, redirect: merging.Redirect) -> Draft:
        alias = _CustomerAlias(
            tenant_id=tenant_id,
            retired_id=redirect.from_id,
            canonical_id=redirect.canonical,
            version=redirect.version,
            merge_id=change_id,
            stream=0,
            sequence=0,
        )
        event_id = event_ids.stream_event_id(tenant_id, change_id, "CustomerAlias", redirect.from_id)
        return self.publisher.draft_after(alias, event_id=event_id)

    def _terminal(self, event: Any) -> Draft:
        command = _key(event)
        return self.publisher.draft(event, event_id=event_ids.terminal_id(*command), answers=command)

    def _placed_terminal(self, event: wire.MergeCompleted) -> Draft:
        command = _key(event)
        return self.publisher.draft_after(event, event_id=event_ids.terminal_id(*command), answers=command)

    def _notice(
        self, event: wire.MergeDeferred | wire.MergeRecommended | wire.MergeProgressed, name: str, number: int
    ) -> Draft:
        return self.publisher.draft(
            event, event_id=event_ids.notice_id(event.tenant_id, event.command_id, name, number)
        )


def overdue_error(overdue: Overdue) -> wire.RuleError:
    """Return the failure of a command that waited too long."""
    return wire.RuleError(
        rule=overdue.rule,
        side=wire.Side.SYSTEM,
        field=overdue.field,
        message=overdue.message,
        remediation=overdue.remediation,
        permanent=True,
    )


def _rejection(command: Asked, stage: wire.Stage, errors: Sequence[wire.RuleError], at: datetime) -> wire.MergeRejected:
    return wire.MergeRejected(
        tenant_id=command.tenant_id, command_id=command.command_id, stage=stage, errors=tuple(errors), at=at
    )


def _key(event: Any) -> MessageKey:
    return MessageKey(event.tenant_id, event.command_id)
