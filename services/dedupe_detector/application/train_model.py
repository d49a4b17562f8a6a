"""Fit a model to a customer file, better with labels."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from customer_identity.customer_csv import CsvProblem, CustomerCsv
from customer_identity.matching.model import Model, format_model
from customer_identity.matching.stream import Stream, StreamPair
from dedupe_detector.adapters.files import reading
from dedupe_detector.adapters.label_files import Labels
from dedupe_detector.adapters.progress import Progress
from dedupe_detector.application.fit_to_index import fit_to_index
from event_runtime.faults import Fault
from event_runtime.files import writing

_BATCH_RECORDS: Final = 1_000
_FEWEST_RECORDS: Final = 10
_MOST_LABELS: Final = 20_000  # of a whole truth; more change no correction by a hundredth
_SEED: Final = 20_261_123


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainReport:
    """What a fit came to."""

    version: str
    records: int
    candidate_pairs: int
    duplicates_per_record: float
    labels: int


def train_model(source: Path, output: Path, start: Model, labels: Labels | None = None) -> TrainReport:
    """Writes the fitted model as JSON. Raises CsvProblem, FileProblem or Fault; then nothing is written."""
    stream = Stream(start, tenant_id="default")
    known = _Known(labels or Labels())
    records = 0
    with reading(source) as lines, Progress("reading") as progress:
        customers = iter(CustomerCsv(lines))
        while batch := list(islice(customers, _BATCH_RECORDS)):
            known.told(stream.match(batch))
            known.read(customer.customer_id for customer in batch)
            records += len(batch)
            progress.done(len(batch))
    if records < _FEWEST_RECORDS:
        raise CsvProblem(f"{records} customers are too few to learn from: give at least {_FEWEST_RECORDS}")
    labelled = known.labelled() if labels is not None else []
    named = _named(stream.refit(labelled))
    with writing(output) as out:
        out.write(format_model(named))
    return TrainReport(
        version=named.version,
        records=records,
        candidate_pairs=stream.candidate_pairs,
        duplicates_per_record=round(named.duplicates_per_record, 4),
        labels=len(labelled),
    )


def train_model_from_index(connection: Connection, tenant: str, output: Path, start: Model) -> TrainReport:
    """The same from a tenant's records in the index and what people decided of them. Raises FileProblem or Fault."""
    fitted = fit_to_index(connection, start, tenant)
    named = _named(fitted.model)
    with writing(output) as out:
        out.write(format_model(named))
    return TrainReport(
        version=named.version,
        records=fitted.sampled,
        candidate_pairs=fitted.candidate_pairs,
        duplicates_per_record=round(named.duplicates_per_record, 4),
        labels=fitted.decisions,
    )


class _Known:
    """The pairs of a file whose label is known: those given, or of known persons those that a desk would be shown."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._found: list[tuple[str, str, bool]] = []
        self._missing = {one for pair in labels.pairs for one in pair}

    def read(self, customer_ids: Iterable[str]) -> None:
        """These customers are in the file."""
        self._missing.difference_update(customer_ids)

    def told(self, pairs: Iterable[StreamPair]) -> None:
        """These pairs were found in it."""
        of = self._labels.entities
        self._found += [(pair.a, pair.b, of[pair.a] == of[pair.b]) for pair in pairs if pair.a in of and pair.b in of]

    def labelled(self) -> list[tuple[str, str, bool]]:
        """Ids, and whether they show one person. Raises Fault when the labels are of other customers."""
        if self._missing:
            raise Fault(f"{len(self._missing)} customers of the labels are not in the customer file: is it another's?")
        if self._labels.pairs:
            return [(a, b, same) for (a, b), same in self._labels.pairs.items()]
        if not self._found:
            raise Fault("no pair of this file has a label: the labels are of other customers, or of too few")
        if len(self._found) <= _MOST_LABELS:
            return self._found
        return random.Random(_SEED).sample(self._found, _MOST_LABELS)  # noqa: S311 - a sample, alike at each run


def _named(model: Model) -> Model:
    """By its content: the same numbers have the same name."""
    return model.renamed(f"trained-{sha256(format_model(model).encode()).hexdigest()[:8]}")
