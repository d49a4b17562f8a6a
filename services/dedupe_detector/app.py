"""The composition root: the one place that knows every concrete class of the detector."""

from functools import cached_property
from pathlib import Path

from cryptography.fernet import Fernet
from sqlalchemy import Engine

from customer_events import CATALOGUE, schemas_directory
from customer_identity.faults import IdentityFault
from customer_identity.matching.model import Model
from dedupe_detector.adapters.files import FileProblem, read_model, shipped_model
from dedupe_detector.adapters.quarantine_event import quarantined_record
from dedupe_detector.application.detect_duplicates import DetectDuplicates
from dedupe_detector.application.explain_pair import ExplainPair
from dedupe_detector.application.find_candidates import FindCandidates
from dedupe_detector.settings import CONSUMED_TOPICS, PRODUCED_TOPICS, DetectorSettings
from event_runtime import logs
from event_runtime.batch import TransactionLimits, Workplace
from event_runtime.bus import BusConsumer
from event_runtime.codec import Codec, SchemaStore
from event_runtime.database import create_engine
from event_runtime.faults import SettingError
from event_runtime.health import Progress
from event_runtime.metrics import RuntimeMetrics
from event_runtime.migrate import require_migrated
from event_runtime.outbox import Outbox
from event_runtime.pipeline import Pipeline
from event_runtime.positions import Positions
from event_runtime.publisher import Publisher
from event_runtime.quarantine import Announcer, Quarantine
from event_runtime.registry import SchemaRegistry
from event_runtime.relay import Relay
from event_runtime.retry import RetryPolicy
from event_runtime.service import Service
from event_runtime.session import BatchPolicy

NAME = "dedupe-detector"
PACKAGE = "dedupe_detector"
SCHEMA = "detector"
SOURCE = "/customer-merge/dedupe-detector"


class App:
    """The detector's parts, each made when it is first asked for. Making one connects to nothing."""

    def __init__(self, settings: DetectorSettings) -> None:
        """With settings that were checked."""
        self.settings = settings

    @cached_property
    def database(self) -> Engine:
        """The database that holds the detector's schema."""
        settings = self.settings
        return create_engine(settings.database_url(), application_name=NAME, pool_size=settings.database.pool_size)

    @cached_property
    def model(self) -> Model:
        """The model that scores. Raises SettingError when the configured one cannot be used."""
        if not self.settings.model:
            return shipped_model()
        try:
            return read_model(Path(self.settings.model))
        except (FileProblem, IdentityFault) as fault:
            raise SettingError(f"{self.settings.prefix()}MODEL: {fault}") from fault

    @cached_property
    def explain(self) -> ExplainPair:
        """Explanations of pairs."""
        return ExplainPair(self.model)

    @cached_property
    def codec(self) -> Codec:
        """Events to bytes and back."""
        url = self.settings.schema_registry.url
        names = {name: self.settings.topic(kind.topic) for name, kind in CATALOGUE.items()}
        registry = SchemaRegistry(url, topics=names) if url else None
        return Codec(SchemaStore(schemas_directory()), CATALOGUE, registry)

    @cached_property
    def publisher(self) -> Publisher:
        """Candidates to drafts of the outbox."""
        topics = {name: self.settings.topic(name) for name in self.settings.known_topics}
        return Publisher(self.codec, CATALOGUE, SOURCE, topics)

    def consumer_service(self, *, relay: bool) -> Service:
        """What `run` runs: the consumer and, unless told otherwise, the relay."""
        service = self._service()
        service.loop("consumer", self._pipeline)
        if relay:
            service.loop("relay", self._relay)
        return service

    def relay_service(self) -> Service:
        """What `relay` runs: the relay alone."""
        service = self._service()
        service.loop("relay", self._relay)
        return service

    @cached_property
    def _metrics(self) -> RuntimeMetrics:
        return RuntimeMetrics(
            NAME,
            topics=[self.settings.topic(name) for name in CONSUMED_TOPICS],
            published_topics=[self.settings.topic(name) for name in PRODUCED_TOPICS],
        )

    def _service(self) -> Service:
        logs.configure(NAME, self.settings.log.level)
        service = Service(NAME, http=self.settings.http, metrics=self._metrics)
        service.needs("database", self._check_database)
        service.closes(self.database.dispose)
        return service

    def _check_database(self) -> None:
        with self.database.connect() as connection:
            require_migrated(connection, package=PACKAGE, schema=SCHEMA)

    def _pipeline(self, progress: Progress) -> Pipeline:
        settings = self.settings
        kafka, group = settings.kafka_properties(), settings.consumer_group()
        topics = [settings.topic(name) for name in CONSUMED_TOPICS]
        handler = DetectDuplicates(FindCandidates(self.model, self.publisher), settings.national_id_key)
        workplace = Workplace(
            engine=self.database,
            handlers=dict.fromkeys(topics, handler),
            outbox=Outbox(SCHEMA),
            positions=Positions(SCHEMA, group),
            quarantine=self._quarantine(),
            metrics=self._metrics,
            limits=TransactionLimits(),
            retry=RetryPolicy(),
        )
        return Pipeline(
            connect=lambda: BusConsumer(kafka, group=group, topics=topics),
            workplace=workplace,
            codec=self.codec,
            progress=progress,
            batch=BatchPolicy(max_records=settings.batch.max_commands, linger_ms=settings.batch.max_wait_ms),
        )

    def _relay(self, progress: Progress) -> Relay:
        settings = self.settings
        return Relay(
            engine=self.database,
            schema=SCHEMA,
            kafka=settings.kafka_properties(),
            progress=progress,
            metrics=self._metrics,
            carrier_topic=settings.topic("merge-candidate"),
            transactional=settings.relay.transactional,
        )

    def _quarantine(self) -> Quarantine:
        key = self.settings.quarantine.key
        cipher = None if key is None else Fernet(key.get_secret_value())
        return Quarantine(SCHEMA, cipher, Announcer(publisher=self.publisher, event=quarantined_record))
