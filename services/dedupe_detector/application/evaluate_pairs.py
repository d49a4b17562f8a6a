"""Score found pairs against known truth."""

from pathlib import Path

from customer_identity.evaluation import evaluate, evaluate_clusters
from dedupe_detector.adapters.files import read_column, read_pairs


def evaluate_pairs(pairs: Path, truth: Path, *, records: Path | None, clusters: Path | None) -> dict[str, float]:
    """The figures of `evaluate`; with `records`, only pairs across sources count; with `clusters`, theirs as well."""
    entities = read_column(truth, "entity_id")
    sources = read_column(records, "source") if records is not None else None
    figures = evaluate(read_pairs(pairs), entities, sources)
    if clusters is not None:
        figures |= evaluate_clusters(read_column(clusters, "entity_id"), entities)
    return figures
