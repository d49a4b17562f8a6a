"""Scores of found pairs against known truth: the usual figures of entity resolution, pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from customer_identity.faults import IdentityFault

_BINS: Final = 10
_PROBABLE: Final = frozenset({"certain", "probable"})


class EvaluationProblem(IdentityFault):
    """Pairs and truth do not belong together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPair:
    """One row of pairs.csv."""

    a: str
    b: str
    score: float
    grade: str


def evaluate(
    pairs: Iterable[FoundPair], truth: Mapping[str, str], sources: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Figures over all true pairs, those that blocking lost included.

    Args:
        pairs: what `match` found.
        truth: entity id by customer id.
        sources: when given, only pairs across sources count.

    Raises:
        EvaluationProblem: a pair twice, of one record with itself, or of a record the truth does not know.
    """
    total = _true_pairs(truth, sources)
    rows = sorted(_judged(pairs, truth, sources), key=lambda row: -row[0])
    out: dict[str, float] = {"true_pairs": total, "emitted": len(rows), **_best(rows, total)}
    for name, grades in (("certain", frozenset({"certain"})), ("probable", _PROBABLE)):
        chosen = [right for _, right, grade in rows if grade in grades]
        precision, recall, f1 = _figures(sum(chosen), len(chosen), total)
        out |= {
            f"{name}_precision": round(precision, 4),
            f"{name}_recall": round(recall, 4),
            f"{name}_f1": round(f1, 4),
        }
    out["ece"] = round(_calibration_error(rows), 4)
    return out


def evaluate_clusters(clusters: Mapping[str, str], truth: Mapping[str, str]) -> dict[str, float]:
    """Precision, recall and F1 of the pairs that clusters imply."""
    members: dict[str, list[str]] = defaultdict(list)
    for customer, cluster in clusters.items():
        members[cluster].append(customer)
    implied = right = 0
    for customers in members.values():
        implied += _pairs(len(customers))
        right += sum(_pairs(n) for n in Counter(_entity(truth, c) for c in customers).values())
    precision, recall, f1 = _figures(right, implied, _true_pairs(truth, None))
    return {"cluster_p": round(precision, 4), "cluster_r": round(recall, 4), "cluster_f1": round(f1, 4)}


_Row = tuple[float, bool, str]


def _judged(pairs: Iterable[FoundPair], truth: Mapping[str, str], sources: Mapping[str, str] | None) -> list[_Row]:
    seen: set[tuple[str, str]] = set()
    rows: list[_Row] = []
    for pair in pairs:
        key = (min(pair.a, pair.b), max(pair.a, pair.b))
        if pair.a == pair.b or key in seen:
            raise EvaluationProblem(
                "a pair is there twice, or pairs a record with itself: is this a file written by match?"
            )
        seen.add(key)
        right = _entity(truth, pair.a) == _entity(truth, pair.b)
        if sources is None or sources.get(pair.a) != sources.get(pair.b):
            rows.append((pair.score, right, pair.grade))
    return rows


def _best(rows: list[_Row], total: int) -> dict[str, float]:
    """Best F1 over thresholds, and recall where precision is still .99; equal scores stand or fall together."""
    found = right = 0
    best = (0.0, 0.0, 0.0, 0.0)
    recall_at_99 = 0.0
    for score, group in groupby(rows, key=lambda row: row[0]):
        for _, is_right, _ in group:
            found += 1
            right += is_right
        precision, recall, f1 = _figures(right, found, total)
        best = max(best, (f1, precision, recall, score))
        if precision >= 0.99:
            recall_at_99 = max(recall_at_99, recall)
    f1, precision, recall, threshold = best
    return {
        "best_f1": round(f1, 4), "best_p": round(precision, 4), "best_r": round(recall, 4), "best_threshold": threshold,
        "r_at_p99": round(recall_at_99, 4),
    }  # fmt: skip


def _calibration_error(rows: list[_Row]) -> float:
    sums: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for score, right, _ in rows:
        bin_ = sums[min(_BINS - 1, int(score * _BINS))]
        bin_[0] += score
        bin_[1] += right
    return sum(abs(expected - seen) for expected, seen in sums.values()) / max(1, len(rows))


def _true_pairs(truth: Mapping[str, str], sources: Mapping[str, str] | None) -> int:
    sizes = Counter(truth.values())
    total = sum(_pairs(n) for n in sizes.values())
    if sources is not None:
        within = Counter((entity, sources.get(customer)) for customer, entity in truth.items())
        total -= sum(_pairs(n) for n in within.values())
    return total


def _figures(right: int, found: int, total: int) -> tuple[float, float, float]:
    precision = right / found if found else 0.0
    recall = right / total if total else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if right else 0.0


def _entity(truth: Mapping[str, str], customer: str) -> str:
    found = truth.get(customer)
    if found is None:
        raise EvaluationProblem(
            "a pair names a customer that the truth does not know: do both files belong to one data set?"
        )
    return found


def _pairs(n: int) -> int:
    return n * (n - 1) // 2
