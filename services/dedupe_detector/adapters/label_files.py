"""Labels in files: pairs that people have judged, or the known person of each record."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from customer_identity.customer_csv import utf8_lines
from dedupe_detector.adapters.files import read_entities, reading, rows_of
from event_runtime.files import FileProblem

LABEL_COLUMNS: Final = ("customer_id_a", "customer_id_b", "label")
_LABELS: Final = {"1": True, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What is known: of pairs, or of records."""

    pairs: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    """By pair of ids, the lower first: whether they show one person."""
    entities: Mapping[str, str] = field(default_factory=dict)
    """By customer id, a name of the person."""


def read_labels(path: Path) -> Labels:
    """Either kind, told apart by its columns. Raises FileProblem."""
    columns = _columns(path)
    if set(LABEL_COLUMNS) <= columns:
        return Labels(pairs=_pairs(path))
    if {"customer_id", "entity_id"} <= columns:
        return Labels(entities=read_entities(path))
    raise FileProblem(f"{path}: its first line names {', '.join(LABEL_COLUMNS)}, or customer_id, entity_id")


def _columns(path: Path) -> set[str]:
    with reading(path) as lines:
        try:
            return set(next(csv.reader(utf8_lines(lines), strict=True), ()))
        except csv.Error as error:
            raise FileProblem(f"{path}: its first line is no valid CSV: {error}") from error


def _pairs(path: Path) -> dict[tuple[str, str], bool]:
    out: dict[tuple[str, str], bool] = {}
    for line, row in rows_of(path, LABEL_COLUMNS):
        label = _LABELS.get(row["label"].strip())
        if label is None:
            raise FileProblem(f"{path} line {line}: a label is 1 (one person) or 0 (two)")
        one, other = sorted((row["customer_id_a"], row["customer_id_b"]))
        if not one or one == other:
            raise FileProblem(f"{path} line {line} does not name two customers")
        if out.setdefault((one, other), label) != label:
            raise FileProblem(f"{path} line {line} contradicts an earlier line about the same two customers")
    return out
