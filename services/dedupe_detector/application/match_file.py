"""Match a file as a stream: each record meets only those read before it."""

import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from customer_identity.customer_csv import CustomerCsv
from customer_identity.matching.clusters import Clusters
from customer_identity.matching.grades import Grade
from customer_identity.matching.index import Entry, MemoryIndex, duplicates_code
from customer_identity.matching.learning import Learner
from customer_identity.matching.matcher import Matcher, Matches
from customer_identity.matching.model import Model
from customer_identity.normalise import normalise
from customer_identity.records import CustomerRecord
from dedupe_detector.adapters.files import pair_writer, reading, write_clusters, writing
from dedupe_detector.adapters.progress import Progress

TENANT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchReport:
    """What a run over a file came to."""

    records: int
    pairs: int
    seconds: float
    records_per_second: float
    peak_memory_mb: float
    capped_keys: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMatch:
    """One run: where from, where to, how."""

    source: Path
    pairs: Path
    clusters: Path | None
    model: Model
    micro_batch: int
    link_sources: bool

    def run(self) -> MatchReport:
        """Writes pairs.csv (and clusters.csv). Raises CsvProblem or FileProblem; then nothing is written."""
        started = time.perf_counter()
        index = MemoryIndex()
        matcher = Matcher(self.model, index)
        learner = Learner(self.model)
        clusters = Clusters()
        ids: list[str] = []
        found = capped = 0
        with ExitStack() as stack:
            customers = CustomerCsv(stack.enter_context(reading(self.source)), tenant_id=TENANT)
            if customers.unknown_columns:
                sys.stderr.write(f"warning: unknown columns ignored: {', '.join(customers.unknown_columns)}\n")
            write = pair_writer(stack.enter_context(writing(self.pairs)))
            progress = stack.enter_context(Progress("matching"))
            for batch in _batches(iter(customers), self.micro_batch):
                entries = _entries(batch, len(ids))
                ids.extend(entry.customer_id for entry in entries)
                clusters.add(len(entries))
                index.add(entries)
                matches = matcher.match(entries, only_earlier=True, link_sources=self.link_sources)
                learner.observe(entries, matches)
                found += _write_pairs(matches, write, clusters)
                capped += matches.capped_keys
                index.count(duplicates_code(TENANT), int((matches.grade >= Grade.PROBABLE).sum()))
                if learner.due():
                    matcher = Matcher(learner.refit(), index)
                progress.done(len(entries))
        if self.clusters is not None:
            write_clusters(self.clusters, ((ids[n], ids[clusters.root(n)]) for n in range(len(ids))))
        seconds = time.perf_counter() - started
        return MatchReport(
            records=len(ids),
            pairs=found,
            seconds=round(seconds, 3),
            records_per_second=round(len(ids) / seconds, 1),
            peak_memory_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            capped_keys=capped,
        )


def _batches(customers: Iterator[CustomerRecord], size: int) -> Iterator[list[CustomerRecord]]:
    while batch := list(islice(customers, size)):
        yield batch


def _entries(batch: list[CustomerRecord], first: int) -> list[Entry]:
    return [
        Entry(
            number=first + offset,
            tenant_id=customer.tenant_id,
            customer_id=customer.customer_id,
            version=customer.version,
            source=customer.source,
            record=normalise(customer),
        )
        for offset, customer in enumerate(batch)
    ]


def _write_pairs(matches: Matches, write: Callable[[Iterable[Sequence[str]]], None], clusters: Clusters) -> int:
    rows = []
    for a, b, score, grade in zip(
        matches.left, matches.right, matches.score.tolist(), matches.grade.tolist(), strict=True
    ):
        if grade > Grade.NONE:
            rows.append((a.customer_id, b.customer_id, f"{score:.6f}", Grade(grade).label))
            clusters.join(a.number, b.number, score)
    write(rows)
    return len(rows)
