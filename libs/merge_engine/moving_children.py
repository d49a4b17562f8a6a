"""The rows of child tables, moved for a wave: what hangs on the losers follows them, table by table."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from sqlalchemy import Connection

from customer_identity.merging import ConsentDecision, ExternalIdMove, MergeOrder, Moved
from event_runtime.columns import longs, texts
from event_runtime.database import execute
from frozen_values import dataclass
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.statements.children import ChildStatements


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One loser of one merge; `position` is its place in the order, from 1.

    `facilitator_id` takes the rows that a facilitator takes; None is the winner. `patch` holds the fields of the winner
    that the merge is about to write, as JSON.
    """

    merge_id: str
    tenant_id: str
    loser_id: str
    winner_id: str
    position: int
    facilitator_id: str | None = None
    patch: str = "{}"


@dataclass(frozen=False, slots=True)
class ChildMoves:
    """What moving the children of a wave did, by merge id."""

    rows: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    collisions: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    external_ids: dict[str, list[ExternalIdMove]] = field(default_factory=lambda: defaultdict(list))
    consents: dict[str, list[ConsentDecision]] = field(default_factory=lambda: defaultdict(list))

    def tables(self, children: Sequence[ChildStatements]) -> tuple[str, ...]:
        """The tables in which anything happened, in the order of the plan."""
        touched = {table for _, table in (*self.rows, *self.collisions)}
        return tuple(dict.fromkeys(child.table for child in children if child.table in touched))

    def moved(self, merge_id: str, tables: Sequence[str]) -> tuple[Moved, ...]:
        """Figures by table; tables that the merge did not touch are left out."""
        moved = []
        for table in tables:
            at = (merge_id, table)
            rows, collisions = self.rows.get(at, 0), self.collisions.get(at, 0)
            if rows or collisions:
                moved.append(Moved(table=table, rows=rows, collisions=collisions))
        return tuple(moved)


def move_children(
    connection: Connection,
    compiled: CompiledPlan,
    pairs: Sequence[Pair],
    orders: Sequence[tuple[str, MergeOrder]] = (),
    *,
    parameters: Mapping[str, Any] | None = None,
    moving: Collection[str] = (),
    occupied: Collection[str] | None = None,
) -> ChildMoves:
    """Choose, put aside, move, sum and copy all rows that hang on the losers; `orders` by merge id hold the choices.

    `parameters` are those of the pairs, if the caller has made them already.
    Rows that can follow in chunks are left where they are for the merges in `moving`. With `occupied`, only the
    children with these labels have rows of losers: in most of the others there is nothing to do.
    """
    moves = ChildMoves()
    parameters = parameters or pair_parameters(pairs)
    at_once = pair_parameters([pair for pair in pairs if pair.merge_id not in moving]) if moving else parameters
    for child in compiled.children:
        choices = choice_parameters(child.table, orders) if child.choose is not None else {}
        if not (occupied is None or child.label in occupied or child.refresh or choices.get("choice_merges")):
            continue
        later = moving and child.label in compiled.chunks.tables
        _put_aside(connection, child, {**parameters, **choices}, moves, chosen=bool(choices.get("choice_merges")))
        _move(connection, child, {**(at_once if later else parameters), **choices}, moves)
    return moves


def choice_parameters(table: str, orders: Iterable[tuple[str, MergeOrder]]) -> dict[str, list[str]]:
    """The choices of the orders (by merge id) for a table, as the statements of a choosable table take them."""
    chosen = [
        (merge_id, choice.keep_ids)
        for merge_id, order in orders
        for choice in order.row_choices
        if choice.table == table
    ]
    kept = [(merge_id, row_id) for merge_id, keep_ids in chosen for row_id in keep_ids]
    return {
        "choice_merges": [merge_id for merge_id, _ in chosen],
        "keep_merges": [merge_id for merge_id, _ in kept],
        "keep_ids": [row_id for _, row_id in kept],
    }


def pair_parameters(pairs: Sequence[Pair]) -> Mapping[str, Any]:
    """The parameters of the CTE `t`, encoded once for all the statements that have it."""
    return {
        "merge_ids": texts([pair.merge_id for pair in pairs]),
        "tenants": texts([pair.tenant_id for pair in pairs]),
        "losers": texts([pair.loser_id for pair in pairs]),
        "winners": texts([pair.winner_id for pair in pairs]),
        "positions": longs([pair.position for pair in pairs]),
        "takers": texts([pair.facilitator_id or pair.winner_id for pair in pairs]),
        "patches": texts([pair.patch for pair in pairs]),
    }


def _put_aside(
    connection: Connection, child: ChildStatements, parameters: Mapping[str, Any], moves: ChildMoves, *, chosen: bool
) -> None:
    """What was not chosen, what would connect the winner with itself, what lost a collision."""
    if child.choose is not None and chosen:
        _count(connection, child.choose, parameters, moves.collisions, child.table)
    if child.remove_self is not None:
        _count(connection, child.remove_self, parameters, moves.collisions, child.table)
    if child.remove is not None:
        for merge_id, removed, count, *consent in execute(connection, child.remove, parameters):
            if removed:
                moves.collisions[merge_id, child.table] += count
            else:
                moves.consents[merge_id].append(_consent(*consent))
    if child.clear_self is not None:
        _count(connection, child.clear_self, parameters, moves.rows, child.table)


def _move(connection: Connection, child: ChildStatements, parameters: Mapping[str, Any], moves: ChildMoves) -> None:
    """The rows that are left."""
    if child.create is not None:
        execute(connection, child.create, parameters)
    for statement in (child.move, child.total, child.copy):
        if statement is not None:
            for merge_id, count, *ids in execute(connection, statement, parameters):
                moves.rows[merge_id, child.table] += count
                if ids:
                    moves.external_ids[merge_id].append(_external_id(*ids))
    if child.refresh is not None:
        execute(connection, child.refresh, parameters)


def _count(
    connection: Connection,
    statement: str,
    parameters: Mapping[str, Any],
    counts: dict[tuple[str, str], int],
    table: str,
) -> None:
    for merge_id, count in execute(connection, statement, parameters):
        counts[merge_id, table] += count


def _consent(channel: str, granted: object, evidence: str | None) -> ConsentDecision:
    return ConsentDecision(channel=channel, result="GRANTED" if granted is True else "DENIED", evidence=evidence)


def _external_id(loser_id: str, winner_id: str, system: str, id_: str) -> ExternalIdMove:
    return ExternalIdMove(system=system, id=id_, from_id=loser_id, to_id=winner_id)
