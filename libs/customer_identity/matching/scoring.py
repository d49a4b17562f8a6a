"""Fellegi-Sunter scores of many pairs at once, each with its evidence."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from customer_identity.comparison.fields import BIRTH_DATE, EMAIL, EXACT, FIELDS, MISSING, NATIONAL_ID, PHONE
from customer_identity.matching.cells import one_hot, row_of
from customer_identity.matching.model import Model

_WIDTH: Final = max(len(field.levels) for field in FIELDS)
_PRIOR_RECORDS: Final = 500.0
"""For how many records the model's own share of duplicates counts, against what was found in this base."""

_JUST: Final = 0.01
"""Nats below certain: a score that shows as less than the threshold."""

_ONE_PERSONS: Final = (BIRTH_DATE, EMAIL, PHONE, NATIONAL_ID)
_HOLDERS_OF_ONE: Final = 15.0
_SHARE_OF_ONE: Final = 1 / 500
"""From more holders than these on, a value that should be one person's is a placeholder, or a shop's own."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of n pairs, in nats; positive speaks for one person."""

    logit: Floats
    weights: Floats
    """n x fields: how much likelier each agreement is for one person than for two picked by chance."""
    rest: Floats
    """`logit` less the weights: how rare duplicates are, and how much of the agreement has another explanation."""
    explanation: NDArray[np.intp]
    """Index of the likeliest other explanation."""


class Scorer:
    """A model, ready to score."""

    def __init__(self, model: Model) -> None:
        """Tables of the model's logarithms."""
        self.model = model
        self._corrections = _table([model.corrections.get(f.name, ()) for f in FIELDS])
        self._match = _table([_logs(model.match[f.name]) for f in FIELDS]) + self._corrections
        self._chance = _table([_logs(model.chance[f.name]) for f in FIELDS])
        self._exact_by_chance = np.log([model.chance[f.name][-1] for f in FIELDS])
        self._others = np.log(level_tables(model)[1:]).T
        self._by_chance = fields_by_chance(model).T.astype(np.float32)
        self._rates = np.array(
            [np.nan if e.pairs_per_record is None else np.log(e.pairs_per_record) for e in model.explanations]
        )
        self._rarity = [model.rarity.get(f.name) for f in FIELDS]
        self._certain = float(logit_of(np.array(model.certain)))

    def log_frequency(self, holders: Floats, filled: Floats) -> Floats:
        """Ln frequency of each record's values (records x fields), from how many others hold them; nan: the model's."""
        out = np.full(holders.shape, np.nan)
        for column, rule in enumerate(self._rarity):
            if rule is not None:
                others = np.maximum(holders[:, column] - rule.free_holders, 0.0) + rule.unseen
                out[:, column] = np.log(np.minimum(others / (filled[:, column] + 20.0), 0.5))
        for column in _ONE_PERSONS:
            nobodys = holders[:, column] > _HOLDERS_OF_ONE + _SHARE_OF_ONE * filled[:, column]
            out[nobodys, column] = self._match[column, EXACT[column]]  # as frequent as with one person: it says nothing
        return out

    def score(self, levels: NDArray[np.int8], log_frequency: Floats, records: Floats, duplicates: Floats) -> Scores:
        """Scores a level matrix.

        Per pair: `log_frequency` as above, `records` in the base it was found in, `duplicates` found there so far.
        """
        at = np.where(levels == MISSING, _WIDTH, levels).astype(np.intp)
        fields = np.arange(len(FIELDS))
        matched = self._match[fields, at]
        equal = (levels == np.asarray(EXACT)) & ~np.isnan(log_frequency)
        rarer = np.where(equal, log_frequency - self._exact_by_chance, 0.0)
        everyone = np.isnan(self._rates)
        rates = np.where(everyone, np.log(records + 1.0)[:, None], np.where(everyone, 0.0, self._rates))
        totals = one_hot(levels) @ self._others + rarer @ self._by_chance + rates
        expected = np.log((self.model.duplicates_per_record * _PRIOR_RECORDS + duplicates) / (_PRIOR_RECORDS + records))
        logit = expected + matched.sum(axis=1) - _log_of_sum(totals)
        if self.model.corrections:
            logit = self._within_decisions(logit, self._corrections[fields, at].sum(axis=1))
        weights = matched - self._chance[fields, at] - rarer
        return Scores(logit, weights, logit - weights.sum(axis=1), totals.argmax(axis=1))

    def _within_decisions(self, logit: Floats, correction: Floats) -> Floats:
        """People judge doubtful pairs: what they decided moves none over the line of what is certain.

        Unless they rejected too much of what was: then corrections take certainty away.
        """
        plain = logit - correction
        sure = plain >= self._certain
        kept = logit if self.model.certain_rejected else np.maximum(logit, self._certain)
        return np.where(sure, kept, np.minimum(logit, self._certain - _JUST))


def level_tables(model: Model) -> NDArray[np.float32]:
    """Level probabilities by kind of pair, one row of cells a kind: one person first, then the explanations."""
    return np.stack([row_of(model.match), *(row_of({**model.chance, **e.levels}) for e in model.explanations)])


def fields_by_chance(model: Model) -> NDArray[np.bool_]:
    """Explanations x fields: where the explanation has nothing to say, so that values agree by chance."""
    return np.array([[f.name not in e.levels for f in FIELDS] for e in model.explanations])


def probability(logit: Floats) -> Floats:
    """Logistic function."""
    out: Floats = 1.0 / (1.0 + np.exp(-np.clip(logit, -30, 30)))
    return out


def logit_of(probability: Floats) -> Floats:
    """The inverse; probabilities are kept a little away from 0 and 1."""
    inside = np.clip(probability, 1e-12, 1.0 - 1e-12)
    out: Floats = np.log(inside / (1.0 - inside))
    return out


def _log_of_sum(logs: Floats) -> Floats:
    """Ln of the sum of each row, given as logarithms (numpy's own logaddexp.reduce takes several times as long)."""
    most = logs.max(axis=1, initial=-np.inf)
    out: Floats = most + np.log(np.exp(logs - most[:, None]).sum(axis=1))
    return out


def _table(rows: list[tuple[float, ...]]) -> Floats:
    """One row a field, the levels in its columns; the last column is for a missing field."""
    out = np.zeros((len(rows), _WIDTH + 1))
    for row, values in enumerate(rows):
        out[row, : len(values)] = values
    return out


def _logs(probabilities: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(math.log(p) for p in probabilities)
