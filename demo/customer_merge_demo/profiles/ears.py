"""A downstream system's ears: reads customer-merged as any consumer would."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from customer_events import CATALOGUE, schemas_directory
from event_runtime.codec import Codec, SchemaStore
from event_runtime.faults import Fault

_POLL_S = 0.2
TOPIC = "customer-merged"


class NothingHeard(Fault):
    """No such event came in time."""


class Ears:
    """Follows every partition of customer-merged from its beginning. Close it."""

    def __init__(self, client: Mapping[str, Any], topic: str, partitions: int) -> None:
        """`client` is librdkafka's configuration; `topic` the real name."""
        self._codec = Codec(SchemaStore(schemas_directory()), CATALOGUE)
        self._consumer = Consumer(
            {
                **client,
                "group.id": "customer-merge-demo-ears",  # required by the client; nothing is committed
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )
        self._consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
        self._heard: list[tuple[str, dict[str, Any]]] = []
        self._told = 0

    def next(self, kind: str, limit_s: float) -> dict[str, Any]:
        """The first event of that type which was not told yet; those before it count as told. Raises NothingHeard."""
        until = time.monotonic() + limit_s
        while True:
            for place in range(self._told, len(self._heard)):
                name, event = self._heard[place]
                if name == kind:
                    self._told = place + 1
                    return event
            if time.monotonic() > until:
                raise NothingHeard(f"no {kind} came within {limit_s:g} s")
            self._listen()

    def close(self) -> None:
        """Stop following."""
        self._consumer.close()

    def _listen(self) -> None:
        message = self._consumer.poll(_POLL_S)
        if message is None or message.error() is not None:
            return
        event = self._codec.decode(message.value() or b"")
        self._heard.append((type(event).__name__, json.loads(event.model_dump_json(by_alias=True))))
