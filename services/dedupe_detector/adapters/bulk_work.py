"""How far bulk work has come, kept in the transaction that holds the effects of what was read."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, text

from event_runtime.faults import Fault

BEGINNING: Final = ""
_LOCK = text("SELECT pg_try_advisory_lock(hashtextextended('detector.bulk_work ' || :source, 0))")
_UNLOCK = text("SELECT pg_advisory_unlock(hashtextextended('detector.bulk_work ' || :source, 0))")
# What was finished begins anew: a table has other rows by now, and of a file nothing is told twice.
_BEGIN = text("""
    INSERT INTO detector.bulk_work AS w (source, position, records) VALUES (:source, '', 0)
    ON CONFLICT (source) DO UPDATE SET position = '', records = 0, started_at = clock_timestamp(),
        changed_at = clock_timestamp(), finished_at = NULL
    WHERE w.finished_at IS NOT NULL
""")
_AT = text("SELECT position, records FROM detector.bulk_work WHERE source = :source")
_ADVANCE = text("""
    UPDATE detector.bulk_work SET position = :position, records = records + :more, changed_at = clock_timestamp()
    WHERE source = :source
""")
_FINISH = text("""
    UPDATE detector.bulk_work SET finished_at = clock_timestamp(), changed_at = clock_timestamp() WHERE source = :source
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


@contextmanager
def bulk_work(engine: Engine, source: str) -> Iterator[BulkWork]:
    """The work on a source, to be gone on with or begun. Raises Fault when another process does it at this moment.

    The lock is a session's: it ends with the process, however that ends.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(_LOCK, {"source": source}).scalar_one():
            raise Fault("this source is being read by another process; wait for its end")
        try:
            connection.execute(_BEGIN, {"source": source})
            position, records = connection.execute(_AT, {"source": source}).one()
            yield BulkWork(source=source, position=position, records=records)
        finally:
            if not connection.invalidated:
                connection.execute(_UNLOCK, {"source": source})
