"""What an order would do: the planner of the merge itself, without locks and without writing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from customer_identity.merging import MergeOrder, Moved, Noop, RuleFailure
from customer_identity.merging.field_decisions import decide_fields, invalid_choices
from customer_identity.merging.identity_pack import AssertedPairs, identity_pack
from customer_identity.merging.planning import check_eligibility, parties_of
from customer_identity.merging.redirect_checks import Resolved, check_shape, resolve
from customer_identity.merging.rules import Evaluation, Parties
from merge_engine.applying import Pair, pair_parameters
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.loading import load_asserted, load_identities, load_roots
from merge_engine.values import FieldPreview, Preview, RuleCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """An order judged on what is there now; `parties` is None when it stopped before any rule was asked."""

    preview: Preview
    parties: Parties | None = None


def preview(connection: Connection, compiled: CompiledPlan, order: MergeOrder) -> Preview:
    """Plan the order on what is there now."""
    (judged,) = _judge(connection, compiled, [order])
    parties = judged.parties
    if parties is None:
        return judged.preview
    fields = () if invalid_choices(parties, compiled.policy) else _fields(compiled, parties)
    return replace(judged.preview, moves=_moves(connection, compiled, parties), fields=fields)


def eligibility(connection: Connection, compiled: CompiledPlan, orders: Sequence[MergeOrder]) -> list[Preview]:
    """Judge many orders by a few statements; each answer is a preview without moves and fields."""
    return [judged.preview for judged in _judge(connection, compiled, orders)]


def _judge(connection: Connection, compiled: CompiledPlan, orders: Sequence[MergeOrder]) -> list[_Judged]:
    judged: dict[int, _Judged] = {}
    for position, order in enumerate(orders):
        misshapen = check_shape(order)
        if misshapen is not None:
            judged[position] = _Judged(preview=_stopped(order, failures=misshapen.errors))
    sound = [order for position, order in enumerate(orders) if position not in judged]
    if sound:
        places = (position for position in range(len(orders)) if position not in judged)
        judged.update(zip(list(places), _judge_sound(connection, compiled, sound), strict=True))
    return [judged[position] for position in range(len(orders))]


def _judge_sound(connection: Connection, compiled: CompiledPlan, orders: Sequence[MergeOrder]) -> list[_Judged]:
    roots = load_roots(connection, compiled, [(order.tenant_id, id_) for order in orders for id_ in order.named])
    resolved = [resolve(order, {id_: roots.by_id[order.tenant_id, id_] for id_ in order.named}) for order in orders]
    wanted = [(one.order.tenant_id, root) for one in resolved if isinstance(one, Resolved) for root in one.root_ids]
    identities = load_identities(connection, compiled, wanted) if wanted else {}
    asserted = load_asserted(connection, compiled, identities) if wanted else frozenset()
    judged = []
    for order, one in zip(orders, resolved, strict=True):
        if isinstance(one, Resolved):
            own = {root: identities[one.order.tenant_id, root] for root in one.root_ids}
            judged.append(_judge_resolved(compiled, parties_of(one, own, compiled.policy), asserted))
        elif isinstance(one, Noop):
            judged.append(_Judged(preview=_stopped(order, noop=one)))
        else:
            judged.append(_Judged(preview=_stopped(order, failures=one.errors)))
    return judged


def _judge_resolved(compiled: CompiledPlan, parties: Parties, asserted: AssertedPairs) -> _Judged:
    evaluation = check_eligibility(parties, asserted, compiled.policy)
    failures = (*invalid_choices(parties, compiled.policy), *evaluation.failures)
    answer = Preview(
        eligible=not failures,
        noop=None,
        winner_id=None if parties.winner is None else parties.winner.root_id,
        loser_ids=tuple(loser.root_id for loser in parties.losers),
        members=tuple(member.customer_id for identity in parties.identities for member in identity.members),
        versions={
            member.customer_id: member.version
            for identity in parties.identities
            for member in identity.records
            if member.version is not None
        },
        failures=failures,
        warnings=evaluation.warnings,
        rules=_rules(compiled, evaluation),
        moves=(),
        fields=(),
    )
    return _Judged(preview=answer, parties=parties)


def _stopped(order: MergeOrder, *, noop: Noop | None = None, failures: tuple[RuleFailure, ...] = ()) -> Preview:
    return Preview(
        eligible=False,
        noop=noop,
        winner_id=order.winner_id,
        loser_ids=order.loser_ids,
        members=order.named,
        versions={},
        failures=failures,
        warnings=(),
        rules=(),
        moves=(),
        fields=(),
    )


def _rules(compiled: CompiledPlan, evaluation: Evaluation) -> tuple[RuleCheck, ...]:
    """Every rule once; a rule that the plan declares in several forms passes when all of them do."""
    names = dict.fromkeys(rule.name for rule in (*identity_pack(frozenset()), *compiled.policy.rules))
    found: Mapping[str, list[RuleFailure]] = {name: [] for name in names}
    for failure in (*evaluation.failures, *evaluation.warnings):
        found[failure.rule].append(failure)
    blocking = {failure.rule for failure in evaluation.failures}
    return tuple(
        RuleCheck(rule=name, passed=not failures, blocking=name in blocking, failures=tuple(failures))
        for name, failures in found.items()
    )


def _moves(connection: Connection, compiled: CompiledPlan, parties: Parties) -> tuple[Moved, ...]:
    winner = parties.winner
    if winner is None or not all(identity.records for identity in parties.identities):
        return ()
    nobody = "00000000-0000-0000-0000-000000000000"
    parameters = pair_parameters(
        [
            Pair(
                merge_id=nobody,
                tenant_id=parties.order.tenant_id,
                loser_id=loser.root_id,
                winner_id=winner.root_id,
                position=position,
            )
            for position, loser in enumerate(parties.losers, start=1)
        ]
    )
    counted = (
        (child.table, connection.exec_driver_sql(child.count, parameters).one_or_none()) for child in compiled.children
    )
    return tuple(
        Moved(table=table, rows=row[1], collisions=row[2])
        for table, row in counted
        if row is not None and (row[1] or row[2])
    )


def _fields(compiled: CompiledPlan, parties: Parties) -> tuple[FieldPreview, ...]:
    winner = parties.winner
    if winner is None or winner.root.version is None or not all(loser.root.version for loser in parties.losers):
        return ()
    decided = decide_fields(winner, parties.losers, parties.order.field_choices, compiled.policy)
    facts = {field.field: field.fact for field in compiled.policy.fields}
    previews = []
    for decision in decided.decisions:
        fact = facts[decision.field]
        value = decided.patch.get(decision.field, winner.root.facts[fact])
        previews.append(
            FieldPreview(
                decision=decision,
                value=None if value is None else str(value),
                alternatives=_alternatives(parties, fact),
            )
        )
    return tuple(previews)


def _alternatives(parties: Parties, fact: int) -> dict[str, str]:
    return {
        identity.root_id: str(identity.root.facts[fact])
        for identity in parties.identities
        if identity.root.facts[fact] is not None
    }
