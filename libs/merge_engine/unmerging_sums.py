"""Figures that a merge added to its winner's, taken out again from whoever holds them now.

The figures are taken from the root's row and given back to the loser. What carried them there is corrected in the
journal, so that the later merges give back the right figures when they are taken apart in their turn.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from merge_engine.compiled_plan import CompiledPlan
from merge_engine.restoring_rows import JournalEntry, Restoration, undo_entry
from merge_engine.statements.undo import ChildUndo
from merge_engine.unmerging_scope import Scope

_Image = dict[str, Any]


def take_sums_back(
    connection: Connection, compiled: CompiledPlan, scope: Scope, sums: Sequence[JournalEntry], done: Restoration
) -> None:
    """Give each loser its figures back; rows that exist only because of those go too."""
    lines = sorted((entry for entry in sums if entry.action == "SUMMED"), key=lambda entry: entry.seq)
    first: dict[tuple[str, str], JournalEntry] = {}
    for entry in lines:
        first.setdefault((entry.label, entry.from_id), entry)
    taken: dict[str, list[JournalEntry]] = {}
    for entry in reversed(lines):
        before = len(done.conflicts)
        missing = entry.row_ids if scope.root_id == entry.winner_id else ()
        line = replace(entry, winner_id=scope.root_id, row_ids=missing)
        undo_entry(connection, compiled, _as_first(compiled, line, first[entry.label, entry.from_id]), done)
        if all(conflict.reason in _DONE_ALL_THE_SAME for conflict in done.conflicts[before:]):
            taken.setdefault(entry.label, []).append(entry)
    for label, entries in taken.items():
        table = _Figures(connection=connection, compiled=compiled, scope=scope, label=label)
        for entry in entries:
            table.take_from_way(_image(entry.before))
        table.drop_needless([_image(entry.before) for entry in entries], done)
    for entry in first.values():
        _Figures(connection=connection, compiled=compiled, scope=scope, label=entry.label).forget_made_meanwhile(entry)


def _as_first(compiled: CompiledPlan, entry: JournalEntry, first: JournalEntry) -> JournalEntry:
    """Figures that came late go to the row that the loser had, not to the one that was made for them meanwhile."""
    undo = compiled.undo.children.get(entry.label)
    if entry.seq == first.seq or undo is None:
        return entry
    image = _image(entry.before)
    figures = {column: image.get(column) for column in undo.sums}
    return replace(entry, before=_text({**_image(first.before), **figures}))


_DONE_ALL_THE_SAME = frozenset({"ROW_GONE_SINCE", "BELOW_ZERO"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figures:
    """The rows of one table along the way, and what the journal says of them."""

    connection: Connection
    compiled: CompiledPlan
    scope: Scope
    label: str

    @property
    def undo(self) -> ChildUndo:
        """The table's way back."""
        return self.compiled.undo.children[self.label]

    def take_from_way(self, less: _Image) -> None:
        """The figures that customers of the way handed on were greater by this loser's."""
        for place in range(len(self.scope.hops)):
            for seq, image in self._handed_on(place)[:1]:
                figures = {column: (image.get(column) or 0) - (less.get(column) or 0) for column in self.undo.sums}
                self._write(seq, {**image, **figures})

    def drop_needless(self, taken: Sequence[_Image], done: Restoration) -> None:
        """From the winner upwards: a row that a merge made to add to goes with the last figures that were added to it.

        While others remain, the row stays as the first of them would have had it made.
        """
        for place, customer_id in enumerate(self.scope.way):
            made = self._made(customer_id)
            if made is None:
                return
            heir = self._heir(customer_id)
            if heir is not None:
                self._hand_over(made, heir, taken, place)
                return
            if customer_id == self.scope.root_id:
                before = len(done.kept)
                undo_entry(self.connection, self.compiled, made, done)
                if len(done.kept) == before:
                    self._forget(made.seq)
                return
            # Where the plan keeps a loser's row, it stands here with zeros.
            undo_entry(self.connection, self.compiled, made, Restoration())
            lines = self._handed_on(place)
            nothing = not any(sum(image.get(column) or 0 for _, image in lines) for column in self.undo.sums)
            if not nothing:
                return
            for seq in (made.seq, *(seq for seq, _ in lines)):
                self._forget(seq)

    def forget_made_meanwhile(self, first: JournalEntry) -> None:
        """A loser's row that a merge made for late figures, when its own had gone on, is its own again."""
        made = self._made(first.from_id)
        if made is not None and made.seq > first.seq:
            self._forget(made.seq)

    def _hand_over(self, made: JournalEntry, heir: tuple[str, _Image], taken: Sequence[_Image], place: int) -> None:
        """The row was made after one of a loser that goes: it is the next one's from now on, and looks like it."""
        merge_id, image = heir
        self.connection.exec_driver_sql(
            f"UPDATE {self.compiled.names.schema}.journal SET merge_id = %(merge_id)s::uuid WHERE seq = %(seq)s",
            {"merge_id": merge_id, "seq": made.seq},
        )
        for old in taken:
            self._describe(place, self._description(old), self._description(image))

    def _describe(self, place: int, old: _Image, new: _Image) -> None:
        """A customer's row looks otherwise, and so do the rows that were made after it further up."""
        if place == len(self.scope.hops):
            owner = {"tenant": self.scope.tenant_id, "id": self.scope.root_id}
            self.connection.exec_driver_sql(self.undo.describe or "", {**owner, "old": _text(old), "new": _text(new)})
            return
        for seq, image in self._handed_on(place):
            if self._description(image) == old:
                self._write(seq, {**image, **new})
        above = self.scope.way[place + 1]
        first = self._heir(above)
        if self._made(above) is not None and first is not None and self._description(first[1]) == new:
            self._describe(place + 1, old, new)

    def _description(self, image: _Image) -> _Image:
        """What of a row is neither a figure nor tells whose it is."""
        return {column: value for column, value in image.items() if column not in self.undo.own}

    def _handed_on(self, place: int) -> list[tuple[int, _Image]]:
        """(seq, image) of what a customer of the way handed on; more than one line if rows came late."""
        rows = self.connection.exec_driver_sql(
            f"SELECT seq, before::text FROM {self.compiled.names.schema}.journal "
            "WHERE merge_id = %(merge_id)s::uuid AND table_name = %(label)s AND from_id = %(from_id)s "
            "AND action = 'SUMMED' ORDER BY seq",
            {"merge_id": self.scope.hops[place], "label": self.label, "from_id": self.scope.way[place]},
        )
        return [(seq, _image(image)) for seq, image in rows]

    def _made(self, customer_id: str) -> JournalEntry | None:
        """The line that says that a merge made the customer's row."""
        row = self.connection.exec_driver_sql(
            f"SELECT seq, merge_id::text FROM {self.compiled.names.schema}.journal "
            "WHERE merge_id = ANY(%(merge_ids)s::text[]::uuid[]) AND table_name = %(label)s AND from_id = %(id)s "
            "AND action = 'CREATED' ORDER BY seq DESC LIMIT 1",
            {
                "merge_ids": [merge.merge_id for merge in self.scope.standing if merge.winner_id == customer_id],
                "label": self.label,
                "id": customer_id,
            },
        ).one_or_none()
        if row is None:
            return None
        seq, merge_id = row
        return JournalEntry(
            seq=seq,
            merge_id=merge_id,
            tenant_id=self.scope.tenant_id,
            winner_id=customer_id,
            label=self.label,
            from_id=customer_id,
            action="CREATED",
            row_ids=(),
            before=None,
        )

    def _heir(self, customer_id: str) -> tuple[str, _Image] | None:
        """(merge, image) of the first figures of somebody else that were added to the customer's and still are."""
        pairs = [
            (merge.merge_id, loser_id)
            for merge in self.scope.standing
            if merge.winner_id == customer_id
            for loser_id in merge.losers
            if merge is not self.scope.own or loser_id not in self.scope.leaving
        ]
        row = self.connection.exec_driver_sql(
            f"""
SELECT j.merge_id::text, j.before::text
FROM unnest(%(merge_ids)s::text[]::uuid[], %(losers)s::text[]) WITH ORDINALITY AS p(merge_id, loser_id, place)
JOIN {self.compiled.names.schema}.journal j ON j.merge_id = p.merge_id AND j.from_id = p.loser_id
WHERE j.table_name = %(label)s AND j.action = 'SUMMED' ORDER BY p.place, j.seq LIMIT 1""",
            {"merge_ids": [one for one, _ in pairs], "losers": [one for _, one in pairs], "label": self.label},
        ).one_or_none()
        return None if row is None else (row[0], _image(row[1]))

    def _write(self, seq: int, image: _Image) -> None:
        self.connection.exec_driver_sql(
            f"UPDATE {self.compiled.names.schema}.journal SET before = %(image)s::text::jsonb WHERE seq = %(seq)s",
            {"seq": seq, "image": _text(image)},
        )

    def _forget(self, seq: int) -> None:
        self.connection.exec_driver_sql(
            f"DELETE FROM {self.compiled.names.schema}.journal WHERE seq = %(seq)s", {"seq": seq}
        )


def _image(text: str | None) -> _Image:
    """A row as the journal keeps it; figures stay exact."""
    image: _Image = json.loads(text or "{}", parse_float=Decimal)
    return image


def _text(image: _Image) -> str:
    """The same as JSON; a number with a fraction is written digit by digit."""
    values = {
        column: str(value) if isinstance(value, Decimal) else json.dumps(value) for column, value in image.items()
    }
    return "{" + ", ".join(f"{json.dumps(column)}: {value}" for column, value in values.items()) + "}"
