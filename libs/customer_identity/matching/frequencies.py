"""How common the values of records are in their own base: what an equal value is worth depends on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from customer_identity.comparison.fields import FIELDS, GIVEN
from customer_identity.matching.cautions import KNOWN_NAME_HOLDERS
from customer_identity.matching.index import (
    Entry,
    Index,
    duplicates_code,
    field_values,
    filled_code,
    records_code,
    value_code,
)
from customer_identity.matching.scoring import Scorer


@dataclass(frozen=True, slots=True, kw_only=True)
class Frequencies:
    """Of n pairs, as the index is now."""

    log_frequency: NDArray[np.float64]
    """n x fields: ln of the frequency of the left record's value; nan where the model's own counts."""
    records: NDArray[np.float64]
    """Records of the pair's tenant."""
    duplicates: NDArray[np.float64]
    """Pairs found among them so far."""
    known_left: NDArray[np.bool_]
    """Whether the left given name is a name (in a nickname group, or held often enough) and no slip of another."""
    known_right: NDArray[np.bool_]


def frequencies(index: Index, scorer: Scorer, left: Sequence[Entry], right: Sequence[Entry]) -> Frequencies:
    """Counts everything the pairs need in one question to the index."""
    rows = {entry.number: row for row, entry in enumerate({entry.number: entry for entry in left}.values())}
    own = list({entry.number: entry for entry in left}.values())
    values = [_value_codes(entry) for entry in own]
    fills = {entry.tenant_id: [filled_code(entry.tenant_id, p) for p in range(len(FIELDS))] for entry in own}
    given_right = [value_code(entry.tenant_id, GIVEN, entry.record.given) for entry in right]
    codes = {code for row in (*values, *fills.values(), given_right) for code in row}
    codes.update(code for tenant in fills for code in (records_code(tenant), duplicates_code(tenant)))
    counts = index.counts(codes)

    held = _matrix([[counts.get(code, 0) for code in row] for row in values])
    filled = _matrix([[counts.get(code, 0) for code in fills[entry.tenant_id]] for entry in own])
    at = np.fromiter((rows[entry.number] for entry in left), np.intp, count=len(left))
    totals = {t: (counts.get(records_code(t), 0), counts.get(duplicates_code(t), 0)) for t in fills}
    per_pair = np.array([totals[entry.tenant_id] for entry in left], dtype=np.float64).reshape(len(left), 2)
    has_roots = (bool(entry.record.roots) for entry in left)
    often = (counts.get(code, 0) >= KNOWN_NAME_HOLDERS for code in given_right)
    return Frequencies(
        log_frequency=scorer.log_frequency(held - 1.0, filled)[at],
        records=per_pair[:, 0],
        duplicates=per_pair[:, 1],
        known_left=np.fromiter(has_roots, bool, count=len(left)) | (held[at, GIVEN] >= KNOWN_NAME_HOLDERS),
        known_right=np.fromiter((bool(e.record.roots) for e in right), bool, count=len(right))
        | np.fromiter(often, bool, count=len(right)),
    )


def known_given_names(index: Index, entries: Sequence[Entry]) -> set[int]:
    """Numbers of the entries whose given name is a name (see Frequencies.known_left)."""
    codes = {e.number: value_code(e.tenant_id, GIVEN, e.record.given) for e in entries if not e.record.roots}
    counts = index.counts(set(codes.values())) if codes else {}
    return {e.number for e in entries if e.record.roots or counts.get(codes.get(e.number, 0), 0) >= KNOWN_NAME_HOLDERS}


def _value_codes(entry: Entry) -> list[int]:
    """Counter codes of a record's values by field; 0, which counts nothing, for absent ones."""
    return [
        value_code(entry.tenant_id, position, value) if value else 0
        for position, value in enumerate(field_values(entry.record))
    ]


def _matrix(rows: list[list[int]]) -> NDArray[np.float64]:
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(FIELDS))
