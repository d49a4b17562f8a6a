"""The first half of a stream: records come in, and the pairs worth comparing come out. No model has a say in it."""

from collections.abc import Sequence
from typing import NamedTuple

from customer_identity.matching.index import Entry, MemoryIndex
from customer_identity.matching.matcher import Found, Matcher
from customer_identity.matching.model import Model
from customer_identity.normalise import normalise
from customer_identity.records import CustomerRecord


class Finding(NamedTuple):
    """A batch, and its pairs to score."""

    entries: list[Entry]
    found: Found


class Finder:
    """Finds the pairs of one tenant's records in the order they came. Holds all of them."""

    def __init__(self, model: Model, *, tenant_id: str, link_sources: bool = False) -> None:
        """`model` is what a matcher is made with; `link_sources` leaves out pairs within one source."""
        self.index = MemoryIndex()
        self._matcher = Matcher(model, self.index)
        self._tenant_id = tenant_id
        self._link_sources = link_sources
        self._records = 0

    def find(self, customers: Sequence[CustomerRecord]) -> Finding:
        """The pairs of a batch with everything before it, and within it."""
        entries = [
            Entry(
                number=number,
                tenant_id=self._tenant_id,
                customer_id=customer.customer_id,
                version=customer.version,
                source=customer.source,
                record=normalise(customer),
            )
            for number, customer in enumerate(customers, start=self._records)
        ]
        self._records += len(entries)
        self.index.add(entries)
        return Finding(entries, self._matcher.find(entries, only_earlier=True, link_sources=self._link_sources))
