"""Fit a model to a customer file without labels."""

from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

from customer_identity.customer_csv import CsvProblem, CustomerCsv
from customer_identity.matching.model import Model, format_model
from customer_identity.matching.stream import Stream
from dedupe_detector.adapters.files import reading, writing
from dedupe_detector.adapters.progress import Progress

_BATCH_RECORDS: Final = 1_000
_FEWEST_RECORDS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainReport:
    """What a fit came to."""

    version: str
    records: int
    candidate_pairs: int
    duplicates_per_record: float


def train_model(source: Path, output: Path, start: Model) -> TrainReport:
    """Writes the fitted model as JSON. Raises CsvProblem or FileProblem; then nothing is written."""
    stream = Stream(start, tenant_id="default")
    records = 0
    with reading(source) as lines, Progress("reading") as progress:
        customers = iter(CustomerCsv(lines))
        while batch := list(islice(customers, _BATCH_RECORDS)):
            stream.match(batch)
            records += len(batch)
            progress.done(len(batch))
    if records < _FEWEST_RECORDS:
        raise CsvProblem(f"{records} customers are too few to learn from: give at least {_FEWEST_RECORDS}")
    fitted = stream.refit()
    text = format_model(fitted)
    named = fitted.renamed(f"trained-{sha256(text.encode()).hexdigest()[:8]}")
    with writing(output) as out:
        out.write(format_model(named))
    return TrainReport(
        version=named.version,
        records=records,
        candidate_pairs=stream.candidate_pairs,
        duplicates_per_record=round(named.duplicates_per_record, 4),
    )
