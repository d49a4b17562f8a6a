"""The rows of one line of a merge's journal, put back."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError

from customer_identity.merging import Conflict, Kept, Returned
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.statements.undo import ChildUndo


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One line of a merge's journal, or with fewer `row_ids` than `line_ids` a part of it.

    `winner_id` is the merge's winner. `before` is JSON text (see the migrations), always of the whole line: it goes
    back to the database as it came, for Python's numbers are not those of PostgreSQL.
    """

    seq: int
    merge_id: str
    tenant_id: str
    winner_id: str
    label: str
    from_id: str
    action: str
    row_ids: tuple[str, ...]
    before: str | None
    line_ids: tuple[str, ...] | None = None

    def part(self, row_ids: Collection[str]) -> "JournalEntry":
        """The same line with these rows only."""
        line_ids = self.line_ids or self.row_ids
        wanted = set(row_ids)
        some = tuple(row_id for row_id in self.row_ids if row_id in wanted)
        return replace(self, row_ids=some, line_ids=line_ids)

    def places(self, row_ids: Collection[str]) -> list[int]:
        """Where rows stand in the line, from 1: a list in `before` has the same order."""
        wanted = set(row_ids)
        return [place for place, row_id in enumerate(self.line_ids or self.row_ids, start=1) if row_id in wanted]


# An event takes no list that is longer than 10,000, and nobody reads that many.
_LISTED = 1_000


@dataclass(slots=True)
class Restoration:
    """What an undo did so far, and what it could not do."""

    returned: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    kept: list[Kept] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    recomputed_fields: list[str] = field(default_factory=list)

    def conflict(self, table: str, id_: str, reason: str) -> None:
        """Report something that could not be put back."""
        self.conflicts.append(Conflict(table=table, id=id_, reason=reason))

    def keep(self, table: str, rows: int, reason: str) -> None:
        """Report rows that stay where they are."""
        if rows:
            self.kept.append(Kept(table=table, rows=rows, reason=reason))

    def told(self) -> tuple[tuple[Kept, ...], tuple[Conflict, ...]]:
        """What was not put back, as it is told: rows kept for the same reason are one figure.

        So are conflicts, after the first thousand.
        """
        figures: dict[tuple[str, str], int] = defaultdict(int)
        for kept in self.kept:
            figures[kept.table, kept.reason] += kept.rows
        for conflict in self.conflicts[_LISTED:]:
            figures[conflict.table, conflict.reason] += 1
        sums = (Kept(table=table, rows=rows, reason=reason) for (table, reason), rows in figures.items())
        return tuple(sums), tuple(self.conflicts[:_LISTED])

    def returned_rows(self) -> tuple[Returned, ...]:
        """Figures by table."""
        return tuple(Returned(table=table, rows=rows) for table, rows in self.returned.items() if rows)


def in_the_way(fault: BaseException) -> bool:
    """Whether a constraint stands in a row's way."""
    return isinstance(fault, IntegrityError)


def undo_entry(
    connection: Connection,
    compiled: CompiledPlan,
    entry: JournalEntry,
    done: Restoration,
    *,
    stays: Callable[[BaseException], bool] = in_the_way,
) -> set[str]:
    """Take one line back, or the part of it that `entry` holds; answers the ids of the rows that are as they were.

    What cannot go back is reported in `done`; `stays` says of which faults a row stays. Lines about records (WINNER,
    LOSER) are not rows: see restoring_fields.
    """
    undo = compiled.undo.children.get(entry.label)
    if undo is None:
        done.keep(entry.label, len(entry.row_ids), "NOT_IN_PLAN")
        return set()
    return _WAYS[entry.action](_Line(connection=connection, undo=undo, entry=entry, done=done, stays=stays))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """The way back of one line. Every step runs under a savepoint: a conflict spoils nothing but its own row."""

    connection: Connection
    undo: ChildUndo
    entry: JournalEntry
    done: Restoration
    stays: Callable[[BaseException], bool]

    def move_back(self) -> set[str]:
        """Give rows back that still belong to whom they went to, whatever else changed in them."""
        if self.undo.back is None or self.undo.present is None:
            return self._unknown()
        went_to = self._before()["to"] if self.entry.action == "HANDED_OVER" else self.entry.winner_id
        returned, conflicting = self._rows(self.undo.back, winner=went_to)
        settled = returned | conflicting
        left = [row_id for row_id in self.entry.row_ids if row_id not in settled]
        if left:
            elsewhere = self.connection.exec_driver_sql(self.undo.present, self._parameters(left))
            self.done.keep(self.undo.name, len(elsewhere.all()), "MOVED_ELSEWHERE_SINCE")
        if self.undo.flag is not None and self.entry.before is not None:
            self._halving([row_id for row_id in self._before() if row_id in returned], self._flag)
        return returned

    def claim_back(self) -> set[str]:
        """Rows whose customer was cleared name it again, unless they name somebody else since."""
        if self.undo.claim is None:
            return self._unknown()
        returned, _ = self._rows(self.undo.claim)
        return returned

    def insert_losing(self) -> set[str]:
        """Rows that had lost a collision."""
        return self._insert(wrapped=True)

    def insert_unchosen(self) -> set[str]:
        """Rows that the order had not kept."""
        return self._insert(wrapped=False)

    def stay(self) -> set[str]:
        """Rows that never left."""
        return set(self.entry.row_ids)

    def remove_copies(self) -> set[str]:
        """Copies that are as they were made go again; the others belong to the winner now."""
        if self.undo.uncopy is None:
            return self._unknown()

        def remove(row_ids: Sequence[str]) -> set[str]:
            rows = self.connection.exec_driver_sql(self.undo.uncopy or "", self._parameters(row_ids))
            return {row_id for (row_id,) in rows}

        removed, conflicting = self._halving(self.entry.row_ids, remove)
        self.done.keep(self.undo.name, len(self.entry.row_ids) - len(removed | conflicting), "CHANGED_SINCE")
        return removed

    def write_back(self) -> set[str]:
        """Copies of the winner's fields that still hold what the merge wrote hold again what they held."""
        if self.undo.unrefresh is None:
            return self._unknown()
        self.connection.exec_driver_sql(self.undo.unrefresh, self._parameters(self.entry.row_ids))
        return set(self.entry.row_ids)

    def take_out(self) -> set[str]:
        """Take a loser's figures out of the winner's again, and give the loser its row."""
        if self.undo.add is None or self.entry.before is None:
            return self._unknown()
        self._halving((self.entry.winner_id,), lambda _: self._take_out(self.undo.add or "", self.entry.before or ""))
        return set()

    def drop_created(self) -> set[str]:
        """A row that the merge gave the winner to sum into goes again, unless something was added to it since."""
        if self.undo.drop is None or self.undo.owned is None:
            return self._unknown()
        owner = {"tenant": self.entry.tenant_id, "id": self.entry.from_id}

        def drop(ids: Sequence[str]) -> set[str]:
            self.connection.exec_driver_sql(self.undo.drop or "", owner)
            return set(ids)

        self._halving((self.entry.from_id,), drop)
        left = self.connection.exec_driver_sql(self.undo.owned, owner).scalar_one()
        self.done.keep(self.undo.name, left, "USED_SINCE")
        return set()

    def _flag(self, row_ids: Sequence[str]) -> set[str]:
        self.connection.exec_driver_sql(self.undo.flag or "", self._parameters(row_ids))
        return set(row_ids)

    def _take_out(self, add: str, image: str) -> set[str]:
        figures = {"image": image, "tenant": self.entry.tenant_id}
        winner_id = self.entry.winner_id
        left = self.connection.exec_driver_sql(add, {**figures, "id": winner_id, "sign": -1}).one_or_none()
        if left is None:
            self.done.conflict(self.undo.name, winner_id, "ROW_GONE_SINCE")
        elif min(figure or 0 for figure in left) < 0:
            self.done.conflict(self.undo.name, winner_id, "BELOW_ZERO")
        if self.entry.row_ids and self.undo.empty is not None:
            missing = {"missing": _array(self.entry.row_ids), "tenant": self.entry.tenant_id, "id": winner_id}
            self.connection.exec_driver_sql(self.undo.empty, missing)
        later = self.connection.exec_driver_sql(add, {**figures, "id": self.entry.from_id, "sign": 1})
        if later.one_or_none() is None:
            self.connection.exec_driver_sql(self.undo.insert, {"before": f"[{image}]", "places": [1], "wrapped": False})
        self.done.returned[self.undo.name] += 1
        return {winner_id}

    def _rows(self, statement: str, *, winner: str | None = None) -> tuple[set[str], set[str]]:
        """Run a statement that answers the ids of the rows that went back."""

        def give(row_ids: Sequence[str]) -> set[str]:
            parameters = self._parameters(row_ids, winner=winner)
            return {row_id for (row_id,) in self.connection.exec_driver_sql(statement, parameters)}

        returned, conflicting = self._halving(self.entry.row_ids, give)
        self.done.returned[self.undo.name] += len(returned)
        return returned, conflicting

    def _insert(self, *, wrapped: bool) -> set[str]:
        def insert(row_ids: Sequence[str]) -> set[str]:
            self.connection.exec_driver_sql(self.undo.insert, {**self._parameters(row_ids), "wrapped": wrapped})
            return set(row_ids)

        returned, _ = self._halving(self.entry.row_ids, insert)
        self.done.returned[self.undo.name] += len(returned)
        return returned

    def _halving(self, row_ids: Sequence[str], do: Callable[[Sequence[str]], set[str]]) -> tuple[set[str], set[str]]:
        """Do it for all rows at once; where a constraint stands in the way, by halves until the row stands alone.

        Answers the rows for which it was done and those that conflict; the latter are reported.
        """
        if not row_ids:
            return set(), set()
        try:
            with self.connection.begin_nested():
                return do(row_ids), set()
        except DBAPIError as error:
            if not self.stays(error):
                raise
            if len(row_ids) == 1:
                state = getattr(error.orig, "sqlstate", "")
                reason = "TAKEN_SINCE" if state == "23505" else f"CONSTRAINT {state}"
                self.done.conflict(self.undo.name, row_ids[0], reason)
                return set(), set(row_ids)
        middle = len(row_ids) // 2
        halves = [self._halving(half, do) for half in (row_ids[:middle], row_ids[middle:])]
        return halves[0][0] | halves[1][0], halves[0][1] | halves[1][1]

    def _parameters(self, row_ids: Sequence[str], *, winner: str | None = None) -> dict[str, Any]:
        return {
            "ids": _array(row_ids),
            "places": self.entry.places(set(row_ids)),
            "before": self.entry.before,
            "tenant": self.entry.tenant_id,
            "winner": winner or self.entry.winner_id,
            "loser": self.entry.from_id,
        }

    def _before(self) -> Any:
        return json.loads(self.entry.before or "[]")

    def _unknown(self) -> set[str]:
        """The plan moves the table in another way than it did at the merge."""
        self.done.keep(self.undo.name, max(len(self.entry.row_ids), 1), "NOT_IN_PLAN")
        return set()


_WAYS: Mapping[str, Callable[[_Line], set[str]]] = {
    "MOVED": _Line.move_back,
    "HANDED_OVER": _Line.move_back,
    "CLEARED": _Line.claim_back,
    "REMOVED": _Line.insert_losing,
    "CHOSEN_AWAY": _Line.insert_unchosen,
    "KEPT": _Line.stay,
    "COPIED": _Line.remove_copies,
    "REFRESHED": _Line.write_back,
    "SUMMED": _Line.take_out,
    "CREATED": _Line.drop_created,
}


def _array(items: Sequence[str]) -> str:
    """An array literal: unlike a bound list it takes the type of the column that it is compared with."""
    quoted = ('"' + item.replace("\\", r"\\").replace('"', r"\"") + '"' for item in items)
    return "{" + ",".join(quoted) + "}"
