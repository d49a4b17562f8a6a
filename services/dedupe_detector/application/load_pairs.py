"""Load pairs that were found elsewhere (on Spark, say), exactly once, as the detector tells of its own.

A pair is only proposed from there: the detector scores it again by the model that scores everything else, in the
context of the records it holds, so its evidence, its cautions and its grade are those of any other candidate.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, Engine

from dedupe_detector.adapters import identity_tables, pair_tables
from dedupe_detector.adapters.bulk_work import BulkWork, bulk_work
from dedupe_detector.adapters.files import read_pairs
from dedupe_detector.adapters.pair_tables import PairKey, pair_key
from dedupe_detector.adapters.progress import Progress
from dedupe_detector.application.find_candidates import FindCandidates
from dedupe_detector.application.in_turn import in_turn
from event_runtime.failpoints import failpoint
from event_runtime.files import FileProblem
from event_runtime.outbox import Outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What a load came to; `certain`, `probable`, `possible`: pairs that stand now, however they were found."""

    pairs: int
    unknown: int
    """Pairs of customers that the index does not have."""
    certain: int
    probable: int
    possible: int
    candidates_told: int
    seconds: float
    pairs_per_second: float


@dataclass(frozen=True, kw_only=True)
class PairFile:
    """A pairs.csv; known by its content, its position is a number of rows."""

    path: Path
    tenant_id: str

    @property
    def name(self) -> str:
        """The digest of the content."""
        return f"pairs {self._checked[0]} {self.tenant_id}"

    @property
    def total(self) -> int:
        """How many pairs there are. Raises FileProblem when the file cannot be used to its end."""
        return self._checked[1]

    def chunks(self, position: str, size: int) -> Iterator[tuple[list[PairKey], str]]:
        """The pairs from a position on, each chunk with the position after it."""
        done = int(position or 0)
        rows = islice(read_pairs(self.path), done, None)
        while found := list(islice(rows, size)):
            done += len(found)
            yield [pair_key(self.tenant_id, pair.a, pair.b) for pair in found], str(done)

    @cached_property
    def _checked(self) -> tuple[str, int]:
        digest, count = hashlib.sha256(), 0
        for pair in read_pairs(self.path):
            if not pair.a or not pair.b or pair.a == pair.b:
                raise FileProblem(f"{self.path}: pair {count + 1} does not name two customers")
            digest.update(f"{pair.a}\x1f{pair.b}\x1e".encode(errors="surrogateescape"))
            count += 1
        return digest.hexdigest(), count


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPairs:
    """What was read last is kept in the transaction that tells of its candidates."""

    engine: Engine
    find: FindCandidates
    outbox: Outbox
    micro_batch: int
    """Pairs a transaction."""

    def run(self, pairs: PairFile) -> LoadReport:
        """Work to the end of the file, from where an earlier run was ended. Raises Fault."""
        started = time.monotonic()
        done = told = unknown = 0
        with bulk_work(self.engine, pairs.name) as work:
            with Progress("load-pairs", total=pairs.total, done=work.records, unit="pairs") as progress:
                for keys, position in pairs.chunks(work.position, self.micro_batch):
                    absent, found = in_turn(self.engine, self._chunk(work, keys, position))
                    failpoint("pairs_committed")
                    done, told, unknown = done + len(keys), told + found, unknown + absent
                    progress.done(len(keys))
            with self.engine.begin() as connection:
                work.finish(connection)
                standing = pair_tables.standing_by_grade(connection, pairs.tenant_id)
        seconds = time.monotonic() - started
        return LoadReport(
            pairs=done,
            unknown=unknown,
            **standing._asdict(),
            candidates_told=told,
            seconds=round(seconds, 3),
            pairs_per_second=round(done / seconds, 1),
        )

    def _chunk(self, work: BulkWork, keys: list[PairKey], position: str) -> Callable[[Connection], tuple[int, int]]:
        """Tells of the chunk's pairs and moves on; answers how many are of unknown customers, and how many were told.

        Of each pair one side is looked up, and meets what blocking finds as well as the other side.
        """

        def work_off(connection: Connection) -> tuple[int, int]:
            work.advance(connection, position, len(keys))
            ids = sorted({(key.tenant_id, one) for key in keys for one in (key.a, key.b)})
            known = identity_tables.versions(connection, ids)
            found = [key for key in keys if (key.tenant_id, key.a) in known and (key.tenant_id, key.b) in known]
            drafts = self.find.find(connection, sorted({(key.tenant_id, key.a) for key in found}), also=found)
            self.outbox.append(connection, drafts)
            failpoint("pairs_before_commit")
            return len(keys) - len(found), len(drafts)

        return work_off
