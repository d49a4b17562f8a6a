"""The composition root: the one place that knows every concrete class of the worker."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property

from cryptography.fernet import Fernet
from sqlalchemy import Connection, Engine

import customer_events as wire
from event_runtime import logs
from event_runtime.batch import Workplace
from event_runtime.bus import BusConsumer
from event_runtime.codec import Codec, SchemaStore
from event_runtime.database import create_engine
from event_runtime.faults import SettingError
from event_runtime.handler import Handler
from event_runtime.health import Progress
from event_runtime.inbox import Inbox
from event_runtime.metrics import RuntimeMetrics
from event_runtime.migrate import require_migrated
from event_runtime.outbox import Outbox
from event_runtime.pipeline import BatchPolicy, Pipeline
from event_runtime.positions import Positions
from event_runtime.publisher import Publisher
from event_runtime.quarantine import Announcer, Quarantine
from event_runtime.registry import SchemaRegistry
from event_runtime.relay import Relay
from event_runtime.service import Service
from merge_engine import MergeEngine, PlanError
from merge_worker.adapters.clock import database_time
from merge_worker.adapters.command_client import CommandClient
from merge_worker.adapters.ended_commands import EndedCommands
from merge_worker.adapters.outcome_counter import DUPLICATE, LABELS, OutcomeCounter
from merge_worker.adapters.outcomes import Outcomes
from merge_worker.adapters.quarantine_event import quarantined_record
from merge_worker.adapters.relink_ledger import RelinkLedger
from merge_worker.adapters.requests import STATUSES, Requests
from merge_worker.application.convert_customer import ConvertCustomer
from merge_worker.application.deferral import DeferralPolicy
from merge_worker.application.handle_commands import HandleCommands
from merge_worker.application.mark_not_duplicate import MarkNotDuplicate
from merge_worker.application.merge_customers import MergeCustomers
from merge_worker.application.recommend_merge import RecommendMerge
from merge_worker.application.reconcile_losers import ReconcileLosers
from merge_worker.application.record_acks import RecordAcks
from merge_worker.application.remove_merge import RemoveMerge
from merge_worker.application.retry_deferred import RetryDeferred
from merge_worker.application.show_status import ShowStatus
from merge_worker.application.unmerge_customers import UnmergeCustomers
from merge_worker.application.waiting import Waiting
from merge_worker.settings import CONSUMED_TOPICS, PRODUCED_TOPICS, MergeWorkerSettings

PACKAGE = "merge_worker"
SCHEMA = "merge"
NAME = "merge-worker"
SOURCE = "/customer-merge/merge-worker"
# Prometheus scrapes every 15 s or so.
MEASURE_EVERY_S = 10.0

_log = logs.get_logger(__name__)


class App:
    """The worker's parts, each made when it is first asked for. Making one connects to nothing."""

    def __init__(self, settings: MergeWorkerSettings) -> None:
        self.settings = settings

    @cached_property
    def database(self) -> Engine:
        """The one database: customer tables and the worker's own."""
        settings = self.settings
        return create_engine(settings.database_url(), application_name=NAME, pool_size=settings.database.pool_size)

    @cached_property
    def codec(self) -> Codec:
        """Events to bytes and back."""
        url = self.settings.schema_registry.url
        names = {name: self.settings.topic(kind.topic) for name, kind in wire.CATALOGUE.items()}
        registry = SchemaRegistry(url, topics=names) if url else None
        return Codec(SchemaStore(wire.schemas_directory()), wire.CATALOGUE, registry)

    @cached_property
    def publisher(self) -> Publisher:
        """Events to drafts of the outbox."""
        return Publisher(self.codec, wire.CATALOGUE, SOURCE, self.settings.topic_names())

    @cached_property
    def merge_engine(self) -> MergeEngine:
        """The merge plan, ready to run. Raises SettingError when the plan cannot be used."""
        try:
            return MergeEngine.load(self.settings.plan, schema=SCHEMA)
        except PlanError as fault:
            raise SettingError(f"{self.settings.prefix()}PLAN: {fault}") from fault

    @cached_property
    def client(self) -> CommandClient:
        """The bus as a caller sees it."""
        return CommandClient(kafka=self.settings.kafka_properties(), codec=self.codec, topic=self.settings.topic)

    @cached_property
    def show_status(self) -> ShowStatus:
        """The status use case."""
        return ShowStatus(engine=self.merge_engine, requests=self._requests, ledger=self._ledger)

    @cached_property
    def quarantine(self) -> Quarantine:
        """Records that could not be processed."""
        key = self.settings.quarantine.key
        try:
            cipher = None if key is None else Fernet(key.get_secret_value())
        except ValueError:
            raise SettingError(f"{self.settings.prefix()}QUARANTINE__KEY is no Fernet key") from None
        return Quarantine(SCHEMA, cipher, Announcer(publisher=self.publisher, event=quarantined_record))

    @cached_property
    def metrics(self) -> RuntimeMetrics:
        """The metrics of this process."""
        return RuntimeMetrics(
            NAME,
            topics=[self.settings.topic(name) for name in CONSUMED_TOPICS],
            published_topics=[self.settings.topic(name) for name in PRODUCED_TOPICS],
            streams=wire.DEFAULT_STREAMS,
            outcomes=(*LABELS.values(), DUPLICATE),
            request_statuses=STATUSES,
            systems=self.settings.relink.systems,
        )

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a read-only transaction that sees one moment of the database."""
        with self.database.connect() as connection:
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    def say(self, line: str) -> None:
        """Tell the person at the command line something that is no result."""
        sys.stderr.write(f"{line}\n")

    complain = say

    def consumer_service(self, *, relay: bool) -> Service:
        """Return what `run` runs: the consumer, the scheduler, the reconciler and, unless told otherwise, the relay."""
        settings = self.settings
        service = self._service()
        _log.warning("authority is topic: whoever may write the command topic is trusted; guard it by its access list")
        service.loop("consumer", self._pipeline)
        service.every(settings.loop.schedule_s, "scheduler", self._retry_deferred.work)
        service.every(settings.loop.reconcile_s, "reconciler", self._reconcile.work_recent)
        service.every(settings.loop.reconcile_all_s, "full reconciler", self._reconcile.work_all)
        service.every(MEASURE_EVERY_S, "gauges", self._measure)
        if relay:
            service.loop("relay", self._relay)
        return service

    def relay_service(self) -> Service:
        """Return what `relay` runs: the relay alone."""
        service = self._service()
        service.loop("relay", self._relay)
        return service

    def _service(self) -> Service:
        _ = self.merge_engine  # a plan that cannot be used ends the start before anything else is said
        logs.configure(NAME, self.settings.log.level)
        service = Service(NAME, http=self.settings.http, metrics=self.metrics)
        service.needs("database", self._check_database)
        service.closes(self.database.dispose)
        return service

    def _check_database(self) -> None:
        with self.database.connect() as connection:
            require_migrated(connection, package=PACKAGE, schema=SCHEMA)
            self._check_plan(connection)

    def _check_plan(self, connection: Connection) -> None:
        faults = self.merge_engine.check(connection)
        if faults:
            more = f" (and {len(faults) - 1} more; see merge-worker plan check)" if len(faults) > 1 else ""
            raise SettingError(f"{self.settings.prefix()}PLAN: {faults[0]}{more}")

    def _pipeline(self, progress: Progress) -> Pipeline:
        settings = self.settings
        topics = [settings.topic(name) for name in CONSUMED_TOPICS]
        group = settings.consumer_group()
        kafka = settings.kafka_properties()
        handlers: dict[str, Handler] = {
            settings.topic("merge-command"): self._handle_commands,
            settings.topic("relink-ack"): RecordAcks(ledger=self._ledger),
        }
        return Pipeline(
            connect=lambda: BusConsumer(kafka, group=group, topics=topics),
            workplace=Workplace(
                engine=self.database,
                handlers=handlers,
                outbox=self._outbox,
                positions=Positions(SCHEMA, group),
                quarantine=self.quarantine,
                metrics=self.metrics,
            ),
            codec=self.codec,
            progress=progress,
            batch=BatchPolicy(max_records=settings.batch.max_commands, linger_ms=settings.batch.max_wait_ms),
        )

    def _relay(self, progress: Progress) -> Relay:
        return Relay(
            engine=self.database,
            schema=SCHEMA,
            kafka=self.settings.kafka_properties(),
            progress=progress,
            metrics=self.metrics,
            carrier_topic=self.settings.topic("customer-merged"),
            transactional=self.settings.relay.transactional,
        )

    def _measure(self) -> None:
        with self.database.connect() as connection:
            for status, count in self._requests.counts(connection).items():
                self.metrics.requests.labels(status).set(count)
            self.metrics.oldest_request_seconds.set(self._requests.oldest_seconds(connection))
            overdue = {one.system: one.overdue for one in self._ledger.summary(connection)}
        for system in self.settings.relink.systems:
            self.metrics.relink_overdue_merges.labels(system).set(overdue.get(system, 0))

    @cached_property
    def _handle_commands(self) -> HandleCommands:
        merge, recommend = self._merge_customers, self._recommend_merge
        return HandleCommands(
            inbox=Inbox(SCHEMA),
            outcomes=self._outcomes,
            cases={
                "MergeCustomers": merge,
                "RecommendMerge": recommend,
                "RemoveMerge": RemoveMerge(outcomes=self._outcomes, requests=self._requests, waiting=self._waiting),
                "UnmergeCustomers": UnmergeCustomers(
                    engine=self.merge_engine, outcomes=self._outcomes, requests=self._requests, ledger=self._ledger
                ),
                "MarkNotDuplicate": MarkNotDuplicate(engine=self.merge_engine, outcomes=self._outcomes),
                "ConvertCustomer": ConvertCustomer(outcomes=self._outcomes),
            },
            put_off={"MergeCustomers": merge.put_off},
            clock=database_time,
            count=self._count,
        )

    @cached_property
    def _merge_customers(self) -> MergeCustomers:
        deferral = self.settings.deferral
        return MergeCustomers(
            engine=self.merge_engine,
            outcomes=self._outcomes,
            requests=self._requests,
            ledger=self._ledger,
            ended=EndedCommands(),
            waiting=self._waiting,
            recommend=self._recommend_merge,
            policy=DeferralPolicy(
                not_found_limit=timedelta(seconds=deferral.customer_not_found_s),
                wait_retry=timedelta(seconds=deferral.retry_s),
                limit=timedelta(days=deferral.limit_days),
            ),
        )

    @cached_property
    def _recommend_merge(self) -> RecommendMerge:
        settings = self.settings.recommendation
        return RecommendMerge(
            engine=self.merge_engine,
            outcomes=self._outcomes,
            requests=self._requests,
            waiting=self._waiting,
            lifetime=timedelta(days=settings.lifetime_days),
            look_again=timedelta(seconds=settings.look_again_s),
        )

    @cached_property
    def _retry_deferred(self) -> RetryDeferred:
        return RetryDeferred(
            engine=self.database,
            outbox=self._outbox,
            requests=self._requests,
            merge=self._merge_customers,
            recommend=self._recommend_merge,
            clock=database_time,
            count=self._count,
        )

    @cached_property
    def _reconcile(self) -> ReconcileLosers:
        return ReconcileLosers(
            engine=self.database,
            merge_engine=self.merge_engine,
            count=self.metrics.reconciled_rows_total.inc,
            clock=database_time,
        )

    @cached_property
    def _outcomes(self) -> Outcomes:
        relink = self.settings.relink
        return Outcomes(publisher=self.publisher, systems=relink.systems, due=timedelta(seconds=relink.due_s))

    @cached_property
    def _waiting(self) -> Waiting:
        return Waiting(requests=self._requests, outcomes=self._outcomes)

    @cached_property
    def _count(self) -> OutcomeCounter:
        return OutcomeCounter(metric=self.metrics.outcomes_total)

    @cached_property
    def _outbox(self) -> Outbox:
        return Outbox(SCHEMA)

    @cached_property
    def _requests(self) -> Requests:
        return Requests()

    @cached_property
    def _ledger(self) -> RelinkLedger:
        return RelinkLedger()
