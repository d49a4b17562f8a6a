"""Rows that an order chose to keep, checked: they must belong to somebody who takes part in the merge."""

from collections.abc import Sequence

from sqlalchemy import Connection

from customer_identity.merging import RuleFailure, Side
from customer_identity.merging.redirect_checks import Resolved
from merge_engine.compiled_plan import CompiledPlan

SHOWN_IDS = 3
"""Ids named in a message: enough to find the mistake."""
SHOWN_ID_LENGTH = 40
"""Characters of an id in a message; whoever sent it may have sent anything."""


def foreign_rows(connection: Connection, compiled: CompiledPlan, resolved: Resolved) -> tuple[RuleFailure, ...]:
    """One failure for each table in which chosen rows belong to nobody of the merge; asks nothing without choices."""
    order = resolved.order
    parties = resolved.loser_ids if resolved.winner_id is None else (resolved.winner_id, *resolved.loser_ids)
    failures = []
    for choice in order.row_choices:
        if choice.table not in compiled.policy.choosable:
            continue
        found: set[str] = set()
        # PostgreSQL's text cannot hold a zero character: no row has such an id.
        asked = [row_id for row_id in dict.fromkeys(choice.keep_ids) if "\0" not in row_id]
        owners = [id_ for id_ in parties if compiled.names.is_key(id_) and compiled.names.is_tenant(order.tenant_id)]
        parameters = {"tenants": [order.tenant_id] * len(owners), "owners": owners, "ids": asked}
        for child in compiled.children:
            if child.table == choice.table and child.owned_ids is not None:
                found.update(row_id for (row_id,) in connection.exec_driver_sql(child.owned_ids, parameters))
        foreign = [row_id for row_id in dict.fromkeys(choice.keep_ids) if row_id not in found]
        if foreign:
            failures.append(_foreign(choice.table, foreign))
    return tuple(failures)


def _foreign(table: str, row_ids: Sequence[str]) -> RuleFailure:
    shown = ", ".join(repr(row_id[:SHOWN_ID_LENGTH]) for row_id in row_ids[:SHOWN_IDS])
    more = "" if len(row_ids) <= SHOWN_IDS else f" and {len(row_ids) - SHOWN_IDS} more"
    return RuleFailure(
        rule="ROW_CHOICE_INVALID",
        side=Side.SYSTEM,
        customer_ids=(),
        field=table,
        message=f"chosen rows belong to none of the customers of this merge: {shown}{more}",
        remediation="choose among the rows that the preview of this merge shows",
        permanent=True,
    )
