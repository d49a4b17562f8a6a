"""How the rows of a child table follow their customer: a few statements a table for all merges of a wave.

Every statement takes the CTE `t` of names.pairs, journals what it does by a CTE of its own, and answers with rows
(merge_id, …) that the executor counts. Statements that put rows aside run before the one that moves the rest, so no
row ever collides with one that is about to go.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from merge_engine.plan_file import (
    BlockIfExists,
    Child,
    CopyMissing,
    KeepOnLoser,
    Plan,
    Repoint,
    RepointUnique,
    SumIntoWinner,
)
from merge_engine.statements.child_choices import choose, offered, owned_ids
from merge_engine.statements.child_copies import copy, count_copies
from merge_engine.statements.child_moves import count_all, move, refresh_winner
from merge_engine.statements.child_preview import count_played, entries_that_meet
from merge_engine.statements.child_ranking import count_ranked, remove_losing
from merge_engine.statements.child_self import clear_self, remove_self
from merge_engine.statements.child_sums import count_sums, create_sum, sum_up
from merge_engine.statements.names import Names
from merge_engine.statements.owners import ChildRows


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildStatements:
    """The statements of one entry of the plan's children, in the order in which they run.

    choose: puts rows aside that the order did not keep; takes the choices as well; answers (merge_id, n).
    offer: the rows to choose among. owned_ids: which of some ids are rows of some customers.
    remove_self: puts rows aside that would connect the winner with itself: (merge_id, n).
    remove: puts losing rows aside: (merge_id, is_removed, n, channel, granted, evidence); the last three only of a
    consent table. clear_self: clears the customer of rows that would connect the winner with itself: (merge_id, n).
    create: of a table whose figures are summed. move, total, copy: (merge_id, n, loser_id, winner_id, system,
    external_id); the last four only of an external id table. refresh: copies changed fields of winners.
    count: what would be moved and put aside: (merge_id, moved, put aside).
    """

    label: str
    table: str
    count: str
    choose: str | None = None
    offer: str | None = None
    owned_ids: str | None = None
    remove_self: str | None = None
    remove: str | None = None
    clear_self: str | None = None
    create: str | None = None
    move: str | None = None
    total: str | None = None
    copy: str | None = None
    refresh: str | None = None
    announces_external_ids: bool = False
    decides_consent: bool = False
    sums: tuple[str, ...] = ()
    equals: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def child_statements(plan: Plan, names: Names) -> tuple[ChildStatements, ...]:
    """Compile the entries of a plan's children that move something."""
    compiled = (_child(child, plan, names) for child in plan.children)
    return tuple(statements for statements in compiled if statements is not None)


def _child(child: Child, plan: Plan, names: Names) -> ChildStatements | None:
    rows = ChildRows.of(child, names)
    match child:
        case Repoint() | RepointUnique():
            return _moved(child, rows, plan, names)
        case SumIntoWinner():
            return ChildStatements(
                label=rows.label,
                table=child.table,
                count=count_sums(child, rows, names),
                create=create_sum(child, rows, names),
                total=sum_up(child, rows, names),
                sums=child.sum,
                equals={column: (other.table, other.column) for column, other in child.equals.items()},
            )
        case CopyMissing():
            return ChildStatements(
                label=rows.label,
                table=child.table,
                count=count_copies(child, rows, names),
                copy=copy(child, rows, names),
            )
        case KeepOnLoser() | BlockIfExists():
            return None


def _moved(child: Repoint | RepointUnique, rows: ChildRows, plan: Plan, names: Names) -> ChildStatements:
    ranked = child if isinstance(child, RepointUnique) and child.collision.policy != "block" else None
    to_itself = child.to_itself or ("clear" if child.table == plan.customer.table else "keep")
    return ChildStatements(
        label=rows.label,
        table=child.table,
        count=_count(child, rows, plan, names),
        choose=choose(child, rows, names) if child.choosable else None,
        offer=offered(rows, names) if child.choosable else None,
        owned_ids=owned_ids(rows, names) if child.choosable else None,
        remove_self=remove_self(child, rows, plan, names) if to_itself == "remove" else None,
        remove=None if ranked is None else remove_losing(ranked, rows, names),
        clear_self=clear_self(child, rows, plan, names) if to_itself == "clear" else None,
        move=move(child, rows, plan, names),
        refresh=refresh_winner(child, rows, names) if child.refresh else None,
        announces_external_ids=isinstance(child, Repoint) and child.external_id is not None,
        decides_consent=isinstance(child, RepointUnique) and child.consent is not None,
    )


def _count(child: Repoint | RepointUnique, rows: ChildRows, plan: Plan, names: Names) -> str:
    met = entries_that_meet(child, plan)
    if met:
        return count_played(met, plan, names)
    if isinstance(child, RepointUnique) and child.collision.policy != "block":
        return count_ranked(child, rows, names)
    return count_all(child, rows, names)
