"""The context of a pair: what the other records of the same person say of it.

Records come one by one, and what is known of a person grows: a record that is but likely the first of a cluster, and
also likely the second and the third, is one of them; one that fits the first alone fits by chance. So a record is
weighed against whole clusters, and the answer holds for all members, those included that blocking did not bring up.
A record shows one person only: a cluster that it fits less than another loses by how well it fits the other.

This replaces a model trained on labelled sets: boosted trees over nine such figures, each time trained without the set
measured, were no better on any kind of data and worse on households (docs/matching.md).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from customer_identity.matching.clusters import Clusters
from customer_identity.matching.scoring import logit_of

_BEST_MEMBERS: Final = 3  # members that speak for a cluster: of a large one, most are too poor in values to agree
_RIVAL_SHARE: Final = 0.25  # of a rival's weight: it may be a second cluster of the same person
LINK: Final = 0.8
"""A record joins a cluster from this score on."""
_BRIDGE: Final = 0.97  # joining two clusters is a claim about many pairs at once
_SURE: Final = 0.97  # what is as sure as this by itself needs no context, and context alone makes nothing surer
_LOWEST, _HIGHEST = -8.0, 12.0  # nats; beyond, one odd pair would outweigh a cluster
IRRELEVANT: Final = 0.007
"""A cluster whose best member scores less is no explanation worth weighing."""
_IRRELEVANT_LOGIT: Final = math.log(IRRELEVANT / (1.0 - IRRELEVANT))


@dataclass(frozen=True, slots=True)
class InContext:
    """Scores after context."""

    score: NDArray[np.float64]
    """Of the pairs given."""
    beyond: list[tuple[int, int, float]]
    """(number, earlier number, score) of pairs that only their cluster brings up."""


def in_context(lefts: Sequence[int], rights: Sequence[int], own: NDArray[np.float64], clusters: Clusters) -> InContext:
    """Weighs pairs in the clusters known so far, and joins each record, in order, to those it belongs to.

    Args:
        lefts: numbers of the records that are weighed, all pairs of one of them together, in the order they came.
        rights: the other record of each pair: an earlier one.
        own: scores of the pairs by themselves.
        clusters: hold all these records; are changed.
    """
    logits = np.clip(logit_of(own), _LOWEST, _HIGHEST).tolist()
    score = own.copy()
    beyond: list[tuple[int, int, float]] = []
    for number, group in groupby(range(len(logits)), key=lambda row: lefts[row]):
        rows = {rights[row]: row for row in group}
        weights = _weigh({other: logits[row] for other, row in rows.items()}, clusters)
        for root, weight in weights.items():
            members = clusters.members(root)
            if len(members) < 2:
                continue
            by_cluster = _probability(weight)
            for member in members:
                if member in rows:
                    score[rows[member]] = _combined(score[rows[member]], by_cluster)
                else:
                    beyond.append((number, member, _combined(0.0, by_cluster)))
        _join(number, weights, clusters)
    return InContext(score, beyond)


def _weigh(logits: Mapping[int, float], clusters: Clusters) -> dict[int, float]:
    """By cluster, the logit that the record belongs to it."""
    by_cluster: dict[int, list[float]] = {}
    for other, logit in logits.items():
        by_cluster.setdefault(clusters.root(other), []).append(logit)
    if len(by_cluster) == 1 and len(logits) == 1:
        return {root: found[0] for root, found in by_cluster.items()}
    best = sorted(((max(found), root) for root, found in by_cluster.items()), reverse=True)
    strongest = max(best[0][0], 0.0)
    out: dict[int, float] = {}
    for top, root in best:
        if top < _IRRELEVANT_LOGIT:
            break
        found = sorted(by_cluster[root], reverse=True)[:_BEST_MEMBERS]
        out[root] = (top + sum(found) / len(found)) / 2
        if top < strongest and len(clusters.members(root)) > 1:
            out[root] -= _RIVAL_SHARE * strongest
    return out


def _join(number: int, weights: Mapping[int, float], clusters: Clusters) -> None:
    for root, weight in sorted(weights.items(), key=lambda item: -item[1]):
        smaller = min(len(clusters.members(root)), len(clusters.members(number)))
        if _probability(weight) >= (_BRIDGE if smaller > 1 else LINK):
            clusters.join(number, root)


def _combined(own: float, by_cluster: float) -> float:
    return max(own, by_cluster) if own >= _SURE else min(by_cluster, _SURE)


def _probability(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))
