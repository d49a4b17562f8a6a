"""The detector's handler on a real database, without a bus and a process around it."""

from typing import Any

import sqlalchemy

import customer_events as wire
from dedupe_detector.adapters.files import shipped_model
from dedupe_detector.application.detect_duplicates import DetectDuplicates
from dedupe_detector.application.find_candidates import FindCandidates
from event_runtime.database import create_engine
from event_runtime.publisher import Publisher
from event_runtime.records import Received, Record
from rig.drafts import body_of
from rig.invariants import CODEC


class Detector:
    """A detector between two commits: what the pipeline does with a batch, without the pipeline."""

    def __init__(self, url: str, handler: DetectDuplicates | None = None) -> None:
        self.url = url
        self.engine = create_engine(url, application_name="test", pool_size=5)
        publisher = Publisher(CODEC, wire.CATALOGUE, "/test")
        self._handler = handler or DetectDuplicates(FindCandidates(shipped_model(), publisher))
        self.told: list[Any] = []

    def receive(self, *events: Any) -> list[Any]:
        """Handle one batch; returns (and remembers) what it tells of."""
        batch = [received(event, offset) for offset, event in enumerate(events)]
        self.prepare(batch)
        return self.handle(batch)

    def prepare(self, batch: list[Received]) -> None:
        """Put the batch's records into the index, committed."""
        with self.engine.begin() as connection:
            self._handler.prepare(connection, batch)

    def handle(self, batch: list[Received]) -> list[Any]:
        """Match the batch, committed; returns (and remembers) what it tells of."""
        with self.engine.begin() as connection:
            drafts = self._handler.handle(connection, batch)
        events = [CODEC.decode(body_of(draft)) for draft in drafts]
        self.told += events
        return events

    def sql(self, statement: str, **values: Any) -> list[Any]:
        """The rows of one query."""
        with self.engine.connect() as connection:
            return list(connection.execute(sqlalchemy.text(statement), values))


def received(event: Any, offset: int = 0) -> Received:
    """An event as the pipeline hands it to a handler."""
    record = Record(topic="t", partition=0, offset=offset, key=None, value=b"", headers={}, timestamp_ms=0)
    return Received(record=record, event=event, event_id=str(offset))
