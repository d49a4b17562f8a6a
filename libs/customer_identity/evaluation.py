"""Scores of found pairs against known truth: the usual figures of entity resolution, pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from customer_identity.faults import IdentityFault

THRESHOLDS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPair:
    """A found pair, and whether the truth has it."""

    score: float
    right: bool
    grade: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Found pairs, the best score first, and how many there are in truth, those that blocking lost included."""

    pairs: tuple[JudgedPair, ...]
    true_pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AtThreshold:
    """What would be found if only pairs of this score or more counted. Of nothing, no precision can be told."""

    threshold: float
    pairs: int
    precision: float | None
    recall: float
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreBin:
    """Pairs of about one score: what the scores promise, and what held."""

    pairs: int
    mean_score: float
    right_share: float


def judge(pairs: Iterable[FoundPair], truth: Mapping[str, str], sources: Mapping[str, str] | None = None) -> Judged:
    """Holds found pairs against the truth.

    Args:
        pairs: what `match` found.
        truth: entity id by customer id.
        sources: when given, only pairs across sources count.

    Raises:
        EvaluationProblem: a pair twice, of one record with itself, or of a record the truth does not know.
    """
    rows = sorted(_judged(pairs, truth, sources), key=lambda pair: -pair.score)
    return Judged(pairs=tuple(rows), true_pairs=_true_pairs(truth, sources))


def figures(judged: Judged) -> dict[str, float]:
    """Best F1 and its threshold, recall at precision .99, precision and recall of the grades, calibration error."""
    total = judged.true_pairs
    out: dict[str, float] = {"true_pairs": total, "emitted": len(judged.pairs), **_best(judged)}
    for name, grades in (("certain", frozenset({"certain"})), ("probable", _PROBABLE)):
        chosen = [pair.right for pair in judged.pairs if pair.grade in grades]
        precision, recall, f1 = _figures(sum(chosen), len(chosen), total)
        out |= {
            f"{name}_precision": round(precision, 4),
            f"{name}_recall": round(recall, 4),
            f"{name}_f1": round(f1, 4),
        }
    off = sum(abs(one.mean_score - one.right_share) * one.pairs for one in reliability(judged))
    out["ece"] = round(off / max(1, len(judged.pairs)), 4)
    return out


def by_threshold(judged: Judged, thresholds: Sequence[float] = THRESHOLDS) -> list[AtThreshold]:
    """Precision, recall and F1 at each threshold."""
    out = []
    for threshold in thresholds:
        chosen = [pair.right for pair in judged.pairs if pair.score >= threshold]
        precision, recall, f1 = _figures(sum(chosen), len(chosen), judged.true_pairs)
        out.append(
            AtThreshold(
                threshold=threshold,
                pairs=len(chosen),
                precision=round(precision, 4) if chosen else None,
                recall=round(recall, 4),
                f1=round(f1, 4),
            )
        )
    return out


def precision_recall(judged: Judged) -> list[AtThreshold]:
    """The same at every score that occurs, the highest first; equal scores stand or fall together."""
    found = right = 0
    out = []
    for score, group in groupby(judged.pairs, key=lambda pair: pair.score):
        for pair in group:
            found += 1
            right += pair.right
        precision, recall, f1 = _figures(right, found, judged.true_pairs)
        out.append(AtThreshold(threshold=score, pairs=found, precision=precision, recall=recall, f1=f1))
    return out


def reliability(judged: Judged) -> list[ScoreBin]:
    """Pairs by tenths of the score, the lowest first; tenths without a pair are left out."""
    bins: dict[int, list[JudgedPair]] = defaultdict(list)
    for pair in judged.pairs:
        bins[min(_BINS - 1, int(pair.score * _BINS))].append(pair)
    return [
        ScoreBin(
            pairs=len(some),
            mean_score=sum(pair.score for pair in some) / len(some),
            right_share=sum(pair.right for pair in some) / len(some),
        )
        for _, some in sorted(bins.items())
    ]


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


def _judged(
    pairs: Iterable[FoundPair], truth: Mapping[str, str], sources: Mapping[str, str] | None
) -> Iterator[JudgedPair]:
    seen: set[tuple[str, str]] = set()
    for pair in pairs:
        key = (min(pair.a, pair.b), max(pair.a, pair.b))
        if pair.a == pair.b or key in seen:
            raise EvaluationProblem(
                "a pair is there twice, or pairs a record with itself: is this a file written by match?"
            )
        seen.add(key)
        right = _entity(truth, pair.a) == _entity(truth, pair.b)
        if sources is None or sources.get(pair.a) != sources.get(pair.b):
            yield JudgedPair(score=pair.score, right=right, grade=pair.grade)


def _best(judged: Judged) -> dict[str, float]:
    """Best F1 over thresholds, and recall where precision is still .99."""
    best = (0.0, 0.0, 0.0, 0.0)
    recall_at_99 = 0.0
    for at in precision_recall(judged):
        precision = at.precision or 0.0
        best = max(best, (at.f1, precision, at.recall, at.threshold))
        if precision >= 0.99:
            recall_at_99 = max(recall_at_99, at.recall)
    f1, precision, recall, threshold = best
    return {
        "best_f1": round(f1, 4), "best_p": round(precision, 4), "best_r": round(recall, 4), "best_threshold": threshold,
        "r_at_p99": round(recall_at_99, 4),
    }  # fmt: skip


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
