"""Learning from a stream: what to remember of it, and when to fit the model again."""

import random
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from customer_identity.comparison import compare
from customer_identity.comparison.fields import FIELDS
from customer_identity.matching.index import Entry
from customer_identity.matching.matcher import Matches
from customer_identity.matching.model import Model
from customer_identity.matching.training import Observation, fit
from customer_identity.normalise.record import NormalisedRecord

_FIRST_FIT: Final = 200  # records; fewer say less than the shipped model knows
_GROWTH: Final = 2.0  # a base twice the size has as much news again; fits cost a constant share of the stream
_PAIRS_KEPT: Final = 40_000
_RECORDS_KEPT: Final = 2_000
_RANDOM_PAIRS: Final = 5_000  # drawn at each fit
_RANDOM_PAIRS_KEPT: Final = 100_000
_SEED: Final = 20_261_101


def refit_due(records: int, fitted_to: int) -> bool:
    """Whether a base of so many records has news for a model that was fitted when it had `fitted_to` (0: never)."""
    return records >= max(_FIRST_FIT, _GROWTH * fitted_to)


def random_levels(records: Sequence[NormalisedRecord], pairs: int, *, seed: int) -> NDArray[np.int8]:
    """Level matrix of pairs drawn at random from the records."""
    draw = random.Random(seed)  # noqa: S311 - a sample, alike at each run; no secret
    ones, others = draw.choices(records, k=pairs), draw.choices(records, k=pairs)
    chosen = [(a, b) for a, b in zip(ones, others, strict=True) if a is not b]
    return compare([a for a, _ in chosen], [b for _, b in chosen])


class Learner:
    """Uniform samples of the records and candidate pairs seen so far (reservoirs, Vitter 1985), and fits from them."""

    def __init__(self, start: Model) -> None:
        """With the model whose numbers are the priors of every fit."""
        self._start = start
        self._draw = np.random.default_rng(_SEED)
        self._levels = np.zeros((_PAIRS_KEPT, len(FIELDS)), np.int8)
        self._frequencies = np.zeros((_PAIRS_KEPT, len(FIELDS)), np.float32)
        self._pairs = 0
        self._kept: list[NormalisedRecord] = []
        self._records = 0
        self._strangers = np.zeros((0, len(FIELDS)), np.int8)
        self._fitted_to = 0

    def observe(self, batch: Sequence[Entry], matches: Matches) -> None:
        """Remembers a batch and the pairs it was compared in."""
        places = self._places(self._records, len(batch), _RECORDS_KEPT)
        for place, entry in zip(places.tolist(), batch, strict=True):
            if place == len(self._kept):
                self._kept.append(entry.record)
            elif place < _RECORDS_KEPT:
                self._kept[place] = entry.record
        self._records += len(batch)
        places = self._places(self._pairs, len(matches.levels), _PAIRS_KEPT)
        chosen = np.flatnonzero(places < _PAIRS_KEPT)
        self._levels[places[chosen]] = matches.levels[chosen]
        self._frequencies[places[chosen]] = matches.log_frequency[chosen]
        self._pairs += len(matches.levels)

    def due(self) -> bool:
        """Whether the base has grown enough since the last fit."""
        return refit_due(self._records, self._fitted_to)

    def refit(self) -> Model:
        """A model fitted to what was seen so far."""
        self._fitted_to = self._records
        kept = min(self._pairs, _PAIRS_KEPT)
        seen = Observation(
            records=self._records,
            others=float(self._records),
            levels=self._levels[:kept],
            log_frequency=self._frequencies[:kept],
            pairs_a_row=self._pairs / max(kept, 1),
            random_levels=self._random_levels(),
        )
        return fit(self._start, seen, f"{self._start.version}+{self._records}")

    def _random_levels(self) -> NDArray[np.int8]:
        """More pairs at each fit, beside those of earlier fits: it takes many to see rare agreements by chance."""
        drawn = random_levels(self._kept, _RANDOM_PAIRS, seed=self._records)
        self._strangers = np.concatenate([self._strangers, drawn])[-_RANDOM_PAIRS_KEPT:]
        return self._strangers

    def _places(self, before: int, more: int, room: int) -> NDArray[np.int64]:
        """Where each of `more` items goes in a reservoir that has seen `before`; `room` and above: nowhere."""
        arrivals = np.arange(before, before + more)
        drawn = self._draw.integers(0, arrivals + 1) if more else arrivals
        return np.where(arrivals < room, arrivals, drawn)
