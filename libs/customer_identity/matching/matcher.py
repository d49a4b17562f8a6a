"""The streaming matcher: a batch of just-indexed records against everything the index holds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from customer_identity.comparison import compare_pairs
from customer_identity.matching import cautions as c
from customer_identity.matching.candidates import Candidates, Places, candidates_of
from customer_identity.matching.frequencies import Frequencies, frequencies
from customer_identity.matching.grades import Grade, grade, plain_grade
from customer_identity.matching.index import Entry, Index
from customer_identity.matching.model import Model
from customer_identity.matching.scoring import Scorer, Scores, logit_of, probability

_HOPELESS: Final = -7.0
"""Nats: no limit and no grade asks what flags a pair has whose score is lower, and most pairs' is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Pairs of a batch to score: record `entries[left[i]]`, of the batch, with `entries[right[i]]`."""

    entries: list[Entry]
    """The batch, then the others."""
    left: Places
    right: Places
    given: NDArray[np.bool_]
    """Pairs that were asked for, whether or not blocking finds them."""
    frequencies: Frequencies
    """Of the batch."""
    known_names: NDArray[np.bool_]
    """By entry: whether the given name is a name and no slip of another."""
    contested: set[int]
    """Identifiers of the batch that clearly different people share, as far as the pairs themselves show it."""
    capped_keys: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Scored pairs of one batch: row i compares `left[i]` (of the batch) with `right[i]`."""

    left: list[Entry]
    right: list[Entry]
    levels: NDArray[np.int8]
    log_frequency: NDArray[np.float64]
    scores: Scores
    score: NDArray[np.float64]
    grade: NDArray[np.int8]
    cautions: c.Cautions
    capped_keys: int
    """Keys of the batch too common to look anything up by."""
    context: NDArray[np.float64]
    """Nats that the other records of the same people add to each score; 0 where none were looked at."""

    def in_context(self, score: NDArray[np.float64], model: Model) -> "Matches":
        """The same pairs with scores after context. What is certain stays so, and nothing becomes certain."""
        return replace(
            self,
            score=score,
            grade=np.where(self.grade == Grade.CERTAIN, self.grade, plain_grade(score, model)),
            context=np.where(score == self.score, 0.0, logit_of(score) - logit_of(self.score)),
        )


class Matcher:
    """One model over one index; holds no state of its own, so any number of them may share an index."""

    def __init__(self, model: Model, index: Index) -> None:
        self.model = model
        self._scorer = Scorer(model)
        self._index = index

    def match(
        self,
        batch: Sequence[Entry],
        *,
        only_earlier: bool,
        link_sources: bool = False,
        also: Iterable[tuple[int, int]] = (),
    ) -> Matches:
        """Scores the batch's records against the indexed ones: `find`, then `score`."""
        return self.score(self.find(batch, only_earlier=only_earlier, link_sources=link_sources, also=also))

    def find(
        self,
        batch: Sequence[Entry],
        *,
        only_earlier: bool,
        link_sources: bool = False,
        also: Iterable[tuple[int, int]] = (),
    ) -> Found:
        """The pairs to score (the batch's own entries are in the index already).

        Args:
            batch: the records to look up.
            only_earlier: compare with lower numbers only, so that a file read in order meets each pair once. Without
                it both sides see each other, and a pair of two batch members is still returned once.
            link_sources: leave out pairs within one source.
            also: pairs (a batch member's number, another's) to score even if blocking does not find them.
        """
        also = list(also)
        candidates = candidates_of(self._index, batch, only_earlier=only_earlier)
        entries, at = self._entries(batch, candidates, also)
        pairs = _pairs(batch, candidates, at, also)
        if link_sources:
            pairs = {pair: told for pair, told in pairs.items() if entries[pair[0]].source != entries[pair[1]].source}
        left, right = np.array(list(pairs), np.intp).reshape(len(pairs), 2).T
        counted, known_names = frequencies(self._index, batch, entries[len(batch) :])
        contested = _contested(candidates, entries, at, known_names)
        self._index.contest(contested - self._index.contested(contested))
        return Found(
            entries=entries,
            left=left,
            right=right,
            given=np.fromiter(pairs.values(), bool, count=len(pairs)),
            frequencies=counted,
            known_names=known_names,
            contested=contested,
            capped_keys=candidates.capped_keys,
        )

    def score(self, found: Found) -> Matches:
        """Scores pairs. Of the index only what is contested is asked for."""
        seen, left = found.frequencies, found.left
        levels = compare_pairs([entry.record for entry in found.entries], left, found.right)
        log_frequency = self._scorer.log_frequency(seen.held - 1.0, seen.filled)[left]
        scores = self._scorer.score(levels, log_frequency, seen.records[left], seen.duplicates[left])
        cautions = self._cautions(found, levels, (scores.logit > _HOPELESS) | found.given)
        score = probability(cautions.limited(scores.logit, levels))
        return Matches(
            left=[found.entries[at] for at in left.tolist()],
            right=[found.entries[at] for at in found.right.tolist()],
            levels=levels,
            log_frequency=log_frequency,
            scores=scores,
            score=score,
            grade=grade(score, cautions, self.model, levels, seen.records[left] - len(seen.records)),
            cautions=cautions,
            capped_keys=found.capped_keys,
            context=np.zeros(len(left)),
        )

    def compare_pair(self, a: Entry, b: Entry) -> Matches:
        """Scores one given pair, whether or not blocking would have found it (for explanations)."""
        return self.compare_pairs([a], [b])

    def compare_pairs(self, lefts: Sequence[Entry], rights: Sequence[Entry]) -> Matches:
        """Scores given pairs, whether or not blocking would have found them."""
        counted, known_names = frequencies(self._index, lefts, rights)
        return self.score(
            Found(
                entries=[*lefts, *rights],
                left=np.arange(len(lefts)),
                right=np.arange(len(lefts), 2 * len(lefts)),
                given=np.ones(len(lefts), bool),
                frequencies=counted,
                known_names=known_names,
                contested=set(),
                capped_keys=0,
            )
        )

    def _entries(
        self, batch: Sequence[Entry], candidates: Candidates, also: Sequence[tuple[int, int]]
    ) -> tuple[list[Entry], dict[int, int]]:
        """All records the batch will be compared with, the batch's own first; and where each number is among them."""
        at = {entry.number: place for place, entry in enumerate(batch)}
        wanted = {*candidates.numbers.tolist(), *(number for _, _, number in candidates.shared)}
        wanted.update(other for _, other in also)
        entries = [*batch, *self._index.entries(sorted(wanted - at.keys())).values()]
        at.update((entry.number, place) for place, entry in enumerate(entries[len(batch) :], start=len(batch)))
        return entries, at

    def _cautions(self, found: Found, levels: NDArray[np.int8], hopeful: NDArray[np.bool_]) -> c.Cautions:
        """The flags of pairs that have a chance; all others have none."""
        rows = np.flatnonzero(hopeful)
        sides = [[found.entries[at] for at in side[rows].tolist()] for side in (found.left, found.right)]
        pairs = list(zip(*sides, strict=True))
        identifiers = {entry.number: entry.identifiers() for pair in pairs for entry in pair}
        contested = self._index.contested({code for own in identifiers.values() for code in own}) | found.contested
        sharing = {number for number, own in identifiers.items() if not contested.isdisjoint(own)}
        return c.flags(
            levels[rows],
            [(a.record, b.record) for a, b in pairs],
            np.fromiter((a.number in sharing or b.number in sharing for a, b in pairs), bool, count=len(pairs)),
            found.known_names[found.left[rows]],
            found.known_names[found.right[rows]],
        ).spread(rows, len(levels))


def _pairs(
    batch: Sequence[Entry], candidates: Candidates, at: Mapping[int, int], also: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], bool]:
    """(place in the batch, place of the other), each pair once; True: it was asked for."""
    pairs: dict[tuple[int, int], bool] = {}
    within = len(batch)
    for place, number in zip(candidates.places.tolist(), candidates.numbers.tolist(), strict=True):
        other = at.get(number)
        if other is not None and (other >= within or (other, place) not in pairs):
            pairs[place, other] = False
    for number, other_number in also:
        place, other = at[number], at.get(other_number)
        if other is not None:
            pairs[(other, place) if (other, place) in pairs else (place, other)] = True
    return dict(sorted(pairs.items(), key=lambda pair: pair[0][0])) if also else pairs


def _contested(
    candidates: Candidates, entries: Sequence[Entry], at: Mapping[int, int], known_names: NDArray[np.bool_]
) -> set[int]:
    """Identifiers of the batch that clearly different people share; hubs are among them.

    People are told apart by unlike given names, if both are names (and no slips of another) or the family names
    are unlike, too: one person's name garbled beyond recognition must not spoil that person's own address.
    """
    contested = set(candidates.hubs)
    for code, place, number in candidates.shared:
        other = at.get(number)
        if other is None or code in contested:
            continue
        one, two = entries[place].record, entries[other].record
        if c.unlike_given_names(one, two) and (
            c.unlike_family_names(one, two) or (known_names[place] and known_names[other])
        ):
            contested.add(code)
    return contested
