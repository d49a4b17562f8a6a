"""A stream of records matched in memory: each meets only those before it, and the model learns as it goes."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from customer_identity.matching.clusters import Clusters
from customer_identity.matching.context import in_context
from customer_identity.matching.grades import Grade, plain_grade
from customer_identity.matching.index import Entry, MemoryIndex, duplicates_code
from customer_identity.matching.learning import Learner
from customer_identity.matching.matcher import Matcher, Matches
from customer_identity.matching.model import Model
from customer_identity.normalise import normalise
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
        self._index = MemoryIndex()
        self._learner = Learner(model)
        self._clusters = Clusters()
        self._ids: list[str] = []
        self._sources: list[str] = []

    def match(self, customers: Sequence[CustomerRecord]) -> list[StreamPair]:
        """The pairs of a batch with everything before it, and within it."""
        entries = self._entries(customers)
        self._index.add(entries)
        matcher = Matcher(self.model, self._index)
        matches = matcher.match(entries, only_earlier=True, link_sources=self._link_sources)
        self.candidate_pairs += len(matches.left)
        self.capped_keys += matches.capped_keys
        found = list(self._told(matches))
        self._index.count(duplicates_code(self._tenant_id), int((matches.grade >= Grade.PROBABLE).sum()))
        self._learner.observe(entries, matches)
        if self._learner.due():
            self.model = self._learner.refit()
        return found

    def refit(self) -> Model:
        """The model, fitted to all that was seen."""
        self.model = self._learner.refit()
        return self.model

    def clusters(self) -> Iterator[tuple[str, str]]:
        """Every customer id with that of its cluster."""
        for number, customer_id in enumerate(self._ids):
            yield customer_id, self._ids[self._clusters.root(number)]

    def _entries(self, customers: Sequence[CustomerRecord]) -> list[Entry]:
        first = len(self._ids)
        self._ids.extend(customer.customer_id for customer in customers)
        self._sources.extend(customer.source for customer in customers)
        self._clusters.add(len(customers))
        return [
            Entry(
                number=first + offset,
                tenant_id=self._tenant_id,
                customer_id=customer.customer_id,
                version=customer.version,
                source=customer.source,
                record=normalise(customer),
            )
            for offset, customer in enumerate(customers)
        ]

    def _told(self, matches: Matches) -> Iterator[StreamPair]:
        lefts, rights = ([entry.number for entry in side] for side in (matches.left, matches.right))
        seen = in_context(lefts, rights, matches.score, self._clusters)
        told = matches.in_context(seen.score, self.model)
        for a, b, score, grade in zip(told.left, told.right, told.score.tolist(), told.grade.tolist(), strict=True):
            if grade > Grade.NONE:
                yield StreamPair(a.customer_id, b.customer_id, score, Grade(grade))
        weaker = plain_grade(np.array([score for _, _, score in seen.beyond]), self.model).tolist()
        for (number, other, score), grade in zip(seen.beyond, weaker, strict=True):
            within = self._link_sources and self._sources[number] == self._sources[other]
            if grade > Grade.NONE and not within:
                yield StreamPair(self._ids[number], self._ids[other], score, Grade(grade))
