"""Fits a model to a customer base without labels (expectation-maximisation, Dempster, Laird and Rubin 1977).

The shipped model says what kinds of pairs exist and starts near the truth; a base then says how many of each kind it
has and how its own people fill in the fields. Priors worth some hundred pairs hold whatever a small base cannot tell.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from customer_identity.comparison.fields import EXACT, FIELDS
from customer_identity.matching.cells import STARTS, WIDTHS, Cells, named, one_hot, row_of
from customer_identity.matching.model import Model
from customer_identity.matching.scoring import fields_by_chance, level_tables

ROUNDS: Final = 20
_PRIOR_PAIRS: Final = 300.0
_PRIOR_RECORDS: Final = 500.0
_PRIOR_CHANCE_PAIRS: Final = 2_000.0


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
    by_chance = fields_by_chance(base)
    pinned = np.repeat(np.vstack([np.zeros(len(FIELDS), bool), by_chance]), WIDTHS, axis=1)
    cells = one_hot(seen.levels)
    rarer = _rarer(base, seen) @ by_chance.T.astype(np.float32)
    priors = tables = level_tables(base)
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
            levels={f: p for f, p in named(tables[1 + kind]).items() if f in e.levels},
            pairs_per_record=None if e.pairs_per_record is None else float(expected[1 + kind]),
        )
        for kind, e in enumerate(base.explanations)
    )
    return replace(base, match=named(tables[0]), explanations=explanations, duplicates_per_record=float(expected[0]))


def _chance(start: Model, seen: Observation) -> dict[str, tuple[float, ...]]:
    """How often random pairs agree here. In a small base some are duplicates: each counts by how little it is one."""
    cells = one_hot(seen.random_levels)
    unknown = np.zeros((len(cells), len(start.explanations)), np.float32)
    strangers = 1.0 - _shares(cells, unknown, level_tables(start), _rates(start, seen.others))[:, :1]
    return named(_updated(row_of(start.chance)[None, :], strangers.T @ cells, _PRIOR_CHANCE_PAIRS)[0])


def _shares(cells: Cells, rarer: Cells, tables: Cells, expected: NDArray[np.float64]) -> Cells:
    """Probability of each kind of pair (column 0: one person; then the explanations) for each pair."""
    totals = cells @ np.log(tables).T
    totals[:, 1:] += rarer
    totals += np.log(expected).astype(np.float32)
    out: Cells = np.exp(totals - totals.max(axis=1, keepdims=True, initial=-np.inf))
    out /= out.sum(axis=1, keepdims=True)
    return out


def _rates(model: Model, others: float) -> NDArray[np.float64]:
    """Expected pairs of each kind that a record is part of."""
    kinds = (others + 1.0 if e.pairs_per_record is None else e.pairs_per_record for e in model.explanations)
    return np.array([model.duplicates_per_record, *kinds])


def _rarer(model: Model, seen: Observation) -> Cells:
    """Ln of how much rarer the equal values are than equal values are by chance (pairs x fields)."""
    by_chance = np.log([model.chance[f.name][-1] for f in FIELDS])
    equal = (seen.levels == np.asarray(EXACT)) & ~np.isnan(seen.log_frequency)
    return np.where(equal, seen.log_frequency - by_chance, 0.0).astype(np.float32)


def _updated(priors: Cells, counts: Cells, strength: float) -> Cells:
    """Posterior means under Dirichlet priors of this strength, field by field."""
    weighed = counts + strength * priors
    sums = np.repeat(np.add.reduceat(weighed, STARTS, axis=1), WIDTHS, axis=1)
    out: Cells = weighed / sums
    return out
