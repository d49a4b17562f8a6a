"""From a command on the wire to an order for the engine, and from the engine's failures back to the wire."""

from collections.abc import Sequence
from datetime import datetime

import customer_events as wire
from customer_identity import merging

MergeCommand = wire.MergeCustomers | wire.RecommendMerge


def merge_order(command: MergeCommand, *, first_seen_at: datetime | None = None) -> merging.MergeOrder:
    """Return the order a merge command stands for; a recommendation is ordered as nobody had approved it."""
    asked = command if isinstance(command, wire.MergeCustomers) else None
    return merging.MergeOrder(
        tenant_id=command.tenant_id,
        command_id=command.command_id,
        winner_id=command.winner_id,
        loser_ids=command.loser_ids,
        requested_by=_actor(command.requested_by),
        reason=command.reason,
        expected_versions=command.expected_versions,
        field_choices=tuple(
            merging.FieldChoice(
                field=choice.field,
                from_customer_id=choice.from_customer_id,
                strategy=choice.strategy,
                literal=choice.literal,
            )
            for choice in command.field_choices
        ),
        row_choices=tuple(
            merging.RowChoice(table=choice.table, keep_ids=choice.keep_ids) for choice in command.row_choices
        ),
        facilitator_id=command.facilitator_id,
        waived_rules=command.waived_rules,
        follow_redirects=command.follow_redirects,
        on_ineligible=merging.OnIneligible(asked.on_ineligible.value) if asked else merging.OnIneligible.REJECT,
        approvals=tuple(merging.ApprovalRef(by=one.by, at=one.at) for one in asked.approvals) if asked else (),
        candidate_id=command.candidate_id,
        candidate_revision=command.candidate_revision,
        first_seen_at=first_seen_at,
    )


def unmerge_order(command: wire.UnmergeCustomers) -> merging.UnmergeOrder:
    """Return the order an unmerge command stands for."""
    return merging.UnmergeOrder(
        tenant_id=command.tenant_id,
        command_id=command.command_id,
        merge_id=command.merge_id,
        requested_by=_actor(command.requested_by),
        reason=command.reason,
        loser_ids=command.loser_ids,
        mode=merging.UnmergeMode(command.mode.value),
    )


def not_duplicate_order(command: wire.MarkNotDuplicate) -> merging.NotDuplicateOrder:
    """Return the order an assertion, or its withdrawal, stands for."""
    return merging.NotDuplicateOrder(
        tenant_id=command.tenant_id,
        command_id=command.command_id,
        customer_ids=command.customer_ids,
        requested_by=_actor(command.requested_by),
        reason=command.reason,
        withdrawn=command.withdrawn,
    )


def rule_errors(failures: Sequence[merging.RuleFailure]) -> list[wire.RuleError]:
    """Return failed rules as outcomes carry them."""
    return [
        wire.RuleError(
            rule=failure.rule,
            side=wire.Side(failure.side.value),
            customer_ids=failure.customer_ids,
            field=failure.field,
            message=failure.message,
            remediation=failure.remediation,
            permanent=failure.permanent,
        )
        for failure in failures
    ]


def unsound(command: MergeCommand) -> list[wire.RuleError]:
    """Return what is wrong with a merge command by itself, before any customer is looked at."""
    repeated = sorted({one for one in command.loser_ids if command.loser_ids.count(one) > 1})
    errors: list[wire.RuleError] = []
    if repeated:
        errors.append(
            _unsound(
                "LOSER_REPEATED", tuple(repeated), "a customer stands more than once among the losers", "Name it once."
            )
        )
    if command.winner_id is None and len(set(command.loser_ids)) < 2:
        errors.append(
            _unsound(
                "TOO_FEW_CUSTOMERS",
                command.loser_ids[:1],
                "a merge without a winner needs two customers to choose from",
                "Name a winner, or all the customers among the losers.",
            )
        )
    return errors


def _unsound(rule: str, ids: tuple[str, ...], message: str, remediation: str) -> wire.RuleError:
    return wire.RuleError(
        rule=rule,
        side=wire.Side.LOSER,
        customer_ids=ids,
        field="loser_ids",
        message=message,
        remediation=remediation,
        permanent=True,
    )


def _actor(actor: wire.Actor) -> merging.ActorRef:
    return merging.ActorRef(id=actor.id, roles=actor.roles)
