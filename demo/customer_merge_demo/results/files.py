"""The files of a run that programs read: identity.csv and pairs.csv."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from customer_events import MergeCandidateFound


def write_identities(path: Path, canonical: Mapping[str, str]) -> None:
    """`customer_id,canonical_id` for every input id, in input order."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("customer_id", "canonical_id"))
        writer.writerows(canonical.items())


def write_pairs(path: Path, candidates: Iterable[MergeCandidateFound]) -> None:
    """`customer_id_a,customer_id_b,score,grade`: each unordered pair once, with its newest word; best score first."""
    newest: dict[tuple[str, str], MergeCandidateFound] = {}
    for found in candidates:
        pair = (min(found.pair.a, found.pair.b), max(found.pair.a, found.pair.b))
        if pair not in newest or newest[pair].detected_at <= found.detected_at:
            newest[pair] = found
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("customer_id_a", "customer_id_b", "score", "grade"))
        for (a, b), found in sorted(newest.items(), key=lambda item: (-item[1].score, item[0])):
            writer.writerow((a, b, f"{found.score:.6f}", found.grade.lower()))
