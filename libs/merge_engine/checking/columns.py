"""Are the tables and columns there, and of types that what is asked of them can work with?"""

from collections.abc import Iterator

from merge_engine.checking.faults import PlanFault
from merge_engine.checking.named_columns import named_columns, owner_of
from merge_engine.column_types import INTEGERS, KEYS, NUMBERS, TEXT, TIMES
from merge_engine.live_schema import LiveSchema, LiveTable
from merge_engine.plan_file import Plan, Repoint, RepointUnique, SumIntoWinner

_BOOLEAN = frozenset({"boolean"})
_STRATEGY_TYPES = {
    "CONCAT": TEXT,
    "MOST_RESTRICTIVE": _BOOLEAN,
    "SUM": NUMBERS,
    "UNION": frozenset({*TEXT, "text[]", "character varying[]"}),
}
_COLLISION_TYPES = {
    "most_restrictive": _BOOLEAN,
    "newest": frozenset({*TIMES, *NUMBERS}),
    "oldest": frozenset({*TIMES, *NUMBERS}),
    "latest_evidence": TIMES,
}


def check_names(plan: Plan, schema: LiveSchema) -> Iterator[PlanFault]:
    """Tables and columns that are not there (or that this role may not see)."""
    for location, table, column in named_columns(plan):
        live = schema.tables.get(table)
        if live is None:
            message = f"{table}: there is no such table; correct the name, or grant this role the right to see it"
            yield PlanFault(location=location, message=message)
        elif column not in live.columns:
            message = f"{table}.{column}: there is no such column; one of: {', '.join(sorted(live.columns))}"
            yield PlanFault(location=location, message=message)


def check_types(plan: Plan, schema: LiveSchema) -> Iterator[PlanFault]:
    """Columns whose type cannot do what the plan asks."""
    own = schema.tables[plan.customer.table]
    yield from _customer_types(plan, own)
    for name, field in plan.fields.items():
        allowed = _STRATEGY_TYPES.get(field.strategy)
        type_ = own.columns[name].type
        if allowed is not None and type_ not in allowed:
            message = f"{own.name}.{name}: {field.strategy} needs {_any_of(allowed)}, the column is {type_}"
            yield PlanFault(location=("fields", name), message=message)
        if own.columns[name].generated:
            message = f"{own.name}.{name}: the database computes it; leave it out"
            yield PlanFault(location=("fields", name), message=message)
        if field.time is not None and own.columns[field.time].type not in TIMES:
            message = (
                f"{own.name}.{field.time}: {field.strategy} needs a time, the column is {own.columns[field.time].type}"
            )
            yield PlanFault(location=("fields", name, "time"), message=message)
    yield from _threshold_types(plan, schema)
    yield from _child_types(plan, schema)


def _threshold_types(plan: Plan, schema: LiveSchema) -> Iterator[PlanFault]:
    for place, threshold in enumerate(plan.two_people):
        source = threshold.sum
        if source is None:
            continue
        name = source.table or plan.customer.table
        type_ = schema.tables[name].columns[source.column].type
        if type_ not in NUMBERS:
            message = f"{name}.{source.column}: only numbers can be added up, the column is {type_}"
            yield PlanFault(location=("two_people", place, "sum", "column"), message=message)


def _customer_types(plan: Plan, own: LiveTable) -> Iterator[PlanFault]:
    for part, key in (("key", plan.customer.key), ("tenant", plan.customer.tenant)):
        if key is not None and own.columns[key.column].type not in KEYS[key.type]:
            message = f"{own.name}.{key.column}: the plan says {key.type}, the column is {own.columns[key.column].type}"
            yield PlanFault(location=("customer", part, "type"), message=message)
    version = plan.customer.version
    if version is not None and own.columns[version].type not in INTEGERS:
        message = f"{own.name}.{version}: a version must be a whole number; leave it out to go by a hash of the row"
        yield PlanFault(location=("customer", "version"), message=message)
    updated_at = plan.customer.updated_at
    if updated_at is not None and own.columns[updated_at].type not in TIMES:
        message = f"{own.name}.{updated_at}: must be a time, the column is {own.columns[updated_at].type}"
        yield PlanFault(location=("customer", "updated_at"), message=message)


def _child_types(plan: Plan, schema: LiveSchema) -> Iterator[PlanFault]:
    key = plan.customer.key.type
    for place, child in enumerate(plan.children):
        live, at = schema.tables[child.table], ("children", place)
        owner = live.columns[owner_of(plan, child).customer].type
        if owner not in KEYS[child.customer_type or key]:
            message = f"{child.table}: the customer column is {owner}; say so with customer_type, as it is not {key}"
            yield PlanFault(location=(*at, "customer"), message=message)
        if isinstance(child, SumIntoWinner):
            for column in child.sum:
                if live.columns[column].type not in NUMBERS:
                    message = f"{child.table}.{column}: only numbers can be summed"
                    yield PlanFault(location=(*at, "sum"), message=message)
        if isinstance(child, RepointUnique):
            yield from _collision_types(child, live, place)
        if isinstance(child, Repoint | RepointUnique):
            for column in child.refresh:
                if live.columns[column].generated:
                    message = f"{child.table}.{column}: the database computes it; take it out of refresh"
                    yield PlanFault(location=(*at, "refresh", column), message=message)


def _collision_types(child: RepointUnique, live: LiveTable, place: int) -> Iterator[PlanFault]:
    at = ("children", place)
    granted = None if child.consent is None else child.consent.granted
    policy, column = child.collision.policy, child.collision.column
    allowed = _COLLISION_TYPES.get(policy)
    if allowed is not None and column is not None and live.columns[column].type not in allowed:
        message = (
            f"{child.table}.{column}: {policy} needs {_any_of(allowed)}, the column is {live.columns[column].type}"
        )
        yield PlanFault(location=(*at, "collision", "column"), message=message)
    for key, flag in (("one_flagged", child.one_flagged), ("consent", granted)):
        if flag is not None and live.columns[flag].type != "boolean":
            message = f"{child.table}.{flag}: must be a boolean, the column is {live.columns[flag].type}"
            yield PlanFault(location=(*at, key), message=message)


def _any_of(types: frozenset[str]) -> str:
    return " or ".join(sorted(types))
