"""Clusters of records that show one person, built pair by pair as pairs are found."""

from typing import Final

_JOIN: Final = 0.9
_BRIDGE: Final = 0.97  # joining two clusters is a claim about many pairs at once


class Clusters:
    """Disjoint sets over record numbers 0..n-1."""

    def __init__(self) -> None:
        self._parent: list[int] = []
        self._size: list[int] = []

    def add(self, count: int) -> None:
        """Adds `count` records, each a cluster of its own."""
        start = len(self._parent)
        self._parent.extend(range(start, start + count))
        self._size.extend([1] * count)

    def root(self, number: int) -> int:
        """The representative of a record's cluster."""
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number

    def join(self, a: int, b: int, score: float) -> None:
        """Joins two records' clusters when the score is high enough for what joining them claims."""
        a, b = self.root(a), self.root(b)
        if a == b or score < (_BRIDGE if min(self._size[a], self._size[b]) > 1 else _JOIN):
            return
        if self._size[a] < self._size[b]:
            a, b = b, a
        self._parent[b] = a
        self._size[a] += self._size[b]
