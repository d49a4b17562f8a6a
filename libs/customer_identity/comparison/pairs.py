"""Pairs of records, column by column: what both have, what is equal, and the values of chosen pairs."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.process import cpdist

from customer_identity.normalise.record import NormalisedRecord

Flags = NDArray[np.bool_]
Levels = NDArray[np.int8]
Places = NDArray[np.intp]

_COLUMN: Final = {name: at for at, name in enumerate(NormalisedRecord._fields)}


class Pairs:
    """Pairs of the records at `left[i]` and `right[i]`; a record that is in many pairs is taken apart once."""

    def __init__(self, column: Callable[[int], Sequence[str]], left: Places, right: Places) -> None:
        """`column` gives all records' values of a place in NormalisedRecord; only what is compared is asked for."""
        self._column = column
        self._sides = (left, right)
        self._taken: dict[str, tuple[NDArray[np.object_], Flags]] = {}

    def has(self, column: str, side: int) -> Flags:
        """Whether the record of this side (0 left, 1 right) has the field."""
        out: Flags = self._values(column)[1][self._sides[side]]
        return out

    def both(self, column: str) -> Flags:
        """Whether both have the field."""
        return self.has(column, 0) & self.has(column, 1)

    def crossed(self, column: str, other: str) -> Flags:
        """Whether the left record has one field and the right record the other."""
        return self.has(column, 0) & self.has(other, 1)

    def equal(self, column: str) -> Flags:
        """Whether both have the same value, or none."""
        values, _ = self._values(column)
        out: Flags = (values[self._sides[0]] == values[self._sides[1]]).astype(bool)
        return out

    def values(self, column: str, rows: Places) -> tuple[list[str], list[str]]:
        """The values of both sides in these pairs."""
        values, _ = self._values(column)
        return values[self._sides[0][rows]].tolist(), values[self._sides[1][rows]].tolist()

    def _values(self, column: str) -> tuple[NDArray[np.object_], Flags]:
        """Of all records, and whether they are filled."""
        if column not in self._taken:
            values = np.array(self._column(_COLUMN[column]), object)
            self._taken[column] = values, values.astype(bool)
        return self._taken[column]


def similarity(a: Sequence[str], b: Sequence[str], scorer: Callable[..., Any]) -> NDArray[np.float32]:
    """What a scorer of rapidfuzz says of each pair of values."""
    found: NDArray[np.float32] = cpdist(a, b, scorer=scorer, dtype=np.float32) if a else np.zeros(0, np.float32)
    return found
