"""From a command on the wire to an order for the engine, and from the engine's failures back to the wire."""

from collections.abc import Sequence
from datetime import datetime

import customer_events as wire
from customer_identity import merging
from customer_identity.merging.conversion import ConversionOrder, PartyType

MergeCommand = wire.MergeCustomers | wire.RecommendMerge

MAX_LOSERS = 1_000
"""A person who became more records than this is no person but a placeholder; and one transaction must stay short."""


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
        field_choices=tuple(map(_field_choice, command.field_choices)),
        row_choices=tuple(map(_row_choice, command.row_choices)),
        facilitator_id=command.facilitator_id,
        waived_rules=command.waived_rules,
        follow_redirects=command.follow_redirects,
        on_ineligible=_ON_INELIGIBLE[asked.on_ineligible] if asked else merging.OnIneligible.REJECT,
        approvals=tuple(map(_approval, asked.approvals)) if asked else (),
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


def conversion_order(command: wire.ConvertCustomer) -> ConversionOrder:
    """Return the order a conversion stands for."""
    return ConversionOrder(
        tenant_id=command.tenant_id,
        command_id=command.command_id,
        customer_id=command.customer_id,
        to_type=PartyType(command.to_type.value),
        contact_id=command.relationship,
        requested_by=_actor(command.requested_by),
        reason=command.reason,
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
    losers = command.loser_ids
    if len(losers) > MAX_LOSERS:
        message = f"{len(losers)} losers stand in one command; at most {MAX_LOSERS} can be merged at once"
        return [_unsound("TOO_MANY_CUSTOMERS", (), message, "Split them over several commands with the same winner.")]
    repeated = [] if len(set(losers)) == len(losers) else sorted({one for one in losers if losers.count(one) > 1})
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
    return [*errors, *_never(command)]


def names_itself(command: MergeCommand) -> list[wire.RuleError]:
    """Return the failure of a recommendation that names one customer on both sides; a merge's the engine finds."""
    if command.winner_id not in command.loser_ids:
        return []
    return [
        wire.RuleError(
            rule="SAME_RECORD",
            side=wire.Side.PAIR,
            customer_ids=(command.winner_id,),
            field="loser_ids",
            message="the winner stands among the losers",
            remediation="Name a winner and at least one other customer.",
            permanent=True,
        )
    ]


def _never(command: MergeCommand) -> list[wire.RuleError]:
    """Return why a command's own time can never come."""
    errors = []
    if command.after_command_id == command.command_id:
        errors.append(_untimely("AFTER_ITSELF", "after_command_id", "a command cannot follow itself"))
    begin, end = command.not_before, command.deadline
    if begin is not None and end is not None and end <= begin:
        errors.append(_untimely("NEVER_IN_TIME", "deadline", "the deadline is not after not_before"))
    return errors


def _untimely(rule: str, field: str, message: str) -> wire.RuleError:
    remediation = "Send a new command whose time can come."
    return wire.RuleError(
        rule=rule, side=wire.Side.SYSTEM, field=field, message=message, remediation=remediation, permanent=True
    )


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


_ON_INELIGIBLE = {one: merging.OnIneligible(one.value) for one in wire.OnIneligible}


def _field_choice(choice: wire.FieldChoice) -> merging.FieldChoice:
    return merging.FieldChoice(
        field=choice.field,
        from_customer_id=choice.from_customer_id,
        strategy=choice.strategy,
        literal=choice.literal,
    )


def _row_choice(choice: wire.RowChoice) -> merging.RowChoice:
    return merging.RowChoice(table=choice.table, keep_ids=choice.keep_ids)


def _approval(approval: wire.Approval) -> merging.ApprovalRef:
    return merging.ApprovalRef(by=approval.by, at=approval.at)


def _actor(actor: wire.Actor) -> merging.ActorRef:
    return merging.ActorRef(id=actor.id, roles=actor.roles)
