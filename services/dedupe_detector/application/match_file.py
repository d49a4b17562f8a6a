"""Match a file as a stream: each record meets only those read before it.

With a second core there are two processes: one reads, normalises and looks up, the other compares, judges and writes.
What is found does not depend on how many there are.
"""

import gc
import resource
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from customer_identity.customer_csv import CustomerCsv
from customer_identity.matching.finding import Finder, Finding
from customer_identity.matching.model import Model
from customer_identity.matching.stream import Stream
from customer_identity.records import CustomerRecord
from dedupe_detector.adapters.files import pair_writer, reading, write_clusters
from dedupe_detector.adapters.finding_process import FindingProcess
from dedupe_detector.adapters.progress import Progress
from dedupe_detector.adapters.second_process import has_cores_for_two
from event_runtime.files import writing

TENANT = "default"
_YOUNG_OBJECTS = 200_000  # the index makes millions of objects, none in a cycle: looking for some took a fifth of a run


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
        gc.set_threshold(_YOUNG_OBJECTS)
        stream = Stream(self.model, tenant_id=TENANT, link_sources=self.link_sources)
        finder = Finder(self.model, tenant_id=TENANT, link_sources=self.link_sources)
        records = found = 0
        with ExitStack() as stack:
            customers = CustomerCsv(stack.enter_context(reading(self.source)), tenant_id=TENANT)
            if customers.unknown_columns:
                sys.stderr.write(f"warning: unknown columns ignored: {', '.join(customers.unknown_columns)}\n")
            batches = _batches(iter(customers), self.micro_batch)
            findings: Iterable[Finding] = map(finder.find, batches)
            if has_cores_for_two():
                findings = stack.enter_context(FindingProcess(finder, batches, tenant_id=TENANT))
            write = pair_writer(stack.enter_context(writing(self.pairs)))
            clusters = None if self.clusters is None else stack.enter_context(writing(self.clusters))
            progress = stack.enter_context(Progress("matching"))
            for finding in findings:
                pairs = stream.judge(finding)
                write([(pair.a, pair.b, f"{pair.score:.6f}", pair.grade.label) for pair in pairs])
                records += len(finding.entries)
                found += len(pairs)
                progress.done(len(finding.entries))
            if clusters is not None:
                write_clusters(clusters, stream.clusters())
        seconds = time.perf_counter() - started
        return MatchReport(
            records=records,
            pairs=found,
            seconds=round(seconds, 3),
            records_per_second=round(records / seconds, 1),
            peak_memory_mb=round(_peak_memory_mb(), 1),
            capped_keys=stream.capped_keys,
        )


def _peak_memory_mb() -> float:
    """Of this process and the other one: at most, as what they share counts twice."""
    usage = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_maxrss for one in usage) / 1024


def _batches(customers: Iterator[CustomerRecord], size: int) -> Iterator[list[CustomerRecord]]:
    while batch := list(islice(customers, size)):
        yield batch
