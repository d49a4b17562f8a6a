"""Pairs of records, column by column: what both have, what is equal, and the values of chosen pairs."""

from collections.abc import Callable, Sequence
from itertools import chain
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
    """Pairs of `records[left[i]]` and `records[right[i]]`; a record that is in many pairs is taken apart once."""

    def __init__(self, records: Sequence[NormalisedRecord], left: Places, right: Places) -> None:
        values = np.fromiter(chain.from_iterable(records), object, count=len(records) * len(_COLUMN))
        self._values = np.ascontiguousarray(values.reshape(len(records), len(_COLUMN)).T)
        self._filled = self._values.astype(bool)
        self._sides = (left, right)

    def has(self, column: str, side: int) -> Flags:
        """Whether the record of this side (0 left, 1 right) has the field."""
        out: Flags = self._filled[_COLUMN[column]][self._sides[side]]
        return out

    def both(self, column: str) -> Flags:
        """Whether both have the field."""
        return self.has(column, 0) & self.has(column, 1)

    def crossed(self, column: str, other: str) -> Flags:
        """Whether the left record has one field and the right record the other."""
        return self.has(column, 0) & self.has(other, 1)

    def equal(self, column: str) -> Flags:
        """Whether both have the same value, or none."""
        values = self._values[_COLUMN[column]]
        out: Flags = (values[self._sides[0]] == values[self._sides[1]]).astype(bool)
        return out

    def values(self, column: str, rows: Places) -> tuple[list[str], list[str]]:
        """The values of both sides in these pairs."""
        values = self._values[_COLUMN[column]]
        return values[self._sides[0][rows]].tolist(), values[self._sides[1][rows]].tolist()


def similarity(a: Sequence[str], b: Sequence[str], scorer: Callable[..., Any]) -> NDArray[np.float32]:
    """What a scorer of rapidfuzz says of each pair of values."""
    found: NDArray[np.float32] = cpdist(a, b, scorer=scorer, dtype=np.float32) if a else np.zeros(0, np.float32)
    return found
