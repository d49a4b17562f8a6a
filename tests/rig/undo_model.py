"""What should be true of customers after any history, as simply as it can be said.

Every row belongs for ever to the customer under whose id it was written; it stands at whoever answers for that id.
Nothing here knows how a merge or an undo is done.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True, kw_only=True)
class ModelRow:
    """A row of a table; `late` while an application wrote it under a merged-away id and nobody has swept it yet."""

    table: str
    id: int
    home: str
    key: str | None = None
    points: int = 0
    granted: bool = True
    primary: bool = False
    late: bool = False


@dataclass(slots=True, kw_only=True)
class ModelMerge:
    """A merge that stands, with the losers that it has left.

    `version` is that of the plan. The rows of a `large` one follow in chunks, and are `moving` until all have.
    """

    merge_id: str
    winner: str
    losers: list[str]
    version: int
    at: datetime
    large: bool = False
    moving: bool = False


@dataclass(slots=True, kw_only=True)
class UndoModel:
    """The customers, their rows, and who is merged into whom."""

    ids: tuple[str, ...]
    rows: dict[tuple[str, int], ModelRow] = field(default_factory=dict)
    merges: list[ModelMerge] = field(default_factory=list)
    apart: set[frozenset[str]] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    types: dict[str, str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)

    def root(self, customer_id: str) -> str:
        """Who answers for an id."""
        up = {loser: merge.winner for merge in self.merges for loser in merge.losers}
        while customer_id in up:
            customer_id = up[customer_id]
        return customer_id

    def members(self, customer_id: str) -> list[str]:
        """Everybody who is the same customer."""
        return [one for one in self.ids if self.root(one) == self.root(customer_id)]

    def kept_apart(self, identities: Iterable[str]) -> bool:
        """Whether somebody said that members of two of these identities are different people."""
        roots = [self.root(one) for one in identities]
        return any(
            frozenset((a, b)) in self.apart
            for root in roots
            for other in roots
            if root != other
            for a in self.members(root)
            for b in self.members(other)
        )

    def of(self, *tables: str) -> Iterator[ModelRow]:
        """The rows of some tables."""
        return (row for row in self.rows.values() if row.table in tables)

    def forget(self, members: list[str], deleted: set[str]) -> None:
        """An identity is erased: rows of some tables go, the others stay where they are for ever."""
        root = self.root(members[0])
        for key, row in list(self.rows.items()):
            if row.home in members and row.table in deleted:
                del self.rows[key]
            elif row.home in members and not row.late:
                row.home = root
        self.merges = [merge for merge in self.merges if merge.winner not in members]
        self.erased.update(members)
        for member in members:
            self.versions.pop(member, None)
