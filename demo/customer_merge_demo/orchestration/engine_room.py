"""The threads that make a run go: the storefront's relay, the recorder, the feeder; and what they show of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Engine

from customer_events import CATALOGUE, schemas_directory
from customer_merge_demo.customers import Customer
from customer_merge_demo.orchestration.feeder import Feeder
from customer_merge_demo.orchestration.probe import Probe
from customer_merge_demo.orchestration.recorder import Recorder
from customer_merge_demo.orchestration.servers import Servers
from customer_merge_demo.results.facts import Sample
from customer_merge_demo.store.storefront import Storefront
from customer_merge_demo.systems import SYSTEM_NAMES
from event_runtime.codec import Codec, SchemaStore
from event_runtime.database import create_engine
from event_runtime.health import Progress
from event_runtime.metrics import RuntimeMetrics
from event_runtime.publisher import Publisher
from event_runtime.relay import Relay

_READS = "customer-created"


class StoreRelay:
    """A thread that publishes what the storefront has written."""

    def __init__(self, engine: Engine, servers: Servers) -> None:
        """For the outbox of schema `store`."""
        topic = servers.topics[_READS]
        self._stop = threading.Event()
        relay = Relay(
            engine=engine,
            schema="store",
            kafka=servers.kafka,
            progress=Progress("relay"),
            metrics=RuntimeMetrics("storefront", published_topics=[topic]),
            carrier_topic=topic,
            transactional=not servers.embedded_bus,
        )
        self._thread = threading.Thread(target=relay.run, args=(self._stop,), name="store-relay", daemon=True)

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is in hand and end."""
        self._stop.set()
        self._thread.join()


class EngineRoom:
    """Owns the threads of a run, in use as a context manager; its loop is the caller's."""

    def __init__(self, servers: Servers, customers: Sequence[Customer], events_file: Path) -> None:
        """`events_file` gets every event."""
        codec = Codec(SchemaStore(schemas_directory()), CATALOGUE)
        publisher = Publisher(codec, CATALOGUE, source="/customer-merge/demo/storefront", topics=servers.topics)
        self.engine = create_engine(servers.database_url, application_name="customer-merge demo", pool_size=8)
        self.probe = Probe(self.engine, servers.topics)
        self._events = events_file.open("w", encoding="utf-8")
        self.recorder = Recorder(servers.kafka, servers.topics, codec, self._events)
        self.feeder = Feeder(Storefront(self.engine, publisher), customers, self._lag)
        self._relay = StoreRelay(self.engine, servers)
        self._partitions = servers.partitions
        self._began_at = time.monotonic()
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        """Start to record and to publish; feeding begins with `feed`."""
        self.recorder.start(self._partitions)
        self._relay.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the threads and close what they used."""
        if self.feeder.has_begun:
            self.feeder.stop()
        self._relay.stop()
        self.recorder.stop()
        self._events.close()
        self.engine.dispose()

    def feed(self) -> None:
        """Begin to take customers in; times count from here."""
        self._began_at = time.monotonic()
        self.feeder.start()

    def sample(self) -> Sample:
        """Where the run stands now; kept for the report."""
        self.recorder.require_alive()
        heard = self.recorder.heard
        sample = Sample(
            at_s=time.monotonic() - self._began_at,
            records=self.feeder.fed,
            candidates=len(heard.candidates),
            approved=len(heard.commands),
            merged=len(heard.merges),
            relinked=min(len(heard.acknowledged[system]) for system in SYSTEM_NAMES),
            waiting=self.probe.cases().get("OPEN", 0),
        )
        self.samples.append(sample)
        return sample

    def _lag(self) -> int:
        behind = self.probe.lag(self.recorder.data_ends())
        unread = self.feeder.fed - self.recorder.heard.counts[_READS]
        return max((*behind.values(), unread), default=0)
