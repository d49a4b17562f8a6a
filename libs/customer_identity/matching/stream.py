"""A stream of records matched in memory: each meets only those before it, and the model learns as it goes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from customer_identity.matching.clusters import Clusters
from customer_identity.matching.context import in_context
from customer_identity.matching.corrections import Judged, corrected, judged
from customer_identity.matching.finding import Finder, Finding
from customer_identity.matching.grades import Grade, plain_grade
from customer_identity.matching.index import duplicates_code
from customer_identity.matching.learning import Learner
from customer_identity.matching.matcher import Matcher, Matches
from customer_identity.matching.model import Model
from customer_identity.records import CustomerRecord


class StreamPair(NamedTuple):
    """A pair worth telling of: customer ids, the later record first."""

    a: str
    b: str
    score: float
    grade: Grade


class Stream:
    """Records of one tenant in the order they came. Holds all of them."""

    def __init__(self, model: Model, *, tenant_id: str, link_sources: bool = False) -> None:
        """With the model to start from; `link_sources` leaves out pairs within one source."""
        self.model = model
        self.candidate_pairs = 0
        self.capped_keys = 0
        self._tenant_id = tenant_id
        self._link_sources = link_sources
        self._finder = Finder(model, tenant_id=tenant_id, link_sources=link_sources)
        self._index = self._finder.index
        self._duplicates = 0
        self._learner = Learner(model)
        self._clusters = Clusters()
        self._ids: list[str] = []
        self._sources: list[str] = []

    def match(self, customers: Sequence[CustomerRecord]) -> list[StreamPair]:
        """The pairs of a batch with everything before it, and within it."""
        return self.judge(self._finder.find(customers))

    def judge(self, finding: Finding) -> list[StreamPair]:
        """The pairs of a batch worth telling of, among those found: here, or by another finder of all these records."""
        entries, found = self._taken_in(finding)
        matches = Matcher(self.model, self._index).score(found)
        self.candidate_pairs += len(matches.left)
        self.capped_keys += matches.capped_keys
        told = list(self._told(matches))
        duplicates = int((matches.grade >= Grade.PROBABLE).sum())
        self._duplicates += duplicates
        self._index.count(duplicates_code(self._tenant_id), duplicates)
        self._learner.observe(entries, matches)
        if self._learner.due() and not self.model.corrections:  # they belong to the numbers they were learned beside
            self.model = self._learner.refit()
        return told

    def refit(self, labelled: Sequence[tuple[str, str, bool]] = ()) -> Model:
        """The model, fitted to all that was seen, and to pairs of its records (ids, whether they show one person)."""
        fitted = self._learner.refit()
        if labelled:
            fitted = corrected(fitted, self._judged(labelled), records=len(self._ids), duplicates=self._duplicates)
        self.model = fitted
        return fitted

    def clusters(self) -> Iterator[tuple[str, str]]:
        """Every customer id with that of its cluster."""
        for number, customer_id in enumerate(self._ids):
            yield customer_id, self._ids[self._clusters.root(number)]

    def _judged(self, labelled: Sequence[tuple[str, str, bool]]) -> Judged:
        numbers = {customer_id: number for number, customer_id in enumerate(self._ids)}
        ends = [(numbers[a], numbers[b]) for a, b, _ in labelled]
        lefts, rights = (self._index.entries(side) for side in zip(*ends, strict=True))
        matches = Matcher(self.model, self._index).compare_pairs(list(lefts), list(rights))
        return judged(matches, [same for _, _, same in labelled], self.model)

    def _taken_in(self, finding: Finding) -> Finding:
        """The same, with what only judging knows: how many duplicates there were before."""
        entries, found = finding
        self._ids.extend(entry.customer_id for entry in entries)
        self._sources.extend(entry.source for entry in entries)
        self._clusters.add(len(entries))
        self._index.contest(found.contested)
        before = np.full(len(entries), float(self._duplicates))
        return Finding(entries, replace(found, frequencies=replace(found.frequencies, duplicates=before)))

    def _told(self, matches: Matches) -> Iterator[StreamPair]:
        lefts, rights = matches.left.numbers.tolist(), matches.right.numbers.tolist()
        seen = in_context(lefts, rights, matches.score, self._clusters)
        told = matches.in_context(seen.score, self.model)
        for row in np.flatnonzero(told.grade > Grade.NONE).tolist():
            a, b, grade = self._ids[lefts[row]], self._ids[rights[row]], Grade(told.grade[row])
            yield StreamPair(a, b, float(told.score[row]), grade)
        weaker = plain_grade(np.array([score for _, _, score in seen.beyond]), self.model).tolist()
        for (number, other, score), grade in zip(seen.beyond, weaker, strict=True):
            within = self._link_sources and self._sources[number] == self._sources[other]
            if grade > Grade.NONE and not within:
                yield StreamPair(self._ids[number], self._ids[other], score, Grade(grade))
