"""Do rows that move keep every unique constraint, and can each be told from the others?"""

from collections.abc import Iterator

from merge_engine.checking.faults import PlanFault
from merge_engine.checking.named_columns import Owner, owner_of
from merge_engine.live_schema import LiveSchema, LiveTable
from merge_engine.plan_file import Child, CopyMissing, Plan, Repoint, RepointUnique, SumIntoWinner


def check_uniqueness(plan: Plan, schema: LiveSchema) -> Iterator[PlanFault]:
    """Unique keys over a moved column without a collision policy, and rows without an id."""
    for place, child in enumerate(plan.children):
        live, owner = schema.tables[child.table], owner_of(plan, child)
        if isinstance(child, Repoint | RepointUnique | CopyMissing):
            yield from _collisions(child, live, owner, place)
        if not isinstance(child, SumIntoWinner):
            yield from _row_ids(child, live, owner, place)
        elif not any({owner.customer} <= set(key.columns) <= {owner.customer, owner.tenant} for key in live.unique):
            message = f"{child.table}: sum_into_winner needs one row a customer; add a unique key on {owner.customer}"
            yield PlanFault(location=("children", place, "move"), message=message)


def _collisions(
    child: Repoint | RepointUnique | CopyMissing, live: LiveTable, owner: Owner, place: int
) -> Iterator[PlanFault]:
    for key in live.unique:
        others = set(key.columns) - {owner.customer, owner.tenant}
        if owner.customer not in key.columns:
            if isinstance(child, CopyMissing) and not key.primary:
                message = f"{child.table}: copies would break {key.name}; use repoint"
                yield PlanFault(location=("children", place, "move"), message=message)
            continue
        if isinstance(child, Repoint):
            if not _holds_row_id(child, others):
                message = (
                    f"{child.table}: {key.name} makes moved rows collide; use repoint_unique with a collision policy"
                )
                yield PlanFault(location=("children", place, "move"), message=message)
        elif isinstance(child, RepointUnique) and child.one_flagged is not None and key.partial and not others:
            continue  # at most one flagged row a customer: that the move looks after
        elif not set(child.unique) <= others and not _holds_row_id(child, others):
            over = ", ".join(sorted(others)) or "nothing else: one row a customer"
            message = f"{child.table}: {key.name} is over {over}; the plan's unique columns must be among them"
            yield PlanFault(location=("children", place, "unique"), message=message)


def _holds_row_id(child: Repoint | RepointUnique | CopyMissing, others: set[str]) -> bool:
    """A key that holds the row's own id beside the customer never collides."""
    return set(child.row_id_columns) <= others


def _row_ids(child: Child, live: LiveTable, owner: Owner, place: int) -> Iterator[PlanFault]:
    """Rows of one customer must be told apart; the columns that say whose a row is do not count."""
    if isinstance(child, SumIntoWinner) or not child.row_id_columns:
        return
    ids = {*child.row_id_columns, owner.customer, owner.tenant}
    whole = [key for key in live.unique if not key.partial and not key.expressions]
    if not any(set(key.columns) <= ids for key in whole):
        names = ", ".join(child.row_id_columns)
        remedy = (
            f"take row_id: {' or '.join(', '.join(key.columns) for key in whole)}" if whole else "add a primary key"
        )
        message = f"{child.table}: {names} does not tell its rows apart; {remedy}"
        yield PlanFault(location=("children", place, "row_id"), message=message)
