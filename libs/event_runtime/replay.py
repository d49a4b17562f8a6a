"""Hands quarantined records to their handlers again: those asked for, and those whose schema has become known."""

import time

from sqlalchemy import Connection

from event_runtime.batch import Workplace
from event_runtime.codec import Undecodable
from event_runtime.database import describe
from event_runtime.drafts import Draft
from event_runtime.items import Decoder, Item, by_handler, understood
from event_runtime.logs import get_logger
from event_runtime.retry import FaultClass, classify

_log = get_logger(__name__)

_LOOK_EVERY_S = 2.0
_LOOK_FOR_SCHEMAS_EVERY_S = 60.0


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

    def run(self) -> None:
        """Replay what is asked for. Raises faults of the database that are none of the record's."""
        self._look_at_s = time.monotonic() + _LOOK_EVERY_S
        if time.monotonic() >= self._look_for_schemas_at_s:
            self._look_for_schemas_at_s = time.monotonic() + _LOOK_FOR_SCHEMAS_EVERY_S
            self._ask_for_known_schemas()
        while self._replay_one():
            pass

    def _ask_for_known_schemas(self) -> None:
        with self._at.engine.connect() as connection, connection.begin():
            for held_id, value in list(self._at.quarantine.unknown_schema(connection, self._at.handlers)):
                try:
                    self._codec.decode(value)
                except Undecodable:
                    continue
                self._at.quarantine.ask_replay(connection, held_id, by="schema became known")
            self._at.metrics.quarantine_held_records.set(self._at.quarantine.held(connection))

    def _replay_one(self) -> bool:
        held_id = None
        try:
            with self._at.engine.connect() as connection, connection.begin():
                self._at.limits.apply(connection)
                found = self._at.quarantine.next_asked(connection, self._at.handlers)
                if found is None:
                    return False
                held_id, record = found
                item = understood(record, self._codec)
                if item.refused is not None:
                    self._at.quarantine.back(connection, held_id, reason=item.refused.reason)
                    return True
                drafts = self._handled(connection, item)
                self._at.quarantine.replayed(connection, held_id)
                self._at.outbox.append(connection, drafts)
        except Exception as fault:
            if held_id is None or classify(fault) in {FaultClass.RECONNECT, FaultClass.PAUSE}:
                raise
            _log.warning("replay_failed", quarantine_id=held_id, exc_info=fault)
            with self._at.engine.connect() as connection, connection.begin():
                self._at.quarantine.back(connection, held_id, reason=describe(fault))
        else:
            _log.info("record_replayed", quarantine_id=held_id)
        return True

    def _handled(self, connection: Connection, item: Item) -> list[Draft]:
        drafts: list[Draft] = []
        for handler, received in by_handler([item], self._at.handlers):
            prepare = getattr(handler, "prepare", None)
            if prepare is not None:
                with self._at.engine.connect() as first, first.begin():
                    prepare(first, received)
            drafts += handler.handle(connection, received)
        return drafts
