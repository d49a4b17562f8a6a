"""Fits a model to a customer base without labels (expectation-maximisation, Dempster, Laird and Rubin 1977).

The shipped model says what kinds of pairs exist and starts near the truth; a base then says how many of each kind it
has and how its own people fill in the fields. Priors worth some hundred pairs hold whatever a small base cannot tell.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from customer_identity.comparison.fields import FIELDS, MISSING
from customer_identity.matching.model import Explanation, Model
from customer_identity.matching.scoring import Floats, Scorer

ROUNDS: Final = 20
_PRIOR_PAIRS: Final = 300.0
_PRIOR_RECORDS: Final = 2_000.0
_PRIOR_CHANCE_PAIRS: Final = 2_000.0


def fit(  # noqa: PLR0917 - the parts of an observation, all of them always given
    model: Model,
    levels: NDArray[np.int8],
    log_frequency: Floats,
    records: int,
    random_levels: NDArray[np.int8],
    version: str,
) -> Model:
    """A model refitted to a base of `records` records.

    Args:
        model: where to start; its numbers are the priors.
        levels: level matrix of the base's candidate pairs.
        log_frequency: ln frequency of the equal values, per pair and field (see Scorer.log_frequency).
        records: size of the base.
        random_levels: level matrix of pairs drawn at random: what chance looks like here.
        version: name of the new model.
    """
    chance = {
        field.name: _updated(
            model.chance[field.name], random_levels[:, column], np.ones(len(random_levels)), _PRIOR_CHANCE_PAIRS
        )
        for column, field in enumerate(FIELDS)
    }
    start = fitted = replace(model, chance=chance, version=version)
    for _ in range(ROUNDS):
        shares = Scorer(fitted).shares(levels, log_frequency, float(records))
        fitted = _maximised(start, fitted, levels, shares, records)
    return fitted


def _maximised(start: Model, current: Model, levels: NDArray[np.int8], shares: Floats, records: int) -> Model:
    """The model under which pairs shared out like this are likeliest, given what `start` held for true."""
    match = {
        f.name: _updated(start.match[f.name], levels[:, c], shares[:, 0], _PRIOR_PAIRS) for c, f in enumerate(FIELDS)
    }
    explanations = tuple(
        _explanation(prior, levels, shares[:, 1 + kind], records) for kind, prior in enumerate(start.explanations)
    )
    return replace(
        current,
        match=match,
        explanations=explanations,
        duplicates_per_record=_rate(start.duplicates_per_record, shares[:, 0], records),
    )


def _explanation(prior: Explanation, levels: NDArray[np.int8], share: Floats, records: int) -> Explanation:
    if prior.pairs_per_record is None:
        return prior
    fitted = {
        f.name: _updated(prior.levels[f.name], levels[:, c], share, _PRIOR_PAIRS)
        for c, f in enumerate(FIELDS)
        if f.name in prior.levels
    }
    return replace(prior, levels=fitted, pairs_per_record=_rate(prior.pairs_per_record, share, records))


def _rate(prior: float, share: Floats, records: int) -> float:
    return float((prior * _PRIOR_RECORDS + share.sum()) / (_PRIOR_RECORDS + records))


def _updated(prior: tuple[float, ...], column: NDArray[np.int8], weight: Floats, strength: float) -> tuple[float, ...]:
    present = column != MISSING
    counts = np.bincount(column[present], weights=weight[present], minlength=len(prior)) + strength * np.asarray(prior)
    return tuple(float(p) for p in counts / counts.sum())
