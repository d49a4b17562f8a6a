"""What the composition root of every service wires in the same way: one schema's tables, one consumer, one relay."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from cryptography.fernet import Fernet
from pydantic import BaseModel
from sqlalchemy import Engine

from event_runtime import logs
from event_runtime.batch import Workplace
from event_runtime.bus import BusConsumer
from event_runtime.codec import Codec, EventTypeLike, SchemaStore
from event_runtime.database import create_engine
from event_runtime.faults import SettingError
from event_runtime.handler import Handler
from event_runtime.health import Progress
from event_runtime.metrics import RuntimeMetrics
from event_runtime.migrate import require_migrated
from event_runtime.outbox import Outbox
from event_runtime.pipeline import BatchPolicy, Pipeline
from event_runtime.positions import Positions
from event_runtime.publisher import PublishedType, Publisher
from event_runtime.quarantine import Announcer, Quarantine, QuarantinedFacts
from event_runtime.registry import SchemaRegistry
from event_runtime.relay import Relay, RelayPolicy
from event_runtime.service import Service
from event_runtime.settings import ServiceSettings


class CataloguedType(EventTypeLike, PublishedType, Protocol):
    """What a catalogue says of a type of events: how it is encoded, and where it travels."""


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """The parts every service has, each made when it is first asked for. Making one connects to nothing.

    `name` is how the process is known to logs, metrics and the database, `source` to the readers of its events.
    `package` has the migrations of `schema`. `consumed` and `produced` are default names of topics; `carrier` is the
    one of the produced that the relay attaches its progress to. `make_metrics` may be a RuntimeMetrics that knows
    more label values.
    """

    settings: ServiceSettings
    name: str
    package: str
    schema: str
    source: str
    catalogue: Mapping[str, CataloguedType]
    schemas_directory: Path
    quarantine_event: Callable[[QuarantinedFacts], BaseModel]
    consumed: Sequence[str]
    produced: Sequence[str]
    carrier: str
    make_metrics: Callable[..., RuntimeMetrics] = RuntimeMetrics

    @cached_property
    def engine(self) -> Engine:
        """The database that holds the schema. Raises SettingError."""
        settings = self.settings
        return create_engine(settings.database_url(), application_name=self.name, pool_size=settings.database.pool_size)

    @cached_property
    def codec(self) -> Codec:
        """Events to bytes and back."""
        url = self.settings.schema_registry.url
        topics = {name: self.settings.topic(kind.topic) for name, kind in self.catalogue.items()}
        registry = SchemaRegistry(url, topics=topics) if url else None
        return Codec(SchemaStore(self.schemas_directory), self.catalogue, registry)

    @cached_property
    def publisher(self) -> Publisher:
        """Events to drafts of the outbox."""
        return Publisher(self.codec, self.catalogue, self.source, self.settings.topic_names())

    @cached_property
    def outbox(self) -> Outbox:
        """Where drafts go, last in a transaction."""
        return Outbox(self.schema)

    @cached_property
    def quarantine(self) -> Quarantine:
        """Records that could not be processed. Raises SettingError."""
        key = self.settings.quarantine.key
        try:
            cipher = None if key is None else Fernet(key.get_secret_value())
        except ValueError:
            raise SettingError(f"{self.settings.prefix()}QUARANTINE__KEY is no Fernet key") from None
        return Quarantine(self.schema, cipher, Announcer(publisher=self.publisher, event=self.quarantine_event))

    @cached_property
    def metrics(self) -> RuntimeMetrics:
        """The metrics of this process."""
        return self.make_metrics(
            self.name,
            topics=[self.settings.topic(name) for name in self.consumed],
            published_topics=[self.settings.topic(name) for name in self.produced],
        )

    def pipeline(self, handlers: Mapping[str, Handler], progress: Progress) -> Pipeline:
        """The consumer of the topics that `handlers` names by their default names. Raises SettingError."""
        settings = self.settings
        kafka, group = settings.kafka_properties(), settings.consumer_group()
        by_topic = {settings.topic(name): handler for name, handler in handlers.items()}
        return Pipeline(
            connect=lambda: BusConsumer(kafka, group=group, topics=list(by_topic)),
            workplace=Workplace(
                engine=self.engine,
                handlers=by_topic,
                outbox=self.outbox,
                positions=Positions(self.schema, group),
                quarantine=self.quarantine,
                metrics=self.metrics,
            ),
            codec=self.codec,
            progress=progress,
            batch=BatchPolicy(max_records=settings.batch.max_commands, linger_ms=settings.batch.max_wait_ms),
        )

    def relay(self, progress: Progress) -> Relay:
        """What publishes the outbox. Raises SettingError."""
        return Relay(
            engine=self.engine,
            schema=self.schema,
            kafka=self.settings.kafka_properties(),
            progress=progress,
            metrics=self.metrics,
            carrier_topic=self.settings.topic(self.carrier),
            transactional=self.settings.relay.transactional,
            policy=RelayPolicy(lease_s=self.settings.relay.lease_s),
        )

    def service(self) -> Service:
        """A process without loops yet: it logs, and starts none before the schema is migrated. Raises SettingError."""
        logs.configure(self.name, self.settings.log.level)
        service = Service(self.name, http=self.settings.http, metrics=self.metrics)
        service.needs("database", self._require_migrated)
        service.closes(self.engine.dispose)
        return service

    def _require_migrated(self) -> None:
        with self.engine.connect() as connection:
            require_migrated(connection, package=self.package, schema=self.schema)
