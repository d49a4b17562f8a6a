"""What people's decisions add to a model: how much more, or less, each level of each field should weigh.

The model learns without labels; where people have judged pairs, a logistic regression over their levels, with the
model's own score as its start, says how the weights have to change for the scores to fit the decisions. People are
shown the doubtful pairs, not a fair sample: a regression given the score does not mind, whereas pairs counted as they
come would make every duplicate look as doubtful as those (docs/adr/0019). A prior at no change at all keeps few
decisions, and levels that none of them shows, from changing much.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from customer_identity.comparison.fields import FIELDS
from customer_identity.matching.cells import STARTS, WIDTHS, Cells, one_hot
from customer_identity.matching.matcher import Matches
from customer_identity.matching.model import Model
from customer_identity.matching.scoring import Scorer, probability

_PRIOR_STRENGTH: Final = 10.0  # a correction of 0.3 nats is one standard deviation
_FEWEST_REJECTIONS: Final = 3  # of certain pairs: one may be a slip of a person's hand
_MOST_STEPS: Final = 50
_SMALL_STEP: Final = 1e-6
_NO_LIMIT: Final = 1e-9

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Pairs that people have judged, as they compare now."""

    levels: NDArray[np.int8]
    log_frequency: NDArray[np.float64]
    """See Observation."""
    same: NDArray[np.bool_]
    """Whether the two records show one person."""

    def __len__(self) -> int:
        return len(self.same)


def judged(matches: Matches, same: Sequence[bool], model: Model) -> Judged:
    """Labelled pairs from their comparison, less those that teach nothing of weights.

    Left out are pairs whose score a limit decides (a household, a shared phone), and pairs too unlikely to be shown for
    their own sake: people saw them since they knew better, or in a cluster, so that nearly all are labelled one person.
    """
    free = np.abs(probability(matches.scores.logit) - matches.score) < _NO_LIMIT
    taught = free & (matches.score >= model.possible)
    return Judged(
        levels=matches.levels[taught],
        log_frequency=matches.log_frequency[taught],
        same=np.asarray(same, dtype=bool)[taught],
    )


def corrected(model: Model, known: Judged, *, records: int, duplicates: int) -> Model:
    """The model with the corrections that these pairs ask for; those it has already are where they start.

    `records` of the base, and `duplicates` found in it so far: as scores will count them.
    """
    if not len(known):
        return model
    plain = Scorer(replace(model, corrections={}))
    held, found = np.full(len(known), float(records)), np.full(len(known), float(duplicates))
    scores = plain.score(known.levels, known.log_frequency, held, found)
    before = _row(model.corrections)
    change = _regression(one_hot(known.levels).astype(np.float64), scores.logit, known.same.astype(np.float64), before)
    rejected = ~known.same[probability(scores.logit) >= model.certain]
    too_many = bool(rejected.sum() >= _FEWEST_REJECTIONS and rejected.mean() > 1.0 - model.certain)
    return replace(model, corrections=_named(before + change), certain_rejected=too_many)


def _regression(cells: Cells, start: _Floats, same: _Floats, before: _Floats) -> _Floats:
    """The likeliest change of the coefficients `before`, by Newton's method; the problem is convex."""
    offset = start + cells @ before
    change = np.zeros(cells.shape[1])
    cost = _cost(cells, offset, same, change)
    for _ in range(_MOST_STEPS):
        expected = probability(offset + cells @ change)
        slope = cells.T @ (same - expected) - _PRIOR_STRENGTH * change
        bend = (cells * (expected * (1.0 - expected))[:, None]).T @ cells
        step = np.linalg.solve(bend + _PRIOR_STRENGTH * np.eye(len(change)), slope)
        # Where the model was sure and people disagree, the cost bends little at first and a whole step goes too far.
        while (reached := _cost(cells, offset, same, change + step)) > cost and np.abs(step).max() > _SMALL_STEP:
            step /= 2.0
        if np.abs(step).max() <= _SMALL_STEP:
            break
        change, cost = change + step, reached
    return change


def _cost(cells: Cells, offset: _Floats, same: _Floats, change: _Floats) -> float:
    logit = offset + cells @ change
    return float((np.logaddexp(0.0, logit) - same * logit).sum() + _PRIOR_STRENGTH / 2.0 * change @ change)


def _row(corrections: Mapping[str, tuple[float, ...]]) -> _Floats:
    return np.concatenate([np.asarray(corrections.get(f.name, (0.0,) * len(f.levels)), np.float64) for f in FIELDS])


def _named(row: _Floats) -> dict[str, tuple[float, ...]]:
    """By field; fields that nothing was learned of are left out."""
    named = {
        f.name: tuple(round(float(nats), 3) for nats in row[start : start + width])
        for f, start, width in zip(FIELDS, STARTS, WIDTHS, strict=True)
    }
    return {name: nats for name, nats in named.items() if any(nats)}
