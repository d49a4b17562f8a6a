"""The winner's fields after a loser has gone: decided again, but only where they still hold what the merge wrote."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from customer_identity.merging.survivorship import STRATEGIES, Candidate
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.restoring_rows import JournalEntry, Restoration
from merge_engine.values import MergeRecord


def restore_fields(
    connection: Connection,
    compiled: CompiledPlan,
    merge: MergeRecord,
    journal: Sequence[JournalEntry],
    done: Restoration,
) -> None:
    """Decide each field that the merge wrote from what the winner had before and what its remaining losers say.

    The winner's version rises even when no field changes: rows went away from it.
    """
    changes = next((entry.before for entry in journal if entry.action == "WINNER"), None)
    change: Mapping[str, Mapping[str, Any]] = (
        json.loads(changes) if changes is not None else {"before": {}, "wrote": {}}
    )
    owner = {"tenant": merge.tenant_id, "id": merge.winner_id}
    fields = list(compiled.plan.fields)
    wrote = {field: value for field, value in change["wrote"].items() if field in fields}
    same = connection.exec_driver_sql(compiled.undo.same_fields, {**owner, "wrote": json.dumps(wrote)}).one()
    unchanged = [field for field, is_same in zip(fields, same, strict=True) if field in wrote and is_same]
    for field in change["wrote"]:
        if field not in unchanged:
            done.conflict(compiled.plan.customer.table, merge.winner_id, f"FIELD_CHANGED_SINCE: {field}")
    patch = _decide(connection, compiled, merge, unchanged, change)
    done.recomputed_fields.extend(patch)
    connection.exec_driver_sql(compiled.undo.patch_winner, {**owner, "patch": json.dumps(patch, default=_as_json)})


def _decide(
    connection: Connection,
    compiled: CompiledPlan,
    merge: MergeRecord,
    unchanged: Sequence[str],
    change: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """New values of the fields that come out different from what the merge wrote."""
    remaining = _remaining_losers(connection, compiled, merge)
    images = [json.dumps(change["before"]), json.dumps(change["wrote"]), *(image for _, image in remaining)]
    before, wrote, *others = connection.exec_driver_sql(compiled.undo.typed_fields, {"images": images}).all()
    fields = list(compiled.plan.fields)
    patch = {}
    for field in unchanged:
        at = fields.index(field)
        plan = compiled.plan.fields[field]
        candidates = [
            Candidate(customer_id=merge.winner_id, value=before[at]),
            *(
                Candidate(
                    customer_id=loser_id,
                    value=values[at],
                    verified=plan.verified_column is not None and json.loads(image).get(plan.verified_column) is True,
                )
                for (loser_id, image), values in zip(remaining, others, strict=True)
            ),
        ]
        value = STRATEGIES[plan.strategy](candidates).value
        if value != wrote[at]:
            patch[field] = value
    return patch


def _remaining_losers(connection: Connection, compiled: CompiledPlan, merge: MergeRecord) -> list[tuple[str, str]]:
    """Customers still merged into the winner by this merge or a newer one, with their records as they were."""
    schema = compiled.names.schema
    rows = connection.exec_driver_sql(
        f"""
SELECT e.loser_id, j.before::text FROM {schema}.edges e JOIN {schema}.merges m USING (merge_id)
JOIN {schema}.journal j ON j.merge_id = e.merge_id AND j.action = 'LOSER' AND j.from_id = e.loser_id
WHERE e.active AND e.tenant_id = %(tenant)s AND e.winner_id = %(winner)s AND m.merged_at >= %(merged_at)s
ORDER BY m.merged_at, e.loser_id""",
        {"tenant": merge.tenant_id, "winner": merge.winner_id, "merged_at": merge.merged_at},
    )
    return [(loser_id, image) for loser_id, image in rows]


def _as_json(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
