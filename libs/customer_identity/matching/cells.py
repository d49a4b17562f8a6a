"""Level matrices as cells, one a level of a field, so that sums over fields are matrix products."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from customer_identity.comparison.fields import FIELDS, MISSING

Cells = NDArray[np.floating[Any]]
"""One number a level of a field: the levels of all fields in one row."""

WIDTHS: Final = tuple(len(field.levels) for field in FIELDS)
STARTS: Final = tuple(int(start) for start in np.concatenate([[0], np.cumsum(WIDTHS)[:-1]]))
_COUNT: Final = sum(WIDTHS)


def one_hot(levels: NDArray[np.int8]) -> NDArray[np.float32]:
    """Pairs x cells: 1 where the pair has that level, nothing at all for a missing field."""
    out = np.zeros((len(levels), _COUNT), np.float32)
    rows, columns = np.nonzero(levels != MISSING)
    out[rows, np.asarray(STARTS)[columns] + levels[rows, columns]] = 1.0
    return out


def row_of(distributions: Mapping[str, tuple[float, ...]]) -> NDArray[np.float32]:
    """The distributions of all fields in one row."""
    return np.concatenate([np.asarray(distributions[f.name], np.float32) for f in FIELDS])


def named(row: Cells) -> dict[str, tuple[float, ...]]:
    """A row as distributions by field."""
    return {
        f.name: tuple(float(p) for p in row[start : start + width])
        for f, start, width in zip(FIELDS, STARTS, WIDTHS, strict=True)
    }
