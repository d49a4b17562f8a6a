"""Reads every topic of a run from its beginning: writes events.jsonl as it goes, and knows what has been said.

It reads `read_committed` and drops what an at-least-once bus repeats, so it is also the independent
witness for the promise that customer-merged numbers its events 1..n, each naming the hash of the one before.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from customer_events import (
    CATALOGUE,
    CustomerMerged,
    MergeCandidateFound,
    MergeCandidateWithdrawn,
    MergeCompleted,
    MergeCustomers,
    MergeDeferred,
    MergeNoop,
    MergeRejected,
    RelinkAcknowledged,
    StreamEvent,
    WithdrawalReason,
)
from customer_merge_demo.results.streams import StreamWitness
from event_runtime.bus_config import is_passing
from event_runtime.codec import Codec, payload_of
from event_runtime.faults import Fault

_POLL_S = 0.2
_WRITTEN: Final = frozenset({"customer-merged", "merge-outcome", "merge-candidate"})
_DECODED: Final = _WRITTEN | {"merge-command", "relink-ack"}


class BusUnreadable(Fault):
    """The bus cannot be read."""


@dataclass(slots=True)
class Heard:
    """What was said on the bus so far; written by the recorder's thread, read by others.

    `acknowledged` holds, by system, the merges it acknowledged. `candidates` holds the newest revision of each
    candidate unless it was taken back because it was wrong; that it was merged does not make it wrong.
    """

    counts: Counter[str] = field(default_factory=Counter)
    candidates: dict[str, MergeCandidateFound] = field(default_factory=dict)
    merges: list[CustomerMerged] = field(default_factory=list)
    commands: dict[str, MergeCustomers] = field(default_factory=dict)
    completed: dict[str, MergeCompleted | MergeNoop] = field(default_factory=dict)
    rejected: dict[str, MergeRejected] = field(default_factory=dict)
    deferred: dict[str, MergeDeferred] = field(default_factory=dict)
    acknowledged: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    relinked: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    streams: StreamWitness = field(default_factory=StreamWitness)


class Recorder:
    """A thread that follows all partitions of all topics."""

    def __init__(self, client: Mapping[str, Any], topics: Mapping[str, str], codec: Codec, out: TextIO) -> None:
        """`client` is librdkafka's configuration; `topics` maps default to real name; `out` gets a line an event."""
        self.heard = Heard()
        self._default_names = {real: default for default, real in topics.items()}
        self._codec = codec
        self._out = out
        self._seen: set[str] = set()
        self._data_ends: dict[tuple[str, int], int] = {}
        self._read_to: dict[tuple[str, int], int] = {}
        settings = {
            **client,
            "group.id": "customer-merge-demo-recorder",  # required by the client; nothing is committed
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
        self._consumer = Consumer(settings)
        # Questions to the broker queue up behind a consumer's own waiting fetches: they get a client of their own.
        self._asker = Consumer(settings)
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._stop = threading.Event()
        self._fault: BaseException | None = None

    def start(self, partitions: Mapping[str, int]) -> None:
        """Follow every partition of every topic from offset 0; `partitions` gives their number by real topic name."""
        self._read_to = {(topic, n): 0 for topic, count in partitions.items() for n in range(count)}
        assignment = [TopicPartition(topic, n, 0) for topic, n in self._read_to]
        self._consumer.assign(assignment)
        self._thread.start()

    def stop(self) -> None:
        """Stop following."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._consumer.close()
        self._asker.close()

    def require_alive(self) -> None:
        """Raise what stopped the thread, if anything did."""
        if self._fault is not None:
            raise self._fault

    def data_ends(self) -> dict[tuple[str, int], int]:
        """One past the last record read of every partition that has any, by default topic name.

        Transaction markers, which take offsets too, are not records.
        """
        ends = dict(self._data_ends)
        return {(self._default_names[topic], partition): end for (topic, partition), end in ends.items()}

    def is_at_end(self) -> bool:
        """Whether nothing is left to read in any partition, asked of the broker now."""
        for topic, partition in self._read_to:
            place = TopicPartition(topic, partition)
            _, end = self._asker.get_watermark_offsets(place, timeout=10, cached=False)
            if end > self._read_to[topic, partition]:
                return False
        return True

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                for message in self._consumer.consume(500, timeout=_POLL_S):
                    self._take(message)
        except BaseException as fault:  # noqa: BLE001 - handed to the main thread, which raises it
            self._fault = fault

    def _take(self, message: Message) -> None:
        topic, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
        error = message.error()
        if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
            self._read_to[topic, partition] = offset  # behind transaction markers, which are never delivered
            return
        if error is not None:
            if is_passing(error):
                return
            raise BusUnreadable(f"the bus cannot be read: {error.str()}")
        default = self._default_names[topic]
        value = message.value()
        if default in _DECODED and value is not None:
            self._decode(value, default, _header(message, "ce_id"))
        else:
            self.heard.counts[default] += 1
        self._data_ends[topic, partition] = self._read_to[topic, partition] = offset + 1

    def _decode(self, value: bytes, topic: str, event_id: str) -> None:
        event = self._codec.decode(value)
        if isinstance(event, StreamEvent):
            self.heard.streams.take(event, payload_of(value))
        # An at-least-once relay may say a thing twice; a terminal event is re-sent under its own id.
        if f"{topic}/{event_id}" in self._seen:
            return
        self._seen.add(f"{topic}/{event_id}")
        self.heard.counts[topic] += 1
        self._note(event)
        if topic in _WRITTEN:
            kind = CATALOGUE[type(event).__name__]
            line = {"topic": topic, "type": kind.name, "id": event_id, "event": event.model_dump(mode="json")}
            self._out.write(json.dumps(line, ensure_ascii=False) + "\n")

    def _note(self, event: object) -> None:
        heard = self.heard
        match event:
            case MergeCandidateFound():
                held = heard.candidates.get(event.candidate_id)
                if held is None or held.revision <= event.revision:
                    heard.candidates[event.candidate_id] = event
            case MergeCandidateWithdrawn() if event.reason is not WithdrawalReason.ALREADY_MERGED:
                heard.candidates.pop(event.candidate_id, None)
            case MergeCustomers():
                heard.commands[event.command_id] = event
            case MergeCompleted() | MergeNoop():
                heard.completed[event.command_id] = event
            case MergeRejected():
                heard.rejected[event.command_id] = event
            case MergeDeferred():
                heard.deferred[event.command_id] = event
            case CustomerMerged():
                heard.merges.append(event)
            case RelinkAcknowledged():
                heard.acknowledged[event.system].add(event.merge_id)
                for relinked in event.relinked:
                    heard.relinked[event.system][relinked.type] += relinked.count
            case _:
                pass


def _header(message: Message, name: str) -> str:
    given = message.headers() or ()
    value = dict(given).get(name) or b""
    return value.decode() if isinstance(value, bytes) else value
