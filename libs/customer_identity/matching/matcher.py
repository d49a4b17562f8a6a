"""The streaming matcher: a batch of just-indexed records against everything the index holds."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

from customer_identity.comparison import compare_pairs
from customer_identity.matching import cautions as c
from customer_identity.matching.candidates import Candidates, Places, candidates_of
from customer_identity.matching.frequencies import Frequencies, frequencies
from customer_identity.matching.grades import Grade, grade, plain_grade
from customer_identity.matching.index import Entries, Entry, Index, JoinedEntries, ListedEntries, Longs
from customer_identity.matching.model import Model
from customer_identity.matching.scoring import Scorer, Scores, logit_of, probability

_HOPELESS: Final = -7.0
"""Nats: no limit and no grade asks what flags a pair has whose score is lower, and most pairs' is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Pairs of a batch to score: record `entries[left[i]]`, of the batch, with `entries[right[i]]`."""

    entries: Entries
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


class Side(Sequence[Entry]):
    """The left or the right records of pairs. Entries are made of those that are looked at."""

    def __init__(self, entries: Entries, places: Places) -> None:
        self._entries, self._places = entries, places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, row: int) -> Entry: ...
    @overload
    def __getitem__(self, row: slice) -> "Side": ...
    def __getitem__(self, row: int | slice) -> "Entry | Side":
        if isinstance(row, slice):
            return Side(self._entries, self._places[row])
        return self._entries[int(self._places[row])]

    @property
    def numbers(self) -> Longs:
        """The index's own names for them."""
        out: Longs = self._entries.numbers[self._places]
        return out

    def among(self, customers: Collection[tuple[str, str]]) -> NDArray[np.bool_]:
        """Which of them are of these (tenant, customer id)s."""
        out: NDArray[np.bool_] = np.array([one in customers for one in self._entries.customers], bool)[self._places]
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Scored pairs of one batch: row i compares `left[i]` (of the batch) with `right[i]`."""

    left: Side
    right: Side
    given: NDArray[np.bool_]
    """Pairs that were asked for, whether or not blocking finds them."""
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
        wanted = list(also)
        candidates = candidates_of(self._index, batch, only_earlier=only_earlier)
        own = ListedEntries(batch)
        others = self._others(own, candidates, wanted)
        entries = JoinedEntries(own, others)
        left, right, given = _pairs(entries.numbers, len(batch), candidates, wanted)
        if link_sources:
            sources = np.array([entries[at].source for at in range(len(entries))], object)
            apart = np.flatnonzero(sources[left] != sources[right])
            left, right, given = left[apart], right[apart], given[apart]
        counted, known_names = frequencies(self._index, batch, others)
        contested = _contested(candidates, entries, known_names)
        self._index.contest(contested - self._index.contested(contested))
        return Found(
            entries=entries,
            left=left,
            right=right,
            given=given,
            frequencies=counted,
            known_names=known_names,
            contested=contested,
            capped_keys=candidates.capped_keys,
        )

    def score(self, found: Found) -> Matches:
        """Scores pairs. Of the index only what is contested is asked for."""
        seen, left = found.frequencies, found.left
        levels = compare_pairs(found.entries.column, left, found.right)
        log_frequency = self._scorer.log_frequency(seen.held - 1.0, seen.filled)[left]
        scores = self._scorer.score(levels, log_frequency, seen.records[left], seen.duplicates[left])
        cautions = self._cautions(found, levels, (scores.logit > _HOPELESS) | found.given)
        score = probability(cautions.limited(scores.logit, levels))
        return Matches(
            left=Side(found.entries, left),
            right=Side(found.entries, found.right),
            given=found.given,
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
        ones, others = ListedEntries(lefts), ListedEntries(rights)
        counted, known_names = frequencies(self._index, lefts, others)
        return self.score(
            Found(
                entries=JoinedEntries(ones, others),
                left=np.arange(len(lefts)),
                right=np.arange(len(lefts), 2 * len(lefts)),
                given=np.ones(len(lefts), bool),
                frequencies=counted,
                known_names=known_names,
                contested=set(),
                capped_keys=0,
            )
        )

    def _others(self, own: Entries, candidates: Candidates, also: Sequence[tuple[int, int]]) -> Entries:
        """All other records that the batch's own will be compared with."""
        more = np.array([*(number for _, _, number in candidates.shared), *(other for _, other in also)], np.int64)
        wanted = np.setdiff1d(np.concatenate([candidates.numbers, more]), own.numbers)
        return self._index.entries(wanted.tolist())

    def _cautions(self, found: Found, levels: NDArray[np.int8], hopeful: NDArray[np.bool_]) -> c.Cautions:
        """The flags of pairs that have a chance; all others have none."""
        rows = np.flatnonzero(hopeful)
        sides = [[found.entries[at] for at in side[rows].tolist()] for side in (found.left, found.right)]
        pairs = list(zip(*sides, strict=True))
        identifiers = {entry.number: entry.identifiers() for pair in pairs for entry in pair}
        contested = self._index.contested({code for own in identifiers.values() for code in own}) | found.contested
        sharing = {number for number, own in identifiers.items() if not contested.isdisjoint(own)}
        own_mail = {number for number, own in identifiers.items() if own and own[0] not in contested}
        return c.flags(
            levels[rows],
            [(a.record, b.record) for a, b in pairs],
            np.fromiter((a.number in sharing or b.number in sharing for a, b in pairs), bool, count=len(pairs)),
            found.known_names[found.left[rows]],
            found.known_names[found.right[rows]],
            own_mail=np.fromiter(
                (a.number in own_mail and b.number in own_mail for a, b in pairs), bool, count=len(pairs)
            ),
        ).spread(rows, len(levels))


def _pairs(
    numbers: Longs, within: int, candidates: Candidates, also: Sequence[tuple[int, int]]
) -> tuple[Places, Places, NDArray[np.bool_]]:
    """(place in the batch, place of the other, whether it was asked for), each pair once, by the batch's order.

    `numbers`: of the batch's records, which are the first `within`, and of the others that are still there.
    """
    left, right = candidates.places, _places(numbers, candidates.numbers)
    # of two records of the batch that find each other, the first one does
    mirrored = (right < left) & np.isin(right * within + left, left * within + right)
    kept = (right >= 0) & ~mirrored
    left, right = left[kept], right[kept]
    given = np.zeros(len(left), bool)
    if not also:
        return left, right, given
    row_of = {pair: row for row, pair in enumerate(zip(left.tolist(), right.tolist(), strict=True))}
    ones, others = (_places(numbers, np.array(side, np.int64)).tolist() for side in zip(*also, strict=True))
    more: dict[tuple[int, int], None] = {}
    for one, other in zip(ones, others, strict=True):
        row = row_of.get((other, one), row_of.get((one, other)))
        if row is not None:
            given[row] = True
        elif other >= 0 and (other, one) not in more:
            more[one, other] = None
    added = np.array(list(more), np.intp).reshape(len(more), 2)
    left, right = np.concatenate([left, added[:, 0]]), np.concatenate([right, added[:, 1]])
    given = np.concatenate([given, np.ones(len(more), bool)])
    order = np.argsort(left, kind="stable")
    return left[order], right[order], given[order]


def _places(numbers: Longs, wanted: Longs) -> Places:
    """Where each wanted number is among the numbers; -1: nowhere."""
    order = np.argsort(numbers)
    at = np.minimum(np.searchsorted(numbers, wanted, sorter=order), len(numbers) - 1)
    out: Places = np.where(numbers[order[at]] == wanted, order[at], -1)
    return out


def _contested(candidates: Candidates, entries: Entries, known_names: NDArray[np.bool_]) -> set[int]:
    """Identifiers of the batch that clearly different people share; hubs are among them.

    People are told apart by unlike given names, if both are names (and no slips of another) or the family names
    are unlike, too: one person's name garbled beyond recognition must not spoil that person's own address.
    """
    contested = set(candidates.hubs)
    others = _places(entries.numbers, np.array([number for _, _, number in candidates.shared], np.int64)).tolist()
    for (code, place, _), other in zip(candidates.shared, others, strict=True):
        if other < 0 or code in contested:
            continue
        one, two = entries[place].record, entries[other].record
        if c.unlike_given_names(one, two) and (
            c.unlike_family_names(one, two) or (known_names[place] and known_names[other])
        ):
            contested.add(code)
    return contested
