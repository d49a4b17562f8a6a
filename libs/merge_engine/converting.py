"""Changing a customer's type: under lock, with all reasons against it at once. An old id leads on to the customer."""

from datetime import datetime

from sqlalchemy import Connection
from uuid_utils.compat import uuid7

from customer_identity.merging import Moved, Redirect, VersionedId
from customer_identity.merging.conversion import (
    ConversionFacts,
    ConversionOrder,
    ConversionRefused,
    ConversionResult,
    Converted,
    PartyType,
    broken_rules,
    new_id,
    not_planned,
    objections,
    redirects_of_conversion,
)
from customer_identity.merging.identity import Identity
from merge_engine.applying import keep_redirects
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.large.progress import moving_merges
from merge_engine.loading import Roots, load_identities, load_roots
from merge_engine.merging import lock_customers, require_unmoved
from merge_engine.statements.conversion import ConversionStatements
from merge_engine.statements.customers import BOUNDS


def convert(connection: Connection, compiled: CompiledPlan, order: ConversionOrder) -> ConversionResult:
    """Convert a customer, or say everything that stands against it. Raises RootMoved like a merge does."""
    statements = compiled.conversion
    if statements is None:
        return ConversionRefused(order=order, errors=(not_planned(order),))
    connection.exec_driver_sql(BOUNDS)
    asked = [(order.tenant_id, order.customer_id)]
    roots = load_roots(connection, compiled, asked)
    lock_customers(connection, compiled, {(order.tenant_id, order.customer_id): True})
    roots = require_unmoved(roots, load_roots(connection, compiled, asked))
    facts = _facts(connection, compiled, statements, order, roots)
    root = (order.tenant_id, order.customer_id)
    customer = load_identities(connection, compiled, [root])[root]
    against = objections(order, statements.policy, facts)
    if facts.stored_type is not None and facts.root_id == order.customer_id:
        told = {failure.rule for failure in against}
        broken = broken_rules(order, compiled.policy.rules, customer, roots.now)
        against += tuple(failure for failure in broken if failure.rule not in told)
    if against:
        return ConversionRefused(order=order, errors=against)
    return _convert(connection, compiled, statements, order, customer=customer, now=roots.now)


def _facts(
    connection: Connection,
    compiled: CompiledPlan,
    statements: ConversionStatements,
    order: ConversionOrder,
    roots: Roots,
) -> ConversionFacts:
    names = compiled.names
    wanted = new_id(order, statements.policy) or order.customer_id
    stored = contact = taken = None
    primary: list[str] = []
    # What cannot be a key of this database is nobody's.
    if names.is_tenant(order.tenant_id) and names.is_key(order.customer_id):
        known = order.contact_id is not None and names.is_key(order.contact_id)
        stored, contact, taken, primary = connection.exec_driver_sql(
            statements.read,
            {
                "tenant": order.tenant_id,
                "old": order.customer_id,
                "new": wanted,
                "contact": order.contact_id if known else None,
            },
        ).one()
    return ConversionFacts(
        root_id=roots.by_id[order.tenant_id, order.customer_id],
        stored_type=stored,
        new_root=taken,
        contact_type=contact,
        primary_contacts=primary,
        rows_moving=bool(moving_merges(connection, compiled, order.tenant_id, [order.customer_id])),
    )


def _convert(
    connection: Connection,
    compiled: CompiledPlan,
    statements: ConversionStatements,
    order: ConversionOrder,
    *,
    customer: Identity,
    now: datetime,
) -> Converted:
    policy = statements.policy
    conversion_id = str(uuid7())
    converted_id = new_id(order, policy) or order.customer_id
    cleared = policy.clears if order.to_type is PartyType.ORGANISATION else ()
    from_type = next(kind for kind in PartyType if kind is not order.to_type)
    redirects: tuple[Redirect, ...] = ()
    if converted_id != order.customer_id:
        redirects = redirects_of_conversion(customer, converted_id)
    parameters = {
        "tenant": order.tenant_id,
        "old": order.customer_id,
        "new": converted_id,
        "contact": order.contact_id,
        "stored": policy.stored[order.to_type],
        "conversion_id": conversion_id,
        "command_id": order.command_id,
        "from_type": from_type.value,
        "to_type": order.to_type.value,
        "cleared": list(cleared),
        "actor": order.requested_by.id,
        "reason": order.reason,
        "at": now,
    }
    version, *counts = connection.exec_driver_sql(statements.change[order.to_type], parameters).one()
    if statements.add_contact is not None and order.contact_id is not None:
        connection.exec_driver_sql(statements.add_contact, parameters)
    if redirects:
        connection.exec_driver_sql(statements.reopen, parameters)
        connection.exec_driver_sql(statements.edge, parameters)
        keep_redirects(connection, compiled, [(conversion_id, order.tenant_id, redirects)], now)
    return Converted(
        order=order,
        conversion_id=conversion_id,
        customer=VersionedId(id=converted_id, version=version),
        redirects=redirects,
        cleared=cleared,
        moved=tuple(
            Moved(table=table, rows=rows, collisions=0)
            for table, rows in zip(statements.tables, counts, strict=True)
            if rows
        ),
        at=now,
    )
