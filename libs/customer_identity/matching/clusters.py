"""Clusters of records that show one person, built record by record as pairs are found."""

from collections.abc import Sequence


class Clusters:
    """Disjoint sets over record numbers 0..n-1."""

    def __init__(self) -> None:
        self._root: list[int] = []
        self._members: dict[int, list[int]] = {}  # of clusters with two members or more
        self.size = 0
        """Records in all."""

    def add(self, count: int) -> None:
        """Adds `count` records, each a cluster of its own."""
        self._root.extend(range(self.size, self.size + count))
        self.size += count

    def root(self, number: int) -> int:
        """The record that stands for a record's cluster."""
        root = self._root
        while root[number] != number:
            root[number] = root[root[number]]
            number = root[number]
        return number

    def members(self, number: int) -> Sequence[int]:
        """All records of a record's cluster, itself among them."""
        root = self.root(number)
        return self._members.get(root, (root,))

    def join(self, a: int, b: int) -> None:
        """Makes two records' clusters one."""
        a, b = self.root(a), self.root(b)
        if a == b:
            return
        if len(self.members(a)) < len(self.members(b)):
            a, b = b, a
        self._members.setdefault(a, [a]).extend(self._members.pop(b, [b]))
        self._root[b] = a
