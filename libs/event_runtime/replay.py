"""Hands quarantined records to their handlers again: those asked for, and those whose schema has become known."""

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from event_runtime.batch import BatchAbandoned, Workplace
from event_runtime.codec import Undecodable
from event_runtime.database import describe
from event_runtime.drafts import Draft
from event_runtime.items import Decoder, Item, by_handler, understood
from event_runtime.logs import get_logger
from event_runtime.records import Record

_log = get_logger(__name__)
_T = TypeVar("_T")

_LOOK_EVERY_S = 2.0
_LOOK_FOR_SCHEMAS_EVERY_S = 60.0


class Retried(Protocol):
    """Runs a whole transaction until it succeeds or its fault is not one to try again."""

    def __call__(self, work: Callable[[], _T], /) -> _T:
        """The answer of `work`."""


class Replays:
    """Replays for the topics of one pipeline."""

    def __init__(self, workplace: Workplace, codec: Decoder) -> None:
        self._at = workplace
        self._codec = codec
        self._look_at_s = 0.0
        self._look_for_schemas_at_s = 0.0

    def due(self) -> bool:
        """Whether it is time to look again."""
        return time.monotonic() >= self._look_at_s

    def run(self, retried: Retried) -> None:
        """Replay what is asked for; `retried` runs each transaction until its fault is not one to try again.

        Raises BatchAbandoned when the service stops meanwhile.
        """
        self._look_at_s = time.monotonic() + _LOOK_EVERY_S
        if time.monotonic() >= self._look_for_schemas_at_s:
            self._look_for_schemas_at_s = time.monotonic() + _LOOK_FOR_SCHEMAS_EVERY_S
            retried(self._ask_for_known_schemas)
        while (picked := retried(self._pick)) is not None:
            self._replay(*picked, retried)

    def _ask_for_known_schemas(self) -> None:
        with self._at.engine.connect() as connection, connection.begin():
            for held_id, value in list(self._at.quarantine.unknown_schema(connection, self._at.handlers)):
                try:
                    self._codec.decode(value)
                except Undecodable:
                    continue
                self._at.quarantine.ask_replay(connection, held_id, by="schema became known")
            self._at.metrics.quarantine_held_records.set(self._at.quarantine.held(connection))

    def _pick(self) -> tuple[int, Record | None] | None:
        # Committed before the record is touched: one that kills the process must not be picked at every start.
        with self._at.engine.connect() as connection, connection.begin():
            self._at.limits.apply(connection)
            return self._at.quarantine.pick(connection, self._at.handlers)

    def _replay(self, held_id: int, record: Record | None, retried: Retried) -> None:
        if record is None:
            self._hold(held_id, "its content cannot be opened with the configured quarantine key", retried)
            return
        try:
            retried(lambda: self._attempt(held_id, record))
        except BatchAbandoned:
            with self._at.engine.connect() as connection, connection.begin():
                self._at.quarantine.ask_again(connection, held_id)
            raise
        except Exception as fault:  # noqa: BLE001 - as for a record that comes from the bus, its fault is its own
            _log.warning("replay_failed", quarantine_id=held_id, exc_info=fault)
            self._hold(held_id, describe(fault), retried)

    def _attempt(self, held_id: int, record: Record) -> None:
        with self._at.engine.connect() as connection, connection.begin():
            self._at.limits.apply(connection)
            if not self._at.quarantine.lock_held(connection, held_id):
                return  # asked for twice, and another process was quicker
            item = understood(record, self._codec)
            if item.refused is not None:
                self._at.quarantine.back(connection, held_id, reason=item.refused.reason)
                return
            drafts = self._handled(connection, item)
            self._at.quarantine.replayed(connection, held_id)
            self._at.outbox.append(connection, drafts)
        _log.info("record_replayed", quarantine_id=held_id)

    def _hold(self, held_id: int, reason: str, retried: Retried) -> None:
        def hold() -> None:
            with self._at.engine.connect() as connection, connection.begin():
                self._at.quarantine.back(connection, held_id, reason=reason)

        retried(hold)

    def _handled(self, connection: Connection, item: Item) -> list[Draft]:
        drafts: list[Draft] = []
        for handler, received in by_handler([item], self._at.handlers):
            prepare = getattr(handler, "prepare", None)
            if prepare is not None:
                with self._at.engine.connect() as first, first.begin():
                    self._at.limits.apply(first)
                    prepare(first, received)
            drafts += handler.handle(connection, received)
        return drafts
