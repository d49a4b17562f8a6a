"""Lines of the journal that an undo needs: of the merge itself, and of others that met its rows."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from merge_engine.compiled_plan import CompiledPlan
from merge_engine.loading import columns
from merge_engine.restoring_rows import JournalEntry
from merge_engine.unmerging_scope import Scope

OF_SUMS = ("SUMMED", "CREATED")
_OF_RECORDS = ("WINNER", "LOSER")
_NO_ROWS = [*_OF_RECORDS, *OF_SUMS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Rows by table: all that are concerned, and those that may have to go back behind merges made long before.

    The latter came late, or met one that did. Of the tables in `whole` all rows are concerned.
    """

    rows: Mapping[str, set[str]]
    behind: Mapping[str, set[str]]
    whole: Collection[str]


def own_lines(connection: Connection, compiled: CompiledPlan, scope: Scope) -> list[JournalEntry]:
    """The merge's lines from its winner and from losers that are still merged, but those of a large merge's chunks."""
    return _lines(
        scope,
        connection.exec_driver_sql(
            f"SELECT {_COLUMNS} FROM {compiled.names.schema}.journal j WHERE j.merge_id = %(merge_id)s::uuid "
            "AND j.chunk IS NULL AND j.from_id = ANY(%(ids)s::text[]) AND j.action <> ALL(%(not)s::text[])",
            {
                "merge_id": scope.merge.merge_id,
                "ids": [scope.merge.winner_id, *scope.own.losers],
                "not": [*_OF_RECORDS],
            },
        ),
    )


def lines_of_meetings(connection: Connection, compiled: CompiledPlan, scope: Scope) -> list[JournalEntry]:
    """Lines of all merges in which rows met; few rows ever do."""
    return _lines(
        scope,
        connection.exec_driver_sql(
            f"SELECT {_COLUMNS} FROM {compiled.names.schema}.journal j "
            "WHERE j.merge_id = ANY(%(merge_ids)s::text[]::uuid[]) "
            "AND j.action IN ('REMOVED', 'KEPT', 'COPIED', 'REFRESHED')",
            {"merge_ids": list(scope.by_id)},
        ),
    )


def lines_of_rows(
    connection: Connection, compiled: CompiledPlan, scope: Scope, *, since: int, wanted: Wanted
) -> list[JournalEntry]:
    """Lines of the other merges, cut down to the rows wanted: later ones on the way, any of rows to go behind."""
    rows = [(label, row_id) for label, ids in wanted.rows.items() for row_id in ids | wanted.behind[label]]
    labels, row_ids = columns(rows, 2)
    others = [merge for merge in scope.standing if merge is not scope.own]
    on_way = {merge.merge_id for merge in others if merge.winner_id in scope.way}
    found = connection.exec_driver_sql(
        f"""
WITH lines AS (
  SELECT j.*, j.seq > %(since)s AND j.merge_id = ANY(%(on_way)s::text[]::uuid[]) AS is_near
  FROM {compiled.names.schema}.journal j
  WHERE j.merge_id = ANY(%(merge_ids)s::text[]::uuid[]) AND j.action <> ALL(%(not)s::text[])),
found AS (
  SELECT j.seq, array_agg(r.id) AS ids FROM lines j CROSS JOIN LATERAL unnest(j.row_ids) AS r(id)
  JOIN unnest(%(labels)s::text[], %(row_ids)s::text[], %(behind)s::bool[]) AS w(table_name, id, is_behind)
    ON w.table_name = j.table_name AND w.id = r.id
  WHERE j.is_near OR w.is_behind GROUP BY j.seq)
SELECT j.seq, j.merge_id::text, j.tenant_id, j.table_name, j.from_id, j.action,
  CASE WHEN (j.is_near AND j.table_name = ANY(%(whole)s::text[])) OR jsonb_typeof(j.before) = 'array'
    THEN j.row_ids ELSE found.ids END, j.before::text
FROM lines j LEFT JOIN found USING (seq)
WHERE found.ids IS NOT NULL OR (j.is_near AND j.table_name = ANY(%(whole)s::text[]))""",
        {
            "merge_ids": [merge.merge_id for merge in others],
            "on_way": list(on_way),
            "since": since,
            "not": _NO_ROWS,
            "labels": labels,
            "row_ids": row_ids,
            "behind": [row_id in wanted.behind[label] for label, row_id in rows],
            "whole": list(wanted.whole),
        },
    )
    lines = [
        _wanted_rows(line, wanted, is_near=line.seq > since and line.merge_id in on_way)
        for line in _lines(scope, found)
    ]
    return [line for line in lines if line is not None]


def late_rows(connection: Connection, compiled: CompiledPlan, scope: Scope) -> dict[str, set[str]]:
    """Rows that a merge took along after it was made: somebody had written them under an id merged away before."""
    rows = connection.exec_driver_sql(
        f"SELECT DISTINCT table_name, row_id FROM {compiled.names.schema}.late_rows "
        "WHERE merge_id = ANY(%(merge_ids)s::text[]::uuid[])",
        {"merge_ids": list(scope.by_id)},
    )
    late: dict[str, set[str]] = {}
    for label, row_id in rows:
        late.setdefault(label, set()).add(row_id)
    return late


def chunk_lines(connection: Connection, compiled: CompiledPlan, scope: Scope) -> Iterator[JournalEntry]:
    """The lines of a large merge's chunks, the newest first and one at a time: nobody holds a million ids in memory."""
    schema = compiled.names.schema
    chunks = connection.exec_driver_sql(
        f"SELECT seq FROM {schema}.journal WHERE merge_id = %(merge_id)s::uuid AND chunk IS NOT NULL "
        "AND from_id = ANY(%(leaving)s::text[]) ORDER BY seq DESC",
        {"merge_id": scope.merge.merge_id, "leaving": list(scope.leaving)},
    ).all()
    for (seq,) in chunks:
        line = connection.exec_driver_sql(
            f"SELECT {_COLUMNS} FROM {schema}.journal j WHERE seq = %(seq)s", {"seq": seq}
        )
        yield from _lines(scope, line)


def some_rows(entry: JournalEntry, wanted: Collection[str]) -> JournalEntry | None:
    """The line cut down to rows of a set; None when none of them is in it."""
    part = entry.part(wanted)
    return part if part.row_ids else None


_COLUMNS = "j.seq, j.merge_id::text, j.tenant_id, j.table_name, j.from_id, j.action, j.row_ids, j.before::text"


def _wanted_rows(line: JournalEntry, wanted: Wanted, *, is_near: bool) -> JournalEntry | None:
    if not is_near:
        return some_rows(line, wanted.behind[line.label])
    if line.label in wanted.whole:
        return None if line.action == "CHOSEN_AWAY" else line
    return some_rows(line, wanted.rows[line.label])


def _lines(scope: Scope, rows: Iterable[Any]) -> list[JournalEntry]:
    merges = scope.by_id
    return [
        JournalEntry(
            seq=seq,
            merge_id=merge_id,
            tenant_id=tenant_id,
            winner_id=merges[merge_id].winner_id,
            label=label,
            from_id=from_id,
            action=action,
            row_ids=tuple(row_ids),
            before=before,
        )
        for seq, merge_id, tenant_id, label, from_id, action, row_ids, before in rows
        if from_id == merges[merge_id].winner_id or from_id in merges[merge_id].losers
    ]
