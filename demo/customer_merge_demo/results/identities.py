"""Who ended up being whom: the identity map over every input id, and how well it fits the truth where that is known."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Pairs of records that share an identity, against pairs that share a person."""

    merged_pairs: int
    correct_pairs: int
    true_pairs: int

    @property
    def precision(self) -> float:
        """Share of the merged pairs that are right; 1 when nothing was merged."""
        return self.correct_pairs / self.merged_pairs if self.merged_pairs else 1.0

    @property
    def recall(self) -> float:
        """Share of the true pairs that were merged; 1 when there are none."""
        return self.correct_pairs / self.true_pairs if self.true_pairs else 1.0


def whole_map(customer_ids: Iterable[str], redirected: Mapping[str, str]) -> dict[str, str]:
    """Every id with its canonical id; an id that was never redirected is its own."""
    return {customer_id: redirected.get(customer_id, customer_id) for customer_id in customer_ids}


def members(canonical: Mapping[str, str]) -> dict[str, list[str]]:
    """Canonical id → its members, itself included, in the order of the map."""
    groups: dict[str, list[str]] = defaultdict(list)
    for customer_id, root in canonical.items():
        groups[root].append(customer_id)
    return dict(groups)


def sizes(canonical: Mapping[str, str]) -> dict[int, int]:
    """Records an identity has → how many identities have that many, smallest first."""
    counted = Counter(len(group) for group in members(canonical).values())
    return dict(sorted(counted.items()))


def accuracy(canonical: Mapping[str, str], truth: Mapping[str, str]) -> Accuracy:
    """Pairwise precision and recall of the map; ids without known truth are left out."""
    known = {customer_id: root for customer_id, root in canonical.items() if customer_id in truth}
    both = Counter((root, truth[customer_id]) for customer_id, root in known.items())
    return Accuracy(
        merged_pairs=_pairs(Counter(known.values()).values()),
        correct_pairs=_pairs(both.values()),
        true_pairs=_pairs(Counter(truth[customer_id] for customer_id in known).values()),
    )


def replayed(redirects: Sequence[tuple[str, str, int]]) -> dict[str, str]:
    """The map that announcements (id, canonical id, version) build: per id the newest version counts."""
    newest: dict[str, tuple[int, str]] = {}
    for customer_id, root, version in redirects:
        if version > newest.get(customer_id, (0, ""))[0]:
            newest[customer_id] = (version, root)
    return {customer_id: root for customer_id, (_, root) in newest.items() if root != customer_id}


def _pairs(counts: Iterable[int]) -> int:
    return sum(count * (count - 1) // 2 for count in counts)
