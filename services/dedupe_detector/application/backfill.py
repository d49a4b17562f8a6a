"""Take a whole customer base into the index, and tell of the candidates in it, as fast as one machine goes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from pydantic import SecretStr
from sqlalchemy import Connection, Engine

from customer_identity.normalise import normalise
from customer_identity.records import CustomerRecord
from dedupe_detector.adapters import pair_tables, record_tables
from dedupe_detector.adapters.bulk_work import BulkWork, bulk_work
from dedupe_detector.adapters.customer_sources import CustomerBase, CustomerChunk
from dedupe_detector.adapters.progress import Progress
from dedupe_detector.application.find_candidates import FindCandidates
from dedupe_detector.application.in_turn import in_turn
from event_runtime.failpoints import failpoint
from event_runtime.outbox import Outbox


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
        """Work to the end of the base, from where an earlier run was ended. Raises Fault."""
        started = time.monotonic()
        told = 0
        name = base.name if self.match else f"{base.name} index only"
        with bulk_work(self.engine, name) as work, base.chunks(work.position, self.micro_batch) as (total, chunks):
            records = 0
            with Progress("backfill", total=work.records + total, done=work.records) as progress:
                for chunk in chunks:
                    in_turn(self.engine, partial(self._store, customers=chunk.customers))
                    failpoint("backfill_stored")
                    told += in_turn(self.engine, partial(self._match, work=work, chunk=chunk))
                    failpoint("backfill_matched")
                    if self.learn is not None and self.match:
                        self.learn()
                    records += len(chunk.customers)
                    progress.done(len(chunk.customers))
            return report(self.engine, work, base.tenant_id, records=records, told=told, started=started)

    def _store(self, connection: Connection, *, customers: Sequence[CustomerRecord]) -> None:
        key = None if self.national_id_key is None else self.national_id_key.get_secret_value().encode()
        record_tables.store(
            connection,
            [
                record_tables.Version(
                    tenant_id=customer.tenant_id,
                    customer_id=customer.customer_id,
                    version=customer.version,
                    source=customer.source,
                    record=normalise(customer, national_id_key=key),
                )
                for customer in customers
            ],
        )

    def _match(self, connection: Connection, *, work: BulkWork, chunk: CustomerChunk) -> int:
        """Tells of the chunk's candidates and moves on, in one transaction; how many it told of."""
        work.advance(connection, chunk.position, len(chunk.customers))
        if not self.match:
            return 0
        drafts = self.find.find(connection, sorted({(one.tenant_id, one.customer_id) for one in chunk.customers}))
        self.outbox.append(connection, drafts)
        failpoint("backfill_before_commit")
        return len(drafts)


def report(
    engine: Engine, work: BulkWork, tenant_id: str | None, *, records: int, told: int, started: float
) -> BulkReport:
    """Notes that the work is done, and says what it came to."""
    with engine.begin() as connection:
        work.finish(connection)
        grades = pair_tables.standing_by_grade(connection, tenant_id)
    seconds = time.monotonic() - started
    return BulkReport(
        records=records,
        certain=grades.get(3, 0),
        probable=grades.get(2, 0),
        possible=grades.get(1, 0),
        candidates_told=told,
        seconds=round(seconds, 3),
        records_per_second=round(records / seconds, 1) if seconds else 0.0,
    )
