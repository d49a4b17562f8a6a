"""Score found pairs against known truth."""

from dataclasses import dataclass
from pathlib import Path

from customer_identity.evaluation import Judged, evaluate_clusters, figures, judge
from dedupe_detector.adapters.files import read_column, read_entities, read_pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """Found pairs held against the truth, and the figures of that."""

    judged: Judged
    figures: dict[str, float]


def evaluate_pairs(pairs: Path, truth: Path, *, records: Path | None, clusters: Path | None) -> Evaluated:
    """With `records`, only pairs across sources count; with `clusters`, theirs are among the figures."""
    entities = read_entities(truth)
    sources = read_column(records, "source") if records is not None else None
    judged = judge(read_pairs(pairs), entities, sources)
    found = figures(judged)
    if clusters is not None:
        found |= evaluate_clusters(read_entities(clusters), entities)
    return Evaluated(judged=judged, figures=found)
