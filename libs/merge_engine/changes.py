"""What a merge changed in people's records, read back from the journal for the audit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from merge_engine.compiled_plan import CompiledPlan
from merge_engine.reading import load_merge
from merge_engine.values import MergeRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A field of the winner that the merge wrote. None is an empty field."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class LosingRecord:
    """A loser's record as it was before the merge. `record` is None once it was erased or purged."""

    customer_id: str
    record: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsPutAside:
    """Rows of a customer that lost against another's, or were not picked, as they were. Empty once erased or purged."""

    table: str
    customer_id: str
    rows: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeChanges:
    """A merge with the values that it changed. Personal data: for the eyes of whoever audits, not for logs."""

    merge: MergeRecord
    winner: tuple[FieldChange, ...]
    losers: tuple[LosingRecord, ...]
    put_aside: tuple[RowsPutAside, ...]


def merge_changes(connection: Connection, compiled: CompiledPlan, merge_id: str) -> MergeChanges | None:
    """What the merge changed; None for an unknown id."""
    merge = load_merge(connection, compiled, merge_id)
    if merge is None:
        return None
    entries = connection.exec_driver_sql(
        f"SELECT action, table_name, from_id, before FROM {compiled.names.schema}.journal "
        "WHERE merge_id = %(merge_id)s::uuid AND action IN ('WINNER', 'LOSER', 'REMOVED', 'CHOSEN_AWAY') "
        "ORDER BY table_name, from_id, action",
        {"merge_id": merge_id},
    ).all()
    return MergeChanges(
        merge=merge,
        winner=tuple(
            FieldChange(field=field, before=before["before"].get(field), after=after)
            for action, _, _, before in entries
            if action == "WINNER" and before is not None
            for field, after in before["wrote"].items()
        ),
        losers=tuple(
            LosingRecord(customer_id=from_id, record=before)
            for action, _, from_id, before in entries
            if action == "LOSER"
        ),
        put_aside=tuple(
            RowsPutAside(table=table, customer_id=from_id, rows=tuple(_image(action, entry) for entry in before or ()))
            for action, table, from_id, before in entries
            if action in {"REMOVED", "CHOSEN_AWAY"}
        ),
    )


def _image(action: str, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row of a journal entry; one that lost against another is kept together with the id of that other."""
    image: Mapping[str, Any] = entry["row"] if action == "REMOVED" else entry
    return image
