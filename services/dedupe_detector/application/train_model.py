"""Fit a model to a customer file without labels."""

import random
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from customer_identity.comparison import compare
from customer_identity.customer_csv import CsvProblem, CustomerCsv
from customer_identity.matching.index import Entry, MemoryIndex
from customer_identity.matching.matcher import Matcher
from customer_identity.matching.model import Model, format_model
from customer_identity.matching.training import fit
from customer_identity.normalise import normalise
from dedupe_detector.adapters.files import reading, writing
from dedupe_detector.adapters.progress import Progress

_BATCH_RECORDS = 1_000
_CANDIDATE_PAIRS = 200_000
_RANDOM_PAIRS = 100_000
_SEED = 20_261_101
_FEWEST_RECORDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainReport:
    """What a fit came to."""

    version: str
    records: int
    candidate_pairs: int
    duplicates_per_record: float


def train_model(source: Path, output: Path, start: Model) -> TrainReport:
    """Writes the fitted model as JSON. Raises CsvProblem or FileProblem; then nothing is written."""
    index = MemoryIndex()
    matcher = Matcher(start, index)
    entries: list[Entry] = []
    with reading(source) as lines, Progress("reading") as progress:
        for customer in CustomerCsv(lines):
            entries.append(
                Entry(
                    number=len(entries),
                    tenant_id=customer.tenant_id,
                    customer_id=customer.customer_id,
                    version=customer.version,
                    source=customer.source,
                    record=normalise(customer),
                )
            )
            progress.done(1)
    if len(entries) < _FEWEST_RECORDS:
        raise CsvProblem(f"{len(entries)} customers are too few to learn from: give at least {_FEWEST_RECORDS}")
    index.add(entries)
    levels, frequencies, observed = _observe(matcher, entries)
    chance = random.Random(_SEED)  # noqa: S311 - a sample, repeated alike at each run; no secret
    a, b = chance.choices(entries, k=_RANDOM_PAIRS), chance.choices(entries, k=_RANDOM_PAIRS)
    different = [(x.record, y.record) for x, y in zip(a, b, strict=True) if x is not y]
    random_levels = compare([x for x, _ in different], [y for _, y in different])
    digest = sha256(levels.tobytes() + format_model(start).encode()).hexdigest()[:8]
    fitted = fit(start, levels, frequencies, observed, random_levels, f"trained-{digest}")
    with writing(output) as out:
        out.write(format_model(fitted))
    return TrainReport(
        version=fitted.version,
        records=len(entries),
        candidate_pairs=len(levels),
        duplicates_per_record=round(fitted.duplicates_per_record, 4),
    )


def _observe(matcher: Matcher, entries: list[Entry]) -> tuple[NDArray[np.int8], NDArray[np.float64], int]:
    """Level and frequency matrices of candidate pairs, at most so many, and how many records they come from."""
    levels = []
    frequencies = []
    total = observed = 0
    with Progress("comparing") as progress:
        for first in range(0, len(entries), _BATCH_RECORDS):
            batch = entries[first : first + _BATCH_RECORDS]
            matches = matcher.match(batch, only_earlier=True)
            levels.append(matches.levels)
            frequencies.append(matches.log_frequency)
            total += len(matches.levels)
            observed += len(batch)
            progress.done(len(batch))
            if total >= _CANDIDATE_PAIRS:
                break
    return np.concatenate(levels), np.concatenate(frequencies), observed
