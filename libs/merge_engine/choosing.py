"""The rows that an order may choose among, for the preview: table by table, of everybody who takes part."""

from sqlalchemy import Connection

from customer_identity.merging.rules import Parties
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.values import OfferedRow, OfferedRows

MOST_OFFERED = 500
"""Rows of one table: nobody picks among more, and a preview stays small."""


def offered_rows(connection: Connection, compiled: CompiledPlan, parties: Parties) -> tuple[OfferedRows, ...]:
    """What can be chosen in every table that the plan calls choosable; nothing when a customer is missing."""
    if not all(identity.records for identity in parties.identities):
        return ()
    owners = [identity.root_id for identity in parties.identities]
    parameters = {"tenants": [parties.order.tenant_id] * len(owners), "owners": owners, "limit": MOST_OFFERED}
    return tuple(
        OfferedRows(
            table=child.table,
            rows=tuple(
                OfferedRow(id=id_, customer_id=owner, values=values)
                for owner, id_, values in connection.exec_driver_sql(child.offer, parameters)
            ),
        )
        for child in compiled.children
        if child.offer is not None
    )
