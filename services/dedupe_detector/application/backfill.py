"""Take a whole customer base into the index, and tell of the candidates in it, as fast as one machine goes."""

import gc
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from pydantic import SecretStr
from sqlalchemy import Connection, Engine

from customer_identity.normalise import normalise
from customer_identity.records import CustomerRecord
from dedupe_detector.adapters import pair_tables, record_tables
from dedupe_detector.adapters.bulk_work import BulkWork, bulk_work, finished
from dedupe_detector.adapters.customer_sources import CustomerBase, CustomerChunk
from dedupe_detector.adapters.outdated_records import outdated_records
from dedupe_detector.adapters.progress import Progress
from dedupe_detector.adapters.storing_process import Storer, storer
from dedupe_detector.application.find_candidates import FindCandidates
from dedupe_detector.application.in_turn import in_turn
from event_runtime.failpoints import failpoint
from event_runtime.outbox import Outbox

_AHEAD: Final = 3  # chunks: a fit takes as long as some of them
_YOUNG_OBJECTS: Final = 100_000  # a chunk makes as many and drops them, none in a cycle: looking for some is in vain


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkReport:
    """What bulk work came to; pairs as they stand now, however they were found."""

    records: int
    certain: int
    probable: int
    possible: int
    candidates_told: int
    seconds: float
    records_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """The path of a service's batch, over all customers of a base: insert, commit, then match.

    What was read last is kept in the transaction that tells of its candidates. A chunk that was inserted and not yet
    matched when the process was killed is inserted again, which changes nothing, and matched.
    """

    engine: Engine
    find: FindCandidates
    outbox: Outbox
    learn: Callable[[], object] | None
    """Fits models of bases that have grown; to be called now and then."""
    national_id_key: SecretStr | None
    micro_batch: int
    """Records a transaction: a service that runs beside this waits for one at most."""
    match: bool = True
    """False: into the index only (the pairs come from elsewhere, see load_pairs)."""

    def run(self, base: CustomerBase) -> BulkReport:
        """Work to the end of the base, from where an earlier run was ended. Raises Fault.

        Of a base that an older normaliser has read, all records are renewed before any is looked up: else pairs of a
        new record and an old one would be withdrawn, and told of again once both are new.
        """
        started = time.monotonic()
        gc.set_threshold(_YOUNG_OBJECTS)
        self.engine.dispose()  # the other process begins as a copy of this one, and a connection is not for two
        with storer(self._take_in) as taking_in:
            if self.match and self._is_outdated(base):
                self._work_through(base, taking_in, match=False)
            records, told = self._work_through(base, taking_in, match=self.match)
        with self.engine.begin() as connection:
            standing = pair_tables.standing_by_grade(connection, base.tenant_id)
        seconds = time.monotonic() - started
        return BulkReport(
            records=records,
            **standing._asdict(),
            candidates_told=told,
            seconds=round(seconds, 3),
            records_per_second=round(records / seconds, 1) if seconds else 0.0,
        )

    def _is_outdated(self, base: CustomerBase) -> bool:
        """Whether records wait to be renewed, and this base was not yet asked for them."""
        with self.engine.begin() as connection:
            return bool(outdated_records(connection, base.tenant_id)) and not finished(connection, _index_only(base))

    def _work_through(self, base: CustomerBase, taking_in: Storer, *, match: bool) -> tuple[int, int]:
        """How many records were read, and how many candidates told."""
        records = told = 0
        name = base.name if match else _index_only(base)
        with bulk_work(self.engine, name) as work, base.chunks(work.position, self.micro_batch) as (total, chunks):
            what = "backfill" if match else "backfill (index)"
            with Progress(what, total=work.records + total, done=work.records) as progress:
                for chunk in _taken_in(taking_in, chunks):
                    failpoint("backfill_stored")
                    told += in_turn(self.engine, partial(self._match, work=work, chunk=chunk, match=match))
                    failpoint("backfill_matched")
                    records += len(chunk.customers)
                    progress.done(len(chunk.customers))
            with self.engine.begin() as connection:
                work.finish(connection)
        return records, told

    def _take_in(self, customers: Sequence[CustomerRecord]) -> None:
        key = None if self.national_id_key is None else self.national_id_key.get_secret_value().encode()
        versions = [
            record_tables.Version(
                tenant_id=customer.tenant_id,
                customer_id=customer.customer_id,
                version=customer.version,
                source=customer.source,
                record=normalise(customer, national_id_key=key),
            )
            for customer in customers
        ]
        in_turn(self.engine, partial(record_tables.store, versions=versions))
        if self.learn is not None and self.match:
            self.learn()

    def _match(self, connection: Connection, *, work: BulkWork, chunk: CustomerChunk, match: bool) -> int:
        """Tells of the chunk's candidates and moves on, in one transaction; how many it told of."""
        work.advance(connection, chunk.position, len(chunk.customers))
        if not match:
            return 0
        drafts = self.find.find(connection, sorted({(one.tenant_id, one.customer_id) for one in chunk.customers}))
        self.outbox.append(connection, drafts)
        failpoint("backfill_before_commit")
        return len(drafts)


def _index_only(base: CustomerBase) -> str:
    """What the base is known by to those who look nothing up."""
    return f"{base.name} index only"


def _taken_in(taking_in: Storer, chunks: Iterable[CustomerChunk]) -> Iterator[CustomerChunk]:
    """Chunks that are in the index, while some that come after them are being taken in."""
    waiting: deque[CustomerChunk] = deque()
    for chunk in chunks:
        taking_in.begin(chunk.customers)
        waiting.append(chunk)
        if len(waiting) > _AHEAD:
            taking_in.done()
            yield waiting.popleft()
    while waiting:
        taking_in.done()
        yield waiting.popleft()
