"""Is everything that points at a customer moved, or left alone for a stated reason?"""

from collections.abc import Iterator

from merge_engine.checking.faults import PlanFault
from merge_engine.checking.named_columns import owner_of
from merge_engine.live_schema import LiveSchema
from merge_engine.plan_file import Plan
from merge_engine.suspects import Suspicion, find_suspects


def check_coverage(plan: Plan, schema: LiveSchema) -> Iterator[PlanFault]:
    """Foreign keys to the customer table, suspects beside them, and reasons that stand for nothing."""
    covered = {(child.table, owner_of(plan, child).customer) for child in plan.children}
    covered |= {(plan.customer.table, column) for column in (plan.disposition.column,) if column is not None}
    for table, key in schema.referring_to(plan.customer.table):
        columns = [
            column
            for column, target in zip(key.columns, key.target_columns, strict=True)
            if plan.customer.tenant is None or target != plan.customer.tenant.column
        ]
        if not any((table.name, column) in covered or _ignored(plan, table.name, column) for column in columns):
            names = ", ".join(columns)
            message = (
                f"{table.name} ({names}): foreign key {key.name} reaches the customers and nothing moves its rows; "
                f"add it under children, or under ignore as {table.name}.{columns[0]} with the reason"
            )
            yield PlanFault(location=("children",), message=message)
    customers = schema.tables[plan.customer.table]
    for suspect in find_suspects(schema, customers, plan.customer.key.column):
        if (suspect.table, suspect.column) in covered or _ignored(plan, suspect.table, suspect.column):
            continue
        beside = f" beside {suspect.kind_column}" if suspect.why is Suspicion.POLYMORPHIC else ""
        message = (
            f"{suspect.table}.{suspect.column}{beside}: {suspect.why.value}, though no foreign key says so; add it "
            f"under children, or under ignore as {suspect.table}.{suspect.column} with the reason"
        )
        yield PlanFault(location=("children",), message=message)
    yield from _ignored_in_vain(plan, schema)


def _ignored(plan: Plan, table: str, column: str) -> bool:
    return table in plan.ignore or f"{table}.{column}" in plan.ignore


def _ignored_in_vain(plan: Plan, schema: LiveSchema) -> Iterator[PlanFault]:
    for name in plan.ignore:
        table, _, column = name.partition(".")[2].partition(".")
        live = schema.tables.get(f"{name.partition('.')[0]}.{table}")
        if live is None or (column and column not in live.columns):
            message = f"{name}: there is no such table or column; take it out of ignore"
            yield PlanFault(location=("ignore", name), message=message)
