"""The composition root: the one place that knows every concrete class of the desk."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

from cryptography.fernet import Fernet
from sqlalchemy import Connection, Engine

from customer_events import CATALOGUE, schemas_directory
from customer_identity.approval import ApprovalPolicy
from event_runtime import logs
from event_runtime.batch import TransactionLimits, Workplace
from event_runtime.bus import BusConsumer
from event_runtime.codec import Codec, SchemaStore
from event_runtime.database import create_engine
from event_runtime.drafts import Draft
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
from merge_engine import MergeEngine, PlanError
from review_desk.adapters.merge_requests import MergeRequestView
from review_desk.adapters.quarantine_event import quarantined_record
from review_desk.adapters.tables import DeskTables
from review_desk.application.approve_cases import DecideByPerson
from review_desk.application.decide_cases import DecideCases
from review_desk.application.follow_merges import FollowMerges
from review_desk.application.follow_outcomes import FollowOutcomes
from review_desk.application.look_again import LookAgain
from review_desk.application.pause_approval import PauseApproval
from review_desk.application.record_candidates import RecordCandidates
from review_desk.application.report_requests import ReportRequests
from review_desk.application.request_merges import RequestMerges
from review_desk.application.show_case import ShowCase
from review_desk.policy_file import PolicyError, load_policy
from review_desk.settings import CONSUMED_TOPICS, PRODUCED_TOPICS, DeskSettings

NAME = "review-desk"
PACKAGE = "review_desk"
SCHEMA = "review"
SOURCE = "/customer-merge/review-desk"


class App:
    """The desk's parts, each made when it is first asked for. Making one connects to nothing."""

    def __init__(self, settings: DeskSettings) -> None:
        """With settings that were checked."""
        self.settings = settings
        self.tables = DeskTables()
        self.requests = MergeRequestView()

    @cached_property
    def database(self) -> Engine:
        """The one database: customer tables, the worker's schema to preview with, and the desk's own."""
        settings = self.settings
        return create_engine(settings.database_url(), application_name=NAME, pool_size=settings.database.pool_size)

    @cached_property
    def policy(self) -> ApprovalPolicy:
        """The approval policy. Raises SettingError when the configured one cannot be used."""
        try:
            return load_policy(self.settings.policy)
        except PolicyError as fault:
            raise SettingError(f"{self.settings.prefix()}POLICY: {fault}") from fault

    @cached_property
    def merge_engine(self) -> MergeEngine:
        """The merge plan, for previews. Raises SettingError when the configured one cannot be used."""
        try:
            return MergeEngine.load(self.settings.plan)
        except PlanError as fault:
            raise SettingError(f"{self.settings.prefix()}PLAN: {fault}") from fault

    @cached_property
    def codec(self) -> Codec:
        """Events to bytes and back."""
        url = self.settings.schema_registry.url
        names = {name: self.settings.topic(kind.topic) for name, kind in CATALOGUE.items()}
        registry = SchemaRegistry(url, topics=names) if url else None
        return Codec(SchemaStore(schemas_directory()), CATALOGUE, registry)

    @cached_property
    def publisher(self) -> Publisher:
        """Commands to drafts of the outbox."""
        topics = {name: self.settings.topic(name) for name in self.settings.known_topics}
        return Publisher(self.codec, CATALOGUE, SOURCE, topics)

    @cached_property
    def decide(self) -> DecideCases:
        """The use case that everything else leads to."""
        return DecideCases(tables=self.tables, merges=self.merge_engine, policy=self.policy, publisher=self.publisher)

    @cached_property
    def by_person(self) -> DecideByPerson:
        """Approve and reject."""
        return DecideByPerson(
            tables=self.tables, merges=self.merge_engine, decide=self.decide, publisher=self.publisher
        )

    @cached_property
    def request_merges(self) -> RequestMerges:
        """Merge, recommend and remove without a case."""
        return RequestMerges(tables=self.tables, merges=self.merge_engine, decide=self.decide, publisher=self.publisher)

    @cached_property
    def pause_approval(self) -> PauseApproval:
        """The switch."""
        return PauseApproval(tables=self.tables)

    @cached_property
    def look_again(self) -> LookAgain:
        """What waits may pass now."""
        return LookAgain(tables=self.tables, decide=self.decide, policy=self.policy)

    @cached_property
    def show_case(self) -> ShowCase:
        """One case in full."""
        return ShowCase(tables=self.tables, merges=self.merge_engine)

    @cached_property
    def report_requests(self) -> ReportRequests:
        """The worker's requests and how eligible they are."""
        return ReportRequests(requests=self.requests, merges=self.merge_engine)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read-only transaction that sees one moment of the database."""
        with self.database.connect() as connection:
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    def publish(self, connection: Connection, drafts: Sequence[Draft]) -> None:
        """Put events into the outbox, last in a transaction; a running desk's relay sends them."""
        Outbox(SCHEMA).append(connection, drafts)

    def consumer_service(self, *, relay: bool) -> Service:
        """What `run` runs: the consumer and, unless told otherwise, the relay."""
        service = self._service()
        service.loop("consumer", self._pipeline)
        service.every(self.settings.look_again_s, "look again", lambda: self.look_again(self.database, self.publish))
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
        topics = {name: settings.topic(name) for name in CONSUMED_TOPICS}
        workplace = Workplace(
            engine=self.database,
            handlers={
                topics["merge-candidate"]: RecordCandidates(tables=self.tables, decide=self.decide),
                topics["merge-outcome"]: FollowOutcomes(tables=self.tables, decide=self.decide),
                topics["customer-merged"]: FollowMerges(tables=self.tables, decide=self.decide),
            },
            outbox=Outbox(SCHEMA),
            positions=Positions(SCHEMA, group),
            quarantine=self._quarantine(),
            metrics=self._metrics,
            limits=TransactionLimits(),
            retry=RetryPolicy(),
        )
        return Pipeline(
            connect=lambda: BusConsumer(kafka, group=group, topics=list(topics.values())),
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
            carrier_topic=settings.topic("merge-command"),
            transactional=settings.relay.transactional,
        )

    def _quarantine(self) -> Quarantine:
        key = self.settings.quarantine.key
        cipher = None if key is None else Fernet(key.get_secret_value())
        return Quarantine(SCHEMA, cipher, Announcer(publisher=self.publisher, event=quarantined_record))
