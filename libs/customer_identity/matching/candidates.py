"""Which records a batch is compared with: those that share enough rare keys. Computed for the whole batch at once."""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from customer_identity.blocking import FREE_BY_ONE_KEY, FREE_CANDIDATES, MAX_CANDIDATES, Keys, enough_rarity, rarity
from customer_identity.matching.index import Entry, Index, Longs, Postings, records_code

Places = NDArray[np.intp]


class Candidates(NamedTuple):
    """What blocking finds for a batch: record `numbers[i]` is a candidate of the batch's record at `places[i]`."""

    places: Places
    """Rising; of one record the candidate that shares most comes first."""
    numbers: Longs
    hubs: set[int]
    """Identifiers of the batch that too many records hold."""
    shared: list[tuple[int, int, int]]
    """(identifier, place, number) of other records that hold an identifier of the batch."""
    capped_keys: int
    """Keys of the batch too common to look anything up by."""


class _Asked(NamedTuple):
    """All keys of a batch in one row: `owners` are places in the batch."""

    codes: Longs
    caps: Longs
    owners: Places
    identifying: NDArray[np.bool_]


class _Hits(NamedTuple):
    """Other holders of keys that are not too common: record `numbers[i]` has the key asked for at `at[i]`."""

    at: Places
    numbers: Longs
    holders: Longs
    """Other holders by key."""
    too_common: NDArray[np.bool_]
    """By key."""


def candidates_of(index: Index, batch: Sequence[Entry], *, only_earlier: bool) -> Candidates:
    """Looks the batch's keys up, each once, and adds up what each record shares with others."""
    asked = _asked([entry.blocking_keys() for entry in batch])
    if not len(asked.codes):
        return Candidates(np.zeros(0, np.intp), np.zeros(0, np.int64), set(), [], 0)
    own = np.array([entry.number for entry in batch], np.int64)
    hits = _hits(index, asked, own, only_earlier=only_earlier)
    totals = index.counts([records_code(entry.tenant_id) for entry in batch]).astype(np.float64)
    weights = rarity(totals[asked.owners], hits.holders)
    places, numbers = _best(asked.owners[hits.at], hits.numbers, weights[hits.at], enough_rarity(totals))
    sharing = np.flatnonzero(asked.identifying[hits.at])
    at = hits.at[sharing]
    shared = zip(asked.codes[at].tolist(), asked.owners[at].tolist(), hits.numbers[sharing].tolist(), strict=True)
    hubs = set(asked.codes[hits.too_common & asked.identifying].tolist())
    return Candidates(places, numbers, hubs, list(shared), int(hits.too_common.sum()))


def _asked(keys: Sequence[Keys]) -> _Asked:
    lengths = np.fromiter((len(one.codes) for one in keys), np.intp, count=len(keys))
    count = int(lengths.sum())
    starts = np.cumsum(lengths) - lengths
    nth = np.arange(count) - np.repeat(starts, lengths)
    return _Asked(
        codes=np.fromiter(chain.from_iterable(one.codes for one in keys), np.int64, count=count),
        caps=np.fromiter(chain.from_iterable(one.caps for one in keys), np.int64, count=count),
        owners=np.repeat(np.arange(len(keys)), lengths),
        identifying=nth < np.repeat(np.fromiter((one.identifiers for one in keys), np.intp, count=len(keys)), lengths),
    )


def _hits(index: Index, asked: _Asked, own: Longs, *, only_earlier: bool) -> _Hits:
    distinct, first, which = np.unique(asked.codes, return_index=True, return_inverse=True)
    caps = asked.caps[first]
    found = index.postings(distinct.tolist(), caps.tolist())
    # Keys that are too common without the batch's own records: most of what is found, and nothing to look at.
    hot = np.bincount(found.at[found.numbers < own.min()], minlength=len(distinct)) > caps
    cold = np.flatnonzero(~hot[which])
    at, numbers = _spread(found, len(distinct), which[cold])
    at = cold[at]
    mine = own[asked.owners[at]]
    others = numbers < mine if only_earlier else numbers != mine
    at, numbers = at[others], numbers[others]
    holders = np.bincount(at, minlength=len(asked.codes))
    too_common = hot[which] | (holders > asked.caps)
    kept = ~too_common[at]
    return _Hits(at[kept], numbers[kept], holders, too_common)


def _spread(found: Postings, keys: int, which: Places) -> tuple[Places, Longs]:
    """The rows of found keys for each who asked: (place in `which`, number)."""
    lengths = np.bincount(found.at, minlength=keys)
    starts = np.cumsum(lengths) - lengths
    wanted = lengths[which]
    ends = np.cumsum(wanted)
    rows = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts[which] - (ends - wanted), wanted)
    return np.repeat(np.arange(len(which)), wanted), found.numbers[rows]


def _best(
    places: Places, numbers: Longs, weights: NDArray[np.float64], enough: NDArray[np.float64]
) -> tuple[Places, Longs]:
    """Those whose shared keys add up to enough, the best of each record first, and no more than MAX_CANDIDATES.

    Of those that share one key most are strangers: where a record has many such, more is asked of each further one.
    """
    if not len(places):
        return places, numbers
    pairs = places * (numbers.max() + 1) + numbers  # one number: sorted several times as fast as two columns
    order = np.argsort(pairs)
    pairs, places, numbers, weights = pairs[order], places[order], numbers[order], weights[order]
    starts = np.flatnonzero(np.diff(pairs, prepend=-1))
    places, numbers, weights = places[starts], numbers[starts], np.add.reduceat(weights, starts)
    one_key = np.diff(starts, append=len(pairs)) == 1
    likely = np.flatnonzero(weights >= enough[places])
    kept = likely[np.lexsort((numbers[likely], -weights[likely], places[likely]))]
    places, numbers, weights, one_key = places[kept], numbers[kept], weights[kept], one_key[kept]
    firsts = np.searchsorted(places, places)
    nth = np.arange(len(places)) - firsts
    before = np.cumsum(one_key) - one_key  # so many that share a single key
    more = np.maximum(nth + 1 - FREE_CANDIDATES, 0)
    more += one_key * np.maximum(before - before[firsts] + 1 - FREE_BY_ONE_KEY, 0)
    best = (nth < MAX_CANDIDATES) & (weights >= enough[places] + more)
    return places[best], numbers[best]
