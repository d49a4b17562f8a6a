"""The rows of a merge, put back one table at a time from its journal."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from customer_identity.merging import Conflict, Kept, Returned
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.statements.undo import ChildUndo
from merge_engine.values import MergeRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One line of a merge's journal; `before` is JSON text."""

    table: str
    from_id: str
    action: str
    row_ids: tuple[str, ...]
    before: str | None


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

    def returned_rows(self) -> tuple[Returned, ...]:
        """Figures by table."""
        return tuple(Returned(table=table, rows=rows) for table, rows in self.returned.items() if rows)

    def drop_created_rows(
        self, connection: Connection, compiled: CompiledPlan, merge: MergeRecord, journal: Sequence[JournalEntry]
    ) -> None:
        """Rows that the merge gave the winner to sum into go again, unless something was added to them since."""
        for entry in journal:
            undo = compiled.undo.children.get(entry.table)
            if entry.action == "CREATED" and undo is not None and undo.drop is not None and undo.owned is not None:
                owner = {"tenant": merge.tenant_id, "id": entry.from_id}
                connection.exec_driver_sql(undo.drop, owner)
                left = connection.exec_driver_sql(undo.owned, owner).scalar_one()
                if left:
                    self.kept.append(Kept(table=entry.table, rows=left, reason="USED_SINCE"))


def load_journal(connection: Connection, compiled: CompiledPlan, merge_id: str) -> list[JournalEntry]:
    """All lines of a merge's journal, in a fixed order."""
    rows = connection.exec_driver_sql(
        f"SELECT table_name, from_id, action, row_ids, before::text FROM {compiled.names.schema}.journal "
        "WHERE merge_id = %(merge_id)s::uuid ORDER BY table_name, from_id, action, row_ids",
        {"merge_id": merge_id},
    )
    return [
        JournalEntry(table=table, from_id=from_id, action=action, row_ids=tuple(row_ids), before=before)
        for table, from_id, action, row_ids, before in rows
    ]


def restore_rows(
    connection: Connection,
    compiled: CompiledPlan,
    merge: MergeRecord,
    *,
    losers: Sequence[str],
    journal: Sequence[JournalEntry],
    done: Restoration,
) -> None:
    """Rows that came from these losers go back to them; rows that were put aside for them return."""
    back = _Way(connection=connection, merge=merge, done=done)
    for table in dict.fromkeys(entry.table for entry in journal if entry.action in {"MOVED", "REMOVED", "SUMMED"}):
        undo = compiled.undo.children.get(table)
        own = [entry for entry in journal if entry.table == table]
        if undo is None:
            rows = sum(len(entry.row_ids) for entry in own if entry.from_id in losers)
            done.kept.append(Kept(table=table, rows=rows, reason="NOT_IN_PLAN"))
            continue
        gone: set[str] = set()
        for entry in own:
            if entry.action == "MOVED" and entry.from_id in losers:
                gone.update(entry.row_ids)
                back.move(undo, entry)
        for entry in own:
            if entry.action == "REMOVED":
                back.bring_back(undo, entry, losers, gone)
            elif entry.action == "SUMMED" and entry.from_id in losers:
                back.take_out(undo, entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """The way back of rows: every step under a savepoint, so that a conflict spoils nothing but its own row."""

    connection: Connection
    merge: MergeRecord
    done: Restoration

    def move(self, undo: ChildUndo, entry: JournalEntry) -> None:
        """Give moved rows back that still belong to the winner, all at once or, after a conflict, one by one."""
        if undo.back is None or undo.present is None:
            return
        try:
            with self.connection.begin_nested():
                self._back(undo.back, entry, entry.row_ids)
        except IntegrityError:
            for row_id in entry.row_ids:
                with self._reporting(undo.name, row_id):
                    self._back(undo.back, entry, (row_id,))
        conflicting = {conflict.id for conflict in self.done.conflicts if conflict.table == undo.name}
        elsewhere = [
            row_id
            for (row_id,) in self.connection.exec_driver_sql(undo.present, self._rows(entry, entry.row_ids))
            if row_id not in conflicting
        ]
        if elsewhere:
            self.done.kept.append(Kept(table=undo.name, rows=len(elsewhere), reason="MOVED_ELSEWHERE_SINCE"))
        if undo.flag is not None and entry.before is not None:
            self.connection.exec_driver_sql(undo.flag, self._rows(entry, tuple(json.loads(entry.before))))

    def bring_back(self, undo: ChildUndo, entry: JournalEntry, losers: Sequence[str], gone: set[str]) -> None:
        """Insert rows that were put aside: a loser's own, and the winner's that had made room for a row now gone."""
        for row_id, put_aside in zip(entry.row_ids, json.loads(entry.before or "[]"), strict=True):
            if entry.from_id in losers or (entry.from_id == self.merge.winner_id and put_aside["kept"] in gone):
                with self._reporting(undo.name, row_id):
                    self._insert(undo, put_aside["row"])
                    self.done.returned[undo.name] += 1
            elif put_aside["kept"] in gone:
                self.done.conflict(undo.name, row_id, "PUT_ASIDE_FOR_A_ROW_NOW_GONE")

    def take_out(self, undo: ChildUndo, entry: JournalEntry) -> None:
        """Take a loser's figures out of the winner's again, and give the loser its row."""
        if undo.add is None or entry.before is None:
            return
        tenant, winner_id = self.merge.tenant_id, self.merge.winner_id
        figures = {"image": entry.before, "tenant": tenant}
        with self._reporting(undo.name, winner_id):
            left = self.connection.exec_driver_sql(undo.add, {**figures, "id": winner_id, "sign": -1}).one_or_none()
            if left is None:
                self.done.conflict(undo.name, winner_id, "ROW_GONE_SINCE")
            elif min(left) < 0:
                self.done.conflict(undo.name, winner_id, "BELOW_ZERO")
            later = self.connection.exec_driver_sql(undo.add, {**figures, "id": entry.from_id, "sign": 1})
            if later.one_or_none() is None:
                self._insert(undo, json.loads(entry.before))
            self.done.returned[undo.name] += 1

    def _back(self, statement: str, entry: JournalEntry, row_ids: Sequence[str]) -> None:
        returned = self.connection.exec_driver_sql(statement, self._rows(entry, row_ids)).all()
        self.done.returned[entry.table] += len(returned)

    def _insert(self, undo: ChildUndo, row: Any) -> None:
        if undo.insert is not None:
            self.connection.exec_driver_sql(undo.insert, {"image": json.dumps(row)})

    def _rows(self, entry: JournalEntry, row_ids: Sequence[str]) -> dict[str, str]:
        return {
            "ids": _array(row_ids),
            "tenant": self.merge.tenant_id,
            "winner": self.merge.winner_id,
            "loser": entry.from_id,
        }

    @contextmanager
    def _reporting(self, table: str, row_id: str) -> Iterator[None]:
        """A savepoint; a constraint that stands in the way is reported instead of raised."""
        try:
            with self.connection.begin_nested():
                yield
        except IntegrityError as error:
            state = getattr(error.orig, "sqlstate", "")
            self.done.conflict(table, row_id, "TAKEN_SINCE" if state == "23505" else f"CONSTRAINT {state}")


def _array(items: Sequence[str]) -> str:
    """An array literal: unlike a bound list it takes the type of the column that it is compared with."""
    quoted = ('"' + item.replace("\\", r"\\").replace('"', r"\"") + '"' for item in items)
    return "{" + ",".join(quoted) + "}"
