"""Can what a merge takes away be taken away, and brought back when the merge is undone?"""

from collections.abc import Iterator

from merge_engine.checking.faults import PlanFault
from merge_engine.checking.named_columns import owner_of
from merge_engine.live_schema import LiveSchema
from merge_engine.plan_file import Child, CopyMissing, KeepOnLoser, Plan, Repoint, RepointUnique, SumIntoWinner


def check_disposal(plan: Plan, schema: LiveSchema) -> Iterator[PlanFault]:
    """Deleted records, rows put aside, and what refers to either."""
    if plan.disposition.kind == "delete":
        yield from _deleted_records(plan, schema)
    for place, child in enumerate(plan.children):
        if _puts_aside(child):
            yield from _put_aside(plan, schema, child, place)
    own = schema.tables[plan.customer.table]
    for column in plan.disposition.set:
        if own.columns[column].generated:
            message = f"{own.name}.{column}: the database computes it; it cannot mark a loser"
            yield PlanFault(location=("disposition", "set", column), message=message)


def _deleted_records(plan: Plan, schema: LiveSchema) -> Iterator[PlanFault]:
    for table, key in schema.referring_to(plan.customer.table):
        if key.cascades:
            message = (
                f"{table.name}: foreign key {key.name} is ON DELETE CASCADE: with a loser its rows would go; "
                "make it ON DELETE RESTRICT, or use disposition inactivate or link"
            )
            yield PlanFault(location=("disposition", "kind"), message=message)
    for place, child in enumerate(plan.children):
        keeps = isinstance(child, KeepOnLoser | CopyMissing)
        losing = getattr(child, "losing_rows", None) or getattr(getattr(child, "collision", None), "losing_rows", None)
        if keeps or losing == "keep_on_loser":
            what = child.move if keeps else "losing_rows: keep_on_loser"
            message = (
                f"{child.table}: {what} leaves rows on a loser that disposition delete takes away; use another of both"
            )
            yield PlanFault(location=("children", place, "move"), message=message)


def _puts_aside(child: Child) -> bool:
    if isinstance(child, RepointUnique):
        return child.collision.policy != "block" and child.collision.losing_rows == "remove"
    if isinstance(child, SumIntoWinner):
        return child.losing_rows == "remove"
    return isinstance(child, Repoint) and (child.choosable or child.to_itself == "remove")


def _put_aside(plan: Plan, schema: LiveSchema, child: Child, place: int) -> Iterator[PlanFault]:
    """Rows that go must not be referred to, and must be such that they can be written again."""
    generated = [name for name, column in schema.tables[child.table].columns.items() if column.generated]
    if generated:
        message = f"{child.table}: rows with generated columns ({', '.join(generated)}) cannot be put aside"
        yield PlanFault(location=("children", place, "move"), message=message)
    moved = {(one.table, owner_of(plan, one).customer) for one in plan.children}
    for table, key in schema.referring_to(child.table):
        if table.name == plan.customer.table or any((table.name, column) in moved for column in key.columns):
            continue
        if f"{table.name}.{key.columns[0]}" in plan.ignore:
            continue
        message = (
            f"{child.table}: rows that are put aside may be referred to by {table.name} ({', '.join(key.columns)}); "
            f"use losing_rows: keep_on_loser, or put {table.name}.{key.columns[0]} under ignore with the reason"
        )
        yield PlanFault(location=("children", place, "move"), message=message)
