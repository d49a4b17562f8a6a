"""Can what a conversion and an erasure write be written? They run once in a while: nobody would notice before."""

from collections.abc import Iterator

from merge_engine.checking.faults import Location, PlanFault
from merge_engine.column_types import KEYS, NUMBERS, TIMES
from merge_engine.live_schema import LiveSchema, LiveTable
from merge_engine.plan_file import Plan
from merge_engine.plan_file.parts import Scalar

_BOOLEAN = frozenset({"boolean"})


def check_conversion(plan: Plan, schema: LiveSchema) -> Iterator[PlanFault]:
    """The column of the type, the columns that are emptied, the table of the primary contact."""
    own, type_, conversion = schema.tables[plan.customer.table], plan.customer.type, plan.conversion
    if type_ is not None:
        for key in ("individual", "organisation"):
            yield from _holds(own, type_.column, getattr(type_, key), ("customer", "type", key))
    if conversion is None:
        return
    if type_ is not None and own.columns[type_.column].generated:
        message = f"{own.name}.{type_.column}: the database computes it; no conversion can change it"
        yield PlanFault(location=("conversion",), message=message)
    yield from _emptied(own, conversion.clear, ("conversion", "clear"))
    contact, at = conversion.keep_contact, ("conversion", "keep_contact")
    if contact is None:
        return
    live = schema.tables[contact.table]
    found = live.columns[contact.contact].type
    child = next((one for one in plan.children if (one.table, one.customer) == (contact.table, contact.customer)), None)
    wanted = (child.customer_type if child is not None else None) or plan.customer.key.type
    if found not in KEYS[wanted]:
        message = f"{live.name}.{contact.contact}: must hold ids of customers ({wanted}), the column is {found}"
        yield PlanFault(location=(*at, "contact"), message=message)
    if contact.role is not None:
        yield from _holds(live, contact.role.column, contact.role.value, (*at, "role"))


def check_erasure(plan: Plan, schema: LiveSchema) -> Iterator[PlanFault]:
    """The columns that an erasure empties."""
    if plan.erasure is not None:
        yield from _emptied(schema.tables[plan.customer.table], plan.erasure.clear, ("erasure", "clear"))


def _emptied(live: LiveTable, columns: tuple[str, ...], at: Location) -> Iterator[PlanFault]:
    for place, name in enumerate(columns):
        column = live.columns[name]
        if column.generated:
            message = f"{live.name}.{name}: the database computes it; take it out, its sources are what is emptied"
            yield PlanFault(location=(*at, place), message=message)
        elif not column.nullable:
            message = f"{live.name}.{name}: cannot be emptied, it is NOT NULL; drop that constraint, or take it out"
            yield PlanFault(location=(*at, place), message=message)


def _holds(live: LiveTable, name: str, value: Scalar, at: Location) -> Iterator[PlanFault]:
    """Whether the column can hold the value. Text fits any type of the database's own making, such as an enum."""
    type_ = live.columns[name].type
    if isinstance(value, bool):
        fits = type_ in _BOOLEAN
    elif isinstance(value, int):
        fits = type_ in NUMBERS
    else:
        fits = type_ not in _BOOLEAN | NUMBERS | TIMES | KEYS["uuid"]
    if not fits:
        shown = str(value).lower() if isinstance(value, bool) else value
        yield PlanFault(location=at, message=f"{live.name}.{name}: cannot hold {shown}, the column is {type_}")
