"""Fits a model to a customer base without labels (expectation-maximisation, Dempster, Laird and Rubin 1977).

The shipped model says what kinds of pairs exist and starts near the truth; a base then says how many of each kind it
has and how its own people fill in the fields. Priors worth some hundred pairs hold whatever a small base cannot tell.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from customer_identity.comparison.fields import EXACT, FIELDS, MISSING
from customer_identity.matching.model import Model

ROUNDS: Final = 20
_PRIOR_PAIRS: Final = 300.0
_PRIOR_RECORDS: Final = 500.0
_PRIOR_CHANCE_PAIRS: Final = 2_000.0

_WIDTHS: Final = tuple(len(field.levels) for field in FIELDS)
_STARTS: Final = tuple(int(start) for start in np.concatenate([[0], np.cumsum(_WIDTHS)[:-1]]))
_CELLS: Final = sum(_WIDTHS)

_Cells = NDArray[np.floating[Any]]
"""One number a level of a field: the levels of all fields in one row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a base shows of itself: a sample of its candidate pairs, and pairs drawn at random."""

    records: int
    """Records whose candidates these are."""
    others: float
    """Records that each of them could have been paired with by chance."""
    levels: NDArray[np.int8]
    log_frequency: NDArray[np.float32]
    """Ln frequency of the equal values, per pair and field (see Scorer.log_frequency)."""
    pairs_a_row: float
    """Candidate pairs that one sampled pair stands for."""
    random_levels: NDArray[np.int8]


def fit(start: Model, seen: Observation, version: str, *, rounds: int = ROUNDS) -> Model:
    """The model likeliest for what was seen; the numbers of `start` are the priors."""
    base = replace(start, chance=_chance(start, seen), version=version)
    by_chance = _by_chance(base)
    pinned = np.repeat(np.vstack([np.zeros(len(FIELDS), bool), by_chance]), _WIDTHS, axis=1)
    cells = _one_hot(seen.levels)
    rarer = _rarer(base, seen) @ by_chance.T.astype(np.float32)
    priors = tables = _tables(base)
    prior_rates = expected = _rates(base, seen.others)
    fixed = np.array([False, *(e.pairs_per_record is None for e in base.explanations)])
    for _ in range(rounds):
        shares = seen.pairs_a_row * _shares(cells, rarer, tables, expected)
        tables = np.where(pinned, priors, _updated(priors, shares.T @ cells, _PRIOR_PAIRS))
        found = (prior_rates * _PRIOR_RECORDS + shares.sum(axis=0)) / (_PRIOR_RECORDS + seen.records)
        expected = np.where(fixed, prior_rates, found)
    explanations = tuple(
        replace(
            e,
            levels={f: p for f, p in _named(tables[1 + kind]).items() if f in e.levels},
            pairs_per_record=None if e.pairs_per_record is None else float(expected[1 + kind]),
        )
        for kind, e in enumerate(base.explanations)
    )
    return replace(base, match=_named(tables[0]), explanations=explanations, duplicates_per_record=float(expected[0]))


def _chance(start: Model, seen: Observation) -> dict[str, tuple[float, ...]]:
    """How often random pairs agree here. In a small base some are duplicates: each counts by how little it is one."""
    cells = _one_hot(seen.random_levels)
    unknown = np.zeros((len(cells), len(start.explanations)), np.float32)
    strangers = 1.0 - _shares(cells, unknown, _tables(start), _rates(start, seen.others))[:, :1]
    return _named(_updated(_row(start.chance)[None, :], strangers.T @ cells, _PRIOR_CHANCE_PAIRS)[0])


def _shares(cells: _Cells, rarer: _Cells, tables: _Cells, expected: NDArray[np.float64]) -> _Cells:
    """Probability of each kind of pair (column 0: one person; then the explanations) for each pair."""
    totals = cells @ np.log(tables).T
    totals[:, 1:] += rarer
    totals += np.log(expected).astype(np.float32)
    out: _Cells = np.exp(totals - totals.max(axis=1, keepdims=True, initial=-np.inf))
    out /= out.sum(axis=1, keepdims=True)
    return out


def _tables(model: Model) -> _Cells:
    """Level probabilities by kind of pair, one row a kind."""
    return np.stack([_row(model.match), *(_row({**model.chance, **e.levels}) for e in model.explanations)])


def _rates(model: Model, others: float) -> NDArray[np.float64]:
    """Expected pairs of each kind that a record is part of."""
    kinds = (others + 1.0 if e.pairs_per_record is None else e.pairs_per_record for e in model.explanations)
    return np.array([model.duplicates_per_record, *kinds])


def _by_chance(model: Model) -> NDArray[np.bool_]:
    """Explanations x fields: where the explanation has nothing to say, so that agreement is by chance."""
    return np.array([[f.name not in e.levels for f in FIELDS] for e in model.explanations])


def _rarer(model: Model, seen: Observation) -> _Cells:
    """Ln of how much rarer the equal values are than equal values are by chance (pairs x fields)."""
    by_chance = np.log([model.chance[f.name][-1] for f in FIELDS])
    equal = (seen.levels == np.asarray(EXACT)) & ~np.isnan(seen.log_frequency)
    return np.where(equal, seen.log_frequency - by_chance, 0.0).astype(np.float32)


def _one_hot(levels: NDArray[np.int8]) -> _Cells:
    """Pairs x cells: 1 where the pair has that level, nothing at all for a missing field."""
    out = np.zeros((len(levels), _CELLS), np.float32)
    rows, columns = np.nonzero(levels != MISSING)
    out[rows, np.asarray(_STARTS)[columns] + levels[rows, columns]] = 1.0
    return out


def _row(distributions: Mapping[str, tuple[float, ...]]) -> _Cells:
    return np.concatenate([np.asarray(distributions[f.name], np.float32) for f in FIELDS])


def _named(row: NDArray[np.float32]) -> dict[str, tuple[float, ...]]:
    return {
        f.name: tuple(float(p) for p in row[start : start + width])
        for f, start, width in zip(FIELDS, _STARTS, _WIDTHS, strict=True)
    }


def _updated(priors: _Cells, counts: _Cells, strength: float) -> _Cells:
    """Posterior means under Dirichlet priors of this strength, field by field."""
    weighed = counts + strength * priors
    sums = np.repeat(np.add.reduceat(weighed, _STARTS, axis=1), _WIDTHS, axis=1)
    out: _Cells = weighed / sums
    return out
