"""Every table and column that a plan names, with the place where it does."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from merge_engine.checking.faults import Location
from merge_engine.plan_file import Child, Plan
from merge_engine.plan_file.rules import SystemFlag

NamedColumn = tuple[Location, str, str]
"""(place, table, column)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The columns of a table that say whose its rows are; `tenant` None: the rows carry none."""

    customer: str
    tenant: str | None


def owner_of(plan: Plan, child: Child) -> Owner:
    """Whose a child's rows are."""
    default = None if plan.customer.tenant is None else plan.customer.tenant.column
    tenant = default if child.tenant is None else (child.tenant or None)
    return Owner(customer=child.customer or plan.customer.key.column, tenant=tenant)


def named_columns(plan: Plan) -> Iterator[NamedColumn]:
    """All of them, in the order of the file."""
    own = plan.customer.table
    yield from _customer(plan)
    yield from _conversion(plan)
    for place, column in enumerate(() if plan.erasure is None else plan.erasure.clear):
        yield ("erasure", "clear", place), own, column
    for name, field in plan.fields.items():
        yield ("fields", name), own, name
        for key in ("verified_column", "time", "source", "evidence", "follow"):
            column = getattr(field, key)
            if column is not None:
                yield ("fields", name, key), own, column
    for place, child in enumerate(plan.children):
        yield from _child(plan, child, ("children", place))
    for place, rule in enumerate(plan.rules):
        yield from _nested(plan, rule, ("rules", place))
    for place, threshold in enumerate(plan.two_people):
        yield from _nested(plan, threshold, ("two_people", place))
    for place, preference in enumerate(plan.winner):
        yield from _nested(plan, preference, ("winner", place))
        for key in ("highest", "lowest"):
            column = getattr(preference, key)
            if column is not None:
                yield ("winner", place, key), own, column
    yield from _display(plan)


def _customer(plan: Plan) -> Iterator[NamedColumn]:
    customer, own = plan.customer, plan.customer.table
    yield ("customer", "key"), own, customer.key.column
    if customer.tenant is not None:
        yield ("customer", "tenant"), own, customer.tenant.column
    if customer.type is not None:
        yield ("customer", "type"), own, customer.type.column
    for key, column in (("version", customer.version), ("updated_at", customer.updated_at)):
        if column is not None:
            yield ("customer", key), own, column
    if plan.disposition.column is not None:
        yield ("disposition", "column"), own, plan.disposition.column
    for column in plan.disposition.set:
        yield ("disposition", "set", column), own, column


def _conversion(plan: Plan) -> Iterator[NamedColumn]:
    if plan.conversion is None:
        return
    for place, column in enumerate(plan.conversion.clear):
        yield ("conversion", "clear", place), plan.customer.table, column
    contact, at = plan.conversion.keep_contact, ("conversion", "keep_contact")
    if contact is not None:
        yield (*at, "customer"), contact.table, contact.customer
        yield (*at, "contact"), contact.table, contact.contact
        if contact.role is not None:
            yield (*at, "role"), contact.table, contact.role.column


def _child(plan: Plan, child: Child, at: Location) -> Iterator[NamedColumn]:
    """The owner's columns, and every other one by the shape of its key: a name, several, or a mapping by name."""
    owner = owner_of(plan, child)
    yield (*at, "customer"), child.table, owner.customer
    if owner.tenant is not None:
        yield (*at, "tenant"), child.table, owner.tenant
    for key in ("row_id", "unique", "sum", "one_flagged"):
        value = getattr(child, key, None)
        for column in (value,) if isinstance(value, str) else value or ():
            yield (*at, key), child.table, column
    for key in ("where", "refresh", "equals"):
        for column in getattr(child, key, None) or {}:
            yield (*at, key, column), child.table, column
    for column, field in (getattr(child, "refresh", None) or {}).items():
        yield (*at, "refresh", column), plan.customer.table, field
    for column, other in (getattr(child, "equals", None) or {}).items():
        yield (*at, "equals", column), other.table, other.column
    collision = getattr(child, "collision", None)
    if collision is not None and collision.column is not None:
        yield (*at, "collision", "column"), child.table, collision.column
    for key in ("external_id", "consent"):
        part = getattr(child, key, None)
        if part is not None:
            yield from (((*at, key, name), child.table, column) for name, column in part)


def _nested(plan: Plan, part: BaseModel, at: Location) -> Iterator[NamedColumn]:
    """The columns of a rule's or a preference's form: each form names its table, or means the customer's."""
    for form in type(part).model_fields:
        value = getattr(part, form)
        if form == "facts":
            for place, fact in enumerate(value):
                if isinstance(fact, str):
                    yield (*at, form, place), plan.customer.table, fact
                else:
                    yield from _of_form(plan, fact, (*at, form, place))
        elif form == "when" and value is not None:
            yield from _nested(plan, value, (*at, form))
        elif isinstance(value, BaseModel) and form != "fixed_by":
            yield from _of_form(plan, value, (*at, form))


def _of_form(plan: Plan, form: BaseModel, at: Location) -> Iterator[NamedColumn]:
    table = getattr(form, "table", None) or plan.customer.table
    for key in ("column", "by", "customer", "tenant"):
        column = getattr(form, key, None)
        if isinstance(column, str):
            yield (*at, key), table, column
    for column in getattr(form, "where", None) or {}:
        yield (*at, "where", column), table, column
    if getattr(form, "table", None) is not None and not isinstance(form, SystemFlag):
        yield from _owner_columns(plan, form, table, at)


def _owner_columns(plan: Plan, form: BaseModel, table: str, at: Location) -> Iterator[NamedColumn]:
    """Whose the rows of a rule's table are: as the form says, or as the child of that table does, or as customers."""
    child = next((child for child in plan.children if child.table == table), None)
    customer = getattr(form, "customer", None)
    if customer is None:
        default = plan.customer.key.column if child is None else owner_of(plan, child).customer
        yield (*at, "table"), table, default


def _display(plan: Plan) -> Iterator[NamedColumn]:
    own, display = plan.customer.table, plan.display
    for key in ("source", "status", "full_name"):
        column = getattr(display, key)
        if column is not None:
            yield ("display", key), own, column
    for column in display.name_parts:
        yield ("display", "name_parts"), own, column
    for place, identifier in enumerate(display.identifiers):
        table = identifier.table or own
        for key in ("column", "search_column", "verified"):
            column = getattr(identifier, key)
            if column is not None:
                yield ("display", "identifiers", place, key), table, column
    if display.postal_code is not None:
        yield from _of_form(plan, display.postal_code, ("display", "postal_code"))
