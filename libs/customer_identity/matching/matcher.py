"""The streaming matcher: a batch of just-indexed records against everything the index holds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from customer_identity.blocking import MAX_CANDIDATES, enough_rarity, rarity
from customer_identity.comparison import compare
from customer_identity.matching import cautions as c
from customer_identity.matching.frequencies import frequencies, known_given_names
from customer_identity.matching.grades import Grade, grade, plain_grade
from customer_identity.matching.index import Entry, Index, records_code
from customer_identity.matching.model import Model
from customer_identity.matching.scoring import Scorer, Scores, logit_of, probability

_HUB: Final = -1


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
        """Scores the batch's records against the indexed ones (their own entries are in the index already).

        Args:
            batch: the records to look up.
            only_earlier: compare with lower numbers only, so that a file read in order meets each pair once. Without
                it both sides see each other, and a pair of two batch members is still returned once.
            link_sources: leave out pairs within one source.
            also: pairs (a batch member's number, another's) to score even if blocking does not find them.
        """
        candidates, capped, shared = self._candidates(batch, only_earlier=only_earlier)
        for number, other in also:
            if other not in candidates[number]:
                candidates[number].append(other)
        known = self._known(batch, candidates, shared)
        contested = self._contested(batch, candidates, shared, known)
        left: list[Entry] = []
        right: list[Entry] = []
        seen: set[tuple[int, int]] = set()
        for entry in batch:
            for number in candidates[entry.number]:
                found = known.get(number)
                pair = (min(entry.number, number), max(entry.number, number))
                if found is None or pair in seen or (link_sources and found.source == entry.source):
                    continue
                seen.add(pair)
                left.append(entry)
                right.append(found)
        return self._scored(left, right, contested, capped)

    def _known(
        self, batch: Sequence[Entry], candidates: Mapping[int, Sequence[int]], shared: Mapping[int, Sequence[int]]
    ) -> dict[int, Entry]:
        """All records the batch will be compared with, the batch's own among them, by number."""
        known = {entry.number: entry for entry in batch}
        wanted = {number for found in (*candidates.values(), *shared.values()) for number in found if number != _HUB}
        known.update(self._index.entries(wanted - known.keys()))
        return known

    def compare_pair(self, a: Entry, b: Entry) -> Matches:
        """Scores one given pair, whether or not blocking would have found it (for explanations)."""
        return self._scored([a], [b], self._index.contested({*a.identifiers(), *b.identifiers()}), 0)

    def _candidates(
        self, batch: Sequence[Entry], *, only_earlier: bool
    ) -> tuple[dict[int, list[int]], int, dict[int, Sequence[int]]]:
        """Candidate numbers per record, best first; how many keys were capped; holders of each identifier."""
        keys = {entry.number: entry.blocking_keys() for entry in batch}
        holders = self._index.holders({key for own in keys.values() for key in own})
        totals = self._index.counts({records_code(entry.tenant_id) for entry in batch})
        capped = 0
        out: dict[int, list[int]] = {}
        shared: dict[int, Sequence[int]] = {}
        for entry in batch:
            records = totals.get(records_code(entry.tenant_id), 0)
            weights: dict[int, float] = {}
            identifiers = set(entry.identifiers())
            for key in keys[entry.number]:
                found = holders.get(key.code, ())
                others = [n for n in found if n != entry.number and (not only_earlier or n < entry.number)]
                too_common = len(others) > key.cap
                if key.code in identifiers:
                    shared[key.code] = (_HUB,) if too_common else others
                if too_common:
                    capped += 1
                    continue
                weight = rarity(records, len(others))
                for number in others:
                    weights[number] = weights.get(number, 0.0) + weight
            enough = enough_rarity(records)
            best = sorted((-weight, number) for number, weight in weights.items() if weight >= enough)
            out[entry.number] = [number for _, number in best[:MAX_CANDIDATES]]
        return out, capped, shared

    def _contested(
        self,
        batch: Sequence[Entry],
        candidates: Mapping[int, Iterable[int]],
        shared: Mapping[int, Sequence[int]],
        known: Mapping[int, Entry],
    ) -> set[int]:
        """Identifiers, of the batch and its candidates, that clearly different people share; hubs are among them.

        People are told apart by unlike given names, if both are names (and no slips of another) or the family names
        are unlike, too: one person's name garbled beyond recognition must not spoil that person's own address.
        """
        fresh: set[int] = set()
        unsure: list[tuple[int, Entry, Entry]] = []
        for entry in batch:
            for code in entry.identifiers():
                holders = shared.get(code, ())
                if _HUB in holders:
                    fresh.add(code)
                    continue
                for other in (known[n] for n in holders if n in known):
                    if c.unlike_given_names(entry.record, other.record):
                        if c.unlike_family_names(entry.record, other.record):
                            fresh.add(code)
                        else:
                            unsure.append((code, entry, other))
        names = known_given_names(self._index, [entry for _, *two in unsure for entry in two])
        fresh.update(code for code, a, b in unsure if {a.number, b.number} <= names)
        compared = {number for found in candidates.values() for number in found if number in known}
        compared.update(entry.number for entry in batch)
        codes = {code for number in compared for code in known[number].identifiers()}
        before = self._index.contested(codes)
        self._index.contest(fresh - before)
        return before | fresh

    def _scored(self, left: list[Entry], right: list[Entry], contested: set[int], capped: int) -> Matches:
        levels = compare([e.record for e in left], [e.record for e in right])
        seen = frequencies(self._index, self._scorer, left, right)
        scores = self._scorer.score(levels, seen.log_frequency, seen.records, seen.duplicates)
        cautions = c.flags(
            levels,
            [(a.record, b.record) for a, b in zip(left, right, strict=True)],
            _contested_rows(left, right, contested),
            seen.known_left,
            seen.known_right,
        )
        score = probability(cautions.limited(scores.logit, levels))
        return Matches(
            left=left,
            right=right,
            levels=levels,
            log_frequency=seen.log_frequency,
            scores=scores,
            score=score,
            grade=grade(score, cautions, self.model),
            cautions=cautions,
            capped_keys=capped,
            context=np.zeros(len(left)),
        )


def _contested_rows(left: Sequence[Entry], right: Sequence[Entry], contested: set[int]) -> NDArray[np.bool_]:
    records = {entry.number: entry for entry in (*left, *right)}
    sharing = {number for number, entry in records.items() if not contested.isdisjoint(entry.identifiers())}
    rows = (a.number in sharing or b.number in sharing for a, b in zip(left, right, strict=True))
    return np.fromiter(rows, bool, count=len(left))
