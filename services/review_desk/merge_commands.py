"""From a decision to the command on the wire, and to the order that a preview understands."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from customer_events import (
    Actor,
    Approval,
    FieldChoice,
    MarkNotDuplicate,
    MergeCustomers,
    OnIneligible,
    RecommendMerge,
    RowChoice,
)
from customer_identity import merging
from customer_identity.approval import ApprovalPolicy
from review_desk.cases import Case, PersonApproval

# Commands of cases have derived ids: the same decision about the same revision is the same command, however often it
# is made.
_COMMANDS: Final = uuid.UUID("0f6b6a0a-3f0e-5c34-8a36-5b5d2f6a9d11")

MERGE_ROLE: Final = "merge"


def command_id(case: Case) -> str:
    """The id of the next command of a case: a function of case, revision and how many were sent before."""
    name = "\n".join((case.tenant_id, case.candidate_id, str(case.revision), str(case.attempts + 1)))
    return str(uuid.uuid5(_COMMANDS, name))


def rejection_id(case: Case) -> str:
    """The id of the command that keeps a case's pair apart."""
    name = "\n".join((case.tenant_id, case.candidate_id, str(case.revision), "not duplicate"))
    return str(uuid.uuid5(_COMMANDS, name))


def policy_actor(policy: ApprovalPolicy) -> Actor:
    """Who asks when nobody had to be asked."""
    return Actor(id=f"policy:{policy.name}", roles=(MERGE_ROLE,))


def by_policy(
    case: Case, roots: Sequence[str], policy: ApprovalPolicy, versions: Mapping[str, int], now: datetime
) -> MergeCustomers:
    """The command that the policy gives: the plan chooses the winner among the roots."""
    actor = policy_actor(policy)
    return MergeCustomers(
        tenant_id=case.tenant_id,
        command_id=command_id(case),
        winner_id=None,
        loser_ids=tuple(roots),
        expected_versions={root: versions[root] for root in roots if root in versions},
        requested_by=actor,
        approvals=(Approval(by=actor.id, at=now),),
        reason=f"duplicate, {case.grade.lower()}",
        candidate_id=case.candidate_id,
        candidate_revision=case.revision,
        issued_at=now,
    )


def by_person(
    case: Case, roots: Sequence[str], winner_id: str | None, approval: PersonApproval, now: datetime
) -> MergeCustomers:
    """The command that a person gave; `winner_id` is one of the roots, or None: the plan chooses."""
    approvals = [Approval(by=approval.by, at=approval.at)]
    if approval.second_by is not None and approval.second_at is not None:
        approvals.append(Approval(by=approval.second_by, at=approval.second_at))
    return MergeCustomers(
        tenant_id=case.tenant_id,
        command_id=command_id(case),
        winner_id=winner_id,
        loser_ids=tuple(root for root in roots if root != winner_id),
        **decided(fields=approval.field_choices, rows=approval.row_choices, facilitator_id=approval.facilitator_id),
        waived_rules=approval.waived_rules,
        on_ineligible=OnIneligible.WAIT if approval.wait_until_eligible else OnIneligible.REJECT,
        not_before=approval.not_before,
        requested_by=Actor(id=approval.by, roles=approval.roles),
        approvals=tuple(approvals),
        reason=approval.reason,
        candidate_id=case.candidate_id,
        candidate_revision=case.revision,
        issued_at=now,
    )


def keep_apart(case: Case, customer_ids: Sequence[str], actor: Actor, reason: str) -> MarkNotDuplicate:
    """The command that says that the pair of a case are different people."""
    return MarkNotDuplicate(
        tenant_id=case.tenant_id,
        command_id=rejection_id(case),
        customer_ids=tuple(customer_ids),
        requested_by=actor,
        reason=reason,
    )


def approved(
    asked: MergeCustomers | RecommendMerge,
    command_id: str,
    actor: Actor,
    *,
    reason: str,
    waived_rules: Sequence[str],
    wait: bool,
    not_before: datetime | None,
    now: datetime,
) -> MergeCustomers:
    """The command that carries out what somebody recommended, with all that they had decided along with it.

    Only rules that the approver waives are waived: what was asked to be waived is for them to see, not to inherit.
    """
    return MergeCustomers(
        tenant_id=asked.tenant_id,
        command_id=command_id,
        winner_id=asked.winner_id,
        loser_ids=asked.loser_ids,
        expected_versions=asked.expected_versions,
        field_choices=asked.field_choices,
        row_choices=asked.row_choices,
        facilitator_id=asked.facilitator_id,
        waived_rules=tuple(dict.fromkeys(waived_rules)),
        on_ineligible=OnIneligible.WAIT if wait else OnIneligible.REJECT,
        follow_redirects=asked.follow_redirects,
        after_command_id=asked.after_command_id,
        not_before=not_before or asked.not_before,
        deadline=asked.deadline,
        requested_by=actor,
        approvals=(Approval(by=actor.id, at=now),),
        reason=reason or asked.reason,
        candidate_id=asked.candidate_id,
        candidate_revision=asked.candidate_revision,
        issued_at=now,
    )


def seconded(first: MergeCustomers, second: MergeCustomers, *, decided: bool) -> MergeCustomers | None:
    """What two people approved, as the first asked for it; None when the second `decided` something else about it."""
    same = {"waived_rules", "on_ineligible", "not_before"}
    if decided and first.model_dump(include=same) != second.model_dump(include=same):
        return None
    return first.model_copy(
        update={"command_id": second.command_id, "approvals": (*first.approvals, *second.approvals)}
    )


def recommended(merge: MergeCustomers, command_id: str) -> RecommendMerge:
    """The same merge for the worker's list: another person is to approve it."""
    fields = {name: getattr(merge, name) for name in RecommendMerge.model_fields if name != "command_id"}
    return RecommendMerge(**fields, command_id=command_id)


def decided(
    *,
    fields: Sequence[tuple[str, str]],
    rows: Sequence[tuple[str, tuple[str, ...]]],
    facilitator_id: str | None,
) -> dict[str, Any]:
    """What a person decides along with a merge, as fields of the command."""
    return {
        "field_choices": tuple(FieldChoice(field=name, from_customer_id=customer_id) for name, customer_id in fields),
        "row_choices": tuple(RowChoice(table=table, keep_ids=ids) for table, ids in rows),
        "facilitator_id": facilitator_id,
    }


def as_order(command: MergeCustomers | RecommendMerge, *, first_seen_at: datetime | None = None) -> merging.MergeOrder:
    """The command as the merge engine takes it, for a preview. `first_seen_at` is since when it waits, if it does."""
    asked = command if isinstance(command, MergeCustomers) else None
    return merging.MergeOrder(
        tenant_id=command.tenant_id,
        command_id=command.command_id,
        winner_id=command.winner_id,
        loser_ids=command.loser_ids,
        requested_by=merging.ActorRef(id=command.requested_by.id, roles=command.requested_by.roles),
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
