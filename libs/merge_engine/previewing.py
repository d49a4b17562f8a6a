"""What an order would do: the planner of the merge itself, without locks and without writing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from customer_identity.merging import Disposition, MergeOrder, Moved, Noop, RuleFailure
from customer_identity.merging.planning import Judgement, judge
from customer_identity.merging.redirect_checks import Resolved, check_shape, resolve
from customer_identity.merging.rules import Parties
from merge_engine.choosing import offered_rows
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.explaining import FiguresByCustomer, load_figures, rule_checks
from merge_engine.large.sizing import crowded
from merge_engine.literals import typed_literals
from merge_engine.loading import load_asserted, load_identities, load_roots
from merge_engine.moving_children import Pair, choice_parameters, pair_parameters
from merge_engine.row_choices import foreign_rows
from merge_engine.values import FieldPreview, Preview


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """An order judged on what is there now; `judgement` is None when it stopped before any rule was asked."""

    preview: Preview
    judgement: Judgement | None = None


def preview(connection: Connection, compiled: CompiledPlan, order: MergeOrder) -> Preview:
    """Plan the order on what is there now."""
    (judged,) = _judge(connection, compiled, [order], with_figures=True)
    judgement = judged.judgement
    if judgement is None:
        return judged.preview
    moves = _moves(connection, compiled, judgement)
    choices = offered_rows(connection, compiled, judgement.parties)
    # What has no record may be no key of this database at all.
    losers = [(order.tenant_id, loser.root_id) for loser in judgement.parties.losers if loser.records]
    too_large = crowded(connection, compiled, losers) if losers else None
    failures = (*judged.preview.failures, *((too_large,) if too_large else ()))
    return replace(
        judged.preview,
        eligible=not failures,
        failures=failures,
        moves=moves,
        fields=_fields(compiled, judgement),
        choices=choices,
    )


def eligibility(
    connection: Connection, compiled: CompiledPlan, orders: Sequence[MergeOrder], *, with_figures: bool = False
) -> list[Preview]:
    """Judge many orders by a few statements; each answer is a preview without moves and fields."""
    return [judged.preview for judged in _judge(connection, compiled, orders, with_figures=with_figures)]


def _judge(
    connection: Connection, compiled: CompiledPlan, orders: Sequence[MergeOrder], *, with_figures: bool
) -> list[_Judged]:
    judged: dict[int, _Judged] = {}
    for position, order in enumerate(orders):
        misshapen = check_shape(order)
        if misshapen is not None:
            judged[position] = _Judged(preview=_stopped(order, failures=misshapen.errors))
    sound = [order for position, order in enumerate(orders) if position not in judged]
    if sound:
        places = [position for position in range(len(orders)) if position not in judged]
        found = _judge_sound(connection, compiled, sound, with_figures=with_figures)
        judged.update(zip(places, found, strict=True))
    return [judged[position] for position in range(len(orders))]


def _judge_sound(
    connection: Connection, compiled: CompiledPlan, orders: Sequence[MergeOrder], *, with_figures: bool
) -> list[_Judged]:
    roots = load_roots(connection, compiled, [(order.tenant_id, id_) for order in orders for id_ in order.touched])
    resolved = [resolve(order, {id_: roots.by_id[order.tenant_id, id_] for id_ in order.touched}) for order in orders]
    wanted = [(one.order.tenant_id, root) for one in resolved if isinstance(one, Resolved) for root in one.root_ids]
    identities = load_identities(connection, compiled, wanted) if wanted else {}
    asserted = load_asserted(connection, compiled, identities) if wanted else frozenset()
    figures = load_figures(connection, compiled, identities) if with_figures else {}
    judged = []
    for order, one in zip(orders, resolved, strict=True):
        if isinstance(one, Resolved):
            own = {root: identities[one.order.tenant_id, root] for root in one.root_ids}
            literals = typed_literals(connection, compiled, order)
            judgement = judge(one, own, asserted, compiled.policy, roots.now, literals=literals)
            foreign = foreign_rows(connection, compiled, one)
            judgement = replace(judgement, invalid=(*judgement.invalid, *foreign)) if foreign else judgement
            judged.append(_Judged(preview=_preview(compiled, judgement, figures), judgement=judgement))
        elif isinstance(one, Noop):
            judged.append(_Judged(preview=_stopped(order, noop=one)))
        else:
            judged.append(_Judged(preview=_stopped(order, failures=one.errors)))
    return judged


def _preview(compiled: CompiledPlan, judgement: Judgement, figures: FiguresByCustomer) -> Preview:
    parties, failures = judgement.parties, judgement.failures
    return Preview(
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
        warnings=judgement.evaluation.warnings,
        rules=rule_checks(compiled, judgement, figures),
        moves=(),
        fields=(),
        disposition=Disposition(compiled.plan.disposition.kind.upper()),
    )


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


def _moves(connection: Connection, compiled: CompiledPlan, judgement: Judgement) -> tuple[Moved, ...]:
    parties = judgement.parties
    winner = parties.winner
    if winner is None or judgement.invalid or not all(identity.records for identity in parties.identities):
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
    counts: dict[str, tuple[int, int]] = {}
    for child in compiled.children:
        # Entries of a table are counted in turn: one of them may be choosable.
        choosable = child.table in compiled.policy.choosable
        choices = choice_parameters(child.table, [(nobody, parties.order)]) if choosable else {}
        for _, rows, away in connection.exec_driver_sql(child.count, {**parameters, **choices}):
            before = counts.get(child.table, (0, 0))
            counts[child.table] = (before[0] + rows, before[1] + away)
    return tuple(
        Moved(table=table, rows=rows, collisions=away) for table, (rows, away) in counts.items() if rows or away
    )


def _fields(compiled: CompiledPlan, judgement: Judgement) -> tuple[FieldPreview, ...]:
    decided, parties = judgement.fields, judgement.parties
    winner = parties.winner
    if decided is None or winner is None:
        return ()
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
