"""How far bulk work has come, kept in the transaction that holds the effects of what was read."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, text

from customer_identity.normalise.record import NORMALISER_VERSION
from event_runtime.faults import Fault

BEGINNING: Final = ""
_LOCK = text("SELECT pg_try_advisory_lock(hashtextextended('detector.bulk_work ' || :source, 0))")
_UNLOCK = text("SELECT pg_advisory_unlock(hashtextextended('detector.bulk_work ' || :source, 0))")
# What was finished begins anew: a table has other rows by now, and of a file nothing is told twice. So does what an
# older normaliser has read in part: of the rows it read, pairs may have been missed that this one finds.
_BEGIN = text("""
    INSERT INTO detector.bulk_work AS w (source, position, records, normaliser) VALUES (:source, '', 0, :normaliser)
    ON CONFLICT (source) DO UPDATE SET position = '', records = 0, started_at = clock_timestamp(),
        changed_at = clock_timestamp(), finished_at = NULL, normaliser = excluded.normaliser
    WHERE w.finished_at IS NOT NULL OR w.normaliser < excluded.normaliser
""")
# Who was killed a moment ago may still be at its last commit: it holds the row until that is done or not.
_AT = text("SELECT position, records FROM detector.bulk_work WHERE source = :source FOR UPDATE")
_ADVANCE = text("""
    UPDATE detector.bulk_work SET position = :position, records = records + :more, changed_at = clock_timestamp()
    WHERE source = :source
""")
_FINISH = text("""
    UPDATE detector.bulk_work SET finished_at = clock_timestamp(), changed_at = clock_timestamp() WHERE source = :source
""")
_FINISHED = text("""
    SELECT EXISTS (
        SELECT FROM detector.bulk_work
        WHERE source = :source AND finished_at IS NOT NULL AND normaliser >= :normaliser
    )
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkWork:
    """Work on one source that this process alone does. `position` and `records`: where an earlier run was ended."""

    source: str
    position: str
    records: int

    def advance(self, connection: Connection, position: str, more: int) -> None:
        """Note in this transaction that the source is done up to `position`, `more` records further."""
        connection.execute(_ADVANCE, {"source": self.source, "position": position, "more": more})

    def finish(self, connection: Connection) -> None:
        """Note that the source is done."""
        connection.execute(_FINISH, {"source": self.source})


def finished(connection: Connection, source: str) -> bool:
    """Whether the source was read to its end by this normaliser, or by a newer one."""
    found = connection.execute(_FINISHED, {"source": source, "normaliser": NORMALISER_VERSION})
    return bool(found.scalar_one())


@contextmanager
def bulk_work(engine: Engine, source: str) -> Iterator[BulkWork]:
    """The work on a source, to be gone on with or begun. Raises Fault when another process does it at this moment.

    The lock is a session's: it ends with the process, however that ends.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(_LOCK, {"source": source}).scalar_one():
            raise Fault("this source is being read by another process; wait for its end")
        try:
            connection.execute(_BEGIN, {"source": source, "normaliser": NORMALISER_VERSION})
            position, records = connection.execute(_AT, {"source": source}).one()
            yield BulkWork(source=source, position=position, records=records)
        finally:
            if not connection.invalidated:
                connection.execute(_UNLOCK, {"source": source})
