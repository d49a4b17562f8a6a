"""Which lines of the journal have to be taken back when a merge is taken apart.

A row that came from a loser may have moved on with its winner, won against rows that were put aside for it, or been put
aside itself. Everything that met it, directly or through others, is found from the journal.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from merge_engine.compiled_plan import CompiledPlan
from merge_engine.restoring_rows import JournalEntry
from merge_engine.unmerging_lines import (
    OF_SUMS,
    Wanted,
    late_rows,
    lines_of_meetings,
    lines_of_rows,
    own_lines,
    some_rows,
)
from merge_engine.unmerging_scope import Scope


@dataclass(frozen=True, kw_only=True)
class Undoing:
    """What is to be taken back.

    `entries` belong to the merge itself, `others` to rows that met its rows; both may hold some rows of a line only.
    `sums` are figures of the losers that go. `met` are the newer merges in which rows met, the newest first.
    `chunks_returned`: the rows of a large merge's chunks have gone back before.
    """

    scope: Scope
    entries: tuple[JournalEntry, ...]
    sums: tuple[JournalEntry, ...]
    others: tuple[JournalEntry, ...]
    met: tuple[str, ...]
    chunks_returned: bool = False


def plan_undoing(connection: Connection, compiled: CompiledPlan, scope: Scope) -> Undoing:
    """Find every line of the journal that has to be taken back; changes nothing."""
    own = own_lines(connection, compiled, scope)
    leaving = [entry for entry in own if entry.from_id in scope.leaving and entry.action not in OF_SUMS]
    since = min((entry.seq for entry in leaving), default=None)
    meetings = [] if since is None else lines_of_meetings(connection, compiled, scope)
    known = _Meetings.of(meetings)
    together = _together(leaving, known)
    whole = _decided_together(compiled, leaving, [entry for entry in meetings if since and entry.seq >= since])
    others: list[JournalEntry] = []
    if since is not None:
        behind = _behind(together, whole, known, late_rows(connection, compiled, scope))
        wanted = Wanted(rows=together, behind=behind, whole=whole)
        others = lines_of_rows(connection, compiled, scope, since=since, wanted=wanted)
    staying = [_concerned(scope, entry, together, whole) for entry in own if entry.action not in OF_SUMS]
    newer = {merge.merge_id: merge for merge in scope.newer}
    met = {
        entry.merge_id
        for entry in others
        if entry.merge_id in newer and entry.action in {"REMOVED", "KEPT"} and some_rows(entry, together[entry.label])
    }
    return Undoing(
        scope=scope,
        entries=(*leaving, *(entry for entry in staying if entry is not None)),
        sums=tuple(entry for entry in own if entry.action in OF_SUMS and entry.from_id in scope.leaving),
        others=tuple(others),
        met=tuple(sorted(met, key=lambda merge_id: newer[merge_id].age, reverse=True)),
    )


def _together(leaving: Sequence[JournalEntry], meetings: "_Meetings") -> dict[str, set[str]]:
    """The losers' rows and, by table, all that met them: a row put aside met the row that it was put aside for."""
    found: dict[str, set[str]] = {}
    for entry in leaving:
        found.setdefault(entry.label, set()).update(entry.row_ids)
    return {label: meetings.spread(label, row_ids) for label, row_ids in found.items()}


def _behind(
    together: Mapping[str, set[str]], whole: Collection[str], meetings: "_Meetings", late: Mapping[str, set[str]]
) -> dict[str, set[str]]:
    """Rows that came late and might stand where another is going back to, with all that met them.

    They passed older merges when the rows that they should have met there had long gone on.
    """
    return {
        label: meetings.spread(label, late.get(label, set()))
        if label in whole
        else meetings.around(label, late.get(label, set()) & rows)
        for label, rows in together.items()
    }


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
    return None if chosen else some_rows(entry, together.get(entry.label, set()))


def _meetings(entry: JournalEntry) -> Iterator[tuple[str, str]]:
    """Which row of a line met which other one; nobody knows any more when the line's undo window has closed."""
    by_key = {"REMOVED": "kept", "COPIED": "from"}.get(entry.action)
    if by_key is not None and entry.before is not None:
        for row_id, image in zip(entry.row_ids, json.loads(entry.before), strict=True):
            yield row_id, image[by_key]
