"""The rows of a merge that is taken apart, wherever they went and whomever they met since.

A row that came from a loser may have moved on with its winner, won against rows that were put aside for it, or been put
aside itself. Everything that met it, directly or through others, is found from the journal; what was done to those
rows is taken back in exactly the opposite order, the losers' own rows go home, and the other merges are done again for
what is left. So untouched rows end as if the merge had never been.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from merge_engine.compiled_plan import CompiledPlan
from merge_engine.loading import columns
from merge_engine.moving_children import Pair, move_children
from merge_engine.restoring_rows import JournalEntry, Restoration, undo_entry
from merge_engine.unmerging_scope import Scope, StandingMerge

_OF_RECORDS = ("WINNER", "LOSER")
_OF_SUMS = ("SUMMED", "CREATED")
_NO_ROWS = [*_OF_RECORDS, *_OF_SUMS]


@dataclass(frozen=True, kw_only=True)
class Undoing:
    """What is to be taken back.

    `entries` belong to the merge itself, `others` to rows that met its rows; both may hold some rows of a line only.
    `sums` are figures of the losers that go. `met` are the newer merges in which rows met, the newest first.
    """

    scope: Scope
    entries: tuple[JournalEntry, ...]
    sums: tuple[JournalEntry, ...]
    others: tuple[JournalEntry, ...]
    met: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """Rows by table: all that are concerned, and those of them that met one that came late.

    The latter may have to go back behind merges made long before. Of the tables in `whole` all rows are concerned.
    """

    rows: Mapping[str, set[str]]
    behind: Mapping[str, set[str]]
    whole: Collection[str]


def plan_undoing(connection: Connection, compiled: CompiledPlan, scope: Scope) -> Undoing:
    """Find every line of the journal that has to be taken back; changes nothing."""
    own = _own_lines(connection, compiled, scope)
    leaving = [entry for entry in own if entry.from_id in scope.leaving and entry.action not in _OF_SUMS]
    since = min((entry.seq for entry in leaving), default=None)
    meetings = [] if since is None else _lines_of_meetings(connection, compiled, scope)
    known = _Meetings.of(meetings)
    together = _together(leaving, known)
    whole = _decided_together(compiled, leaving, [entry for entry in meetings if since and entry.seq >= since])
    others: list[JournalEntry] = []
    if since is not None:
        late = _late_rows(connection, compiled, scope)
        behind = {label: known.around(label, late.get(label, set()) & rows) for label, rows in together.items()}
        wanted = _Wanted(rows=together, behind=behind, whole=whole)
        others = _lines_of_rows(connection, compiled, scope, since=since, wanted=wanted)
    staying = [_concerned(scope, entry, together, whole) for entry in own if entry.action not in _OF_SUMS]
    newer = {merge.merge_id: merge for merge in scope.newer}
    met = {
        entry.merge_id
        for entry in others
        if entry.merge_id in newer and entry.action in {"REMOVED", "KEPT"} and _some_rows(entry, together[entry.label])
    }
    return Undoing(
        scope=scope,
        entries=(*leaving, *(entry for entry in staying if entry is not None)),
        sums=tuple(entry for entry in own if entry.action in _OF_SUMS and entry.from_id in scope.leaving),
        others=tuple(others),
        met=tuple(sorted(met, key=lambda merge_id: newer[merge_id].age, reverse=True)),
    )


def take_rows_back(connection: Connection, compiled: CompiledPlan, undoing: Undoing, done: Restoration) -> None:
    """Take the lines back, then do the other merges again for the rows that they are still about."""
    scope = undoing.scope
    _large_lines_back(connection, compiled, scope, done)
    again: set[str] = set()
    for entry in sorted((*undoing.entries, *undoing.others), key=lambda entry: -entry.seq):
        is_own = entry.merge_id == scope.merge.merge_id
        goes = is_own and entry.from_id in (*scope.leaving, scope.merge.winner_id)
        undone = undo_entry(connection, compiled, entry, done if goes else Restoration(conflicts=done.conflicts))
        if not is_own or (scope.staying and entry.from_id not in scope.leaving):
            _strike_out(connection, compiled, entry, undone)
            again.add(entry.merge_id)
    for merge in scope.standing:
        if merge.merge_id in again:
            move_children(connection, compiled, _pairs(scope, merge))


def _pairs(scope: Scope, merge: StandingMerge) -> list[Pair]:
    losers = scope.staying if merge is scope.own else merge.losers
    return [
        Pair(
            merge_id=merge.merge_id,
            tenant_id=scope.tenant_id,
            loser_id=loser_id,
            winner_id=merge.winner_id,
            position=position,
            facilitator_id=merge.facilitator_id,
        )
        for position, loser_id in enumerate(losers, start=1)
    ]


def _together(leaving: Sequence[JournalEntry], meetings: "_Meetings") -> dict[str, set[str]]:
    """The losers' rows and, by table, all that met them: a row put aside met the row that it was put aside for."""
    found: dict[str, set[str]] = {}
    for entry in leaving:
        found.setdefault(entry.label, set()).update(entry.row_ids)
    return {label: meetings.spread(label, row_ids) for label, row_ids in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meetings:
    """Which rows of a table met which others."""

    met: Mapping[tuple[str, str], set[str]]

    @classmethod
    def of(cls, lines: Iterable[JournalEntry]) -> "_Meetings":
        """Read lines of the journal."""
        met: dict[tuple[str, str], set[str]] = {}
        for entry in lines:
            for row_id, other in _meetings(entry):
                met.setdefault((entry.label, row_id), set()).add(other)
                met.setdefault((entry.label, other), set()).add(row_id)
        return cls(met=met)

    def around(self, label: str, row_ids: Collection[str]) -> set[str]:
        """The same of those of these rows that met any."""
        return self.spread(label, [row_id for row_id in row_ids if (label, row_id) in self.met])

    def spread(self, label: str, row_ids: Collection[str]) -> set[str]:
        """These rows and all that met them, directly or through others."""
        known, waiting = set(row_ids), list(row_ids)
        while waiting:
            new = self.met.get((label, waiting.pop()), set()) - known
            known.update(new)
            waiting.extend(new)
        return known


def _decided_together(
    compiled: CompiledPlan, leaving: Sequence[JournalEntry], lines: Iterable[JournalEntry]
) -> set[str]:
    """Tables in which every row may decide about every other, so that all of it is decided again.

    Only one row may bear a flag; rows that stayed with their customer did so because of rows that nobody noted; copies
    of a field follow the field.
    """
    found = {entry.label for entry in leaving}
    stayed = {entry.label for entry in lines if entry.action in {"KEPT", "COPIED", "REFRESHED"}}
    flagged = {label for label, undo in compiled.undo.children.items() if undo.flag is not None}
    return found & (stayed | flagged)


def _concerned(
    scope: Scope, entry: JournalEntry, together: Mapping[str, set[str]], whole: Collection[str]
) -> JournalEntry | None:
    """What of a line of the merge has to be taken back although its customer does not go.

    What the winner put aside for nobody in particular comes back with the last loser only.
    """
    if entry.from_id in scope.leaving:
        return None
    last = entry.from_id == scope.merge.winner_id and not scope.staying
    chosen = entry.action == "CHOSEN_AWAY"
    if last or (entry.label in whole and not chosen):
        return entry
    return None if chosen else _some_rows(entry, together.get(entry.label, set()))


def _meetings(entry: JournalEntry) -> Iterator[tuple[str, str]]:
    """Which row of a line met which other one; nobody knows any more when the line's undo window has closed."""
    by_key = {"REMOVED": "kept", "COPIED": "from"}.get(entry.action)
    if by_key is not None and entry.before is not None:
        for row_id, image in zip(entry.row_ids, json.loads(entry.before), strict=True):
            yield row_id, image[by_key]


def _some_rows(entry: JournalEntry, wanted: Collection[str]) -> JournalEntry | None:
    """The line cut down to rows of a set; None when none of them is in it."""
    part = entry.part(wanted)
    return part if part.row_ids else None


_COLUMNS = "j.seq, j.merge_id::text, j.tenant_id, j.table_name, j.from_id, j.action, j.row_ids, j.before::text"


def _own_lines(connection: Connection, compiled: CompiledPlan, scope: Scope) -> list[JournalEntry]:
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


def _lines_of_meetings(connection: Connection, compiled: CompiledPlan, scope: Scope) -> list[JournalEntry]:
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


def _lines_of_rows(
    connection: Connection, compiled: CompiledPlan, scope: Scope, *, since: int, wanted: _Wanted
) -> list[JournalEntry]:
    """Lines of the other merges, cut down to the rows wanted: later ones on the way, any of rows to go behind."""
    rows = [(label, row_id) for label, ids in wanted.rows.items() for row_id in ids]
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


def _wanted_rows(line: JournalEntry, wanted: _Wanted, *, is_near: bool) -> JournalEntry | None:
    if not is_near:
        return _some_rows(line, wanted.behind[line.label])
    if line.label in wanted.whole:
        return None if line.action == "CHOSEN_AWAY" else line
    return _some_rows(line, wanted.rows[line.label])


def _late_rows(connection: Connection, compiled: CompiledPlan, scope: Scope) -> dict[str, set[str]]:
    """Rows that a merge took along after it was made: somebody had written them under an id merged away before."""
    rows = connection.exec_driver_sql(
        f"""
SELECT DISTINCT j.table_name, r.id FROM {compiled.names.schema}.journal made
JOIN {compiled.names.schema}.journal j ON j.merge_id = made.merge_id AND j.seq > made.seq
CROSS JOIN LATERAL unnest(j.row_ids) AS r(id)
WHERE made.merge_id = ANY(%(merge_ids)s::text[]::uuid[]) AND made.action = 'WINNER'
  AND j.chunk IS NULL AND j.action IN ('MOVED', 'REMOVED', 'KEPT', 'HANDED_OVER')""",
        {"merge_ids": list(scope.by_id)},
    )
    late: dict[str, set[str]] = {}
    for label, row_id in rows:
        late.setdefault(label, set()).add(row_id)
    return late


def _large_lines_back(connection: Connection, compiled: CompiledPlan, scope: Scope, done: Restoration) -> None:
    """Rows of a large merge go back a chunk at a time: nobody holds a million ids in memory."""
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
        for entry in _lines(scope, line):
            undo_entry(connection, compiled, entry, done)


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


def _strike_out(connection: Connection, compiled: CompiledPlan, entry: JournalEntry, undone: set[str]) -> None:
    """Remove rows from a line whose merge is done again; a line that is empty then goes."""
    if not undone:
        return
    schema = compiled.names.schema
    connection.exec_driver_sql(
        f"""
UPDATE {schema}.journal j SET row_ids = left_over.ids, before =
  CASE jsonb_typeof(j.before) WHEN 'array' THEN left_over.images ELSE j.before - %(gone)s::text[] END
FROM (
  SELECT coalesce(array_agg(r.id ORDER BY r.at), '{{}}') AS ids,
    coalesce(jsonb_agg(k.before->(r.at::int - 1) ORDER BY r.at) FILTER (WHERE jsonb_typeof(k.before) = 'array'),
             '[]') AS images
  FROM {schema}.journal k CROSS JOIN LATERAL unnest(k.row_ids) WITH ORDINALITY AS r(id, at)
  WHERE k.seq = %(seq)s AND r.id <> ALL(%(gone)s::text[])) left_over
WHERE j.seq = %(seq)s""",
        {"seq": entry.seq, "gone": list(undone)},
    )
    connection.exec_driver_sql(
        f"DELETE FROM {schema}.journal WHERE seq = %(seq)s AND row_ids = '{{}}'", {"seq": entry.seq}
    )
