"""The composition root: the one place that knows every concrete class of the worker."""

import os
import socket
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import cached_property, partial

from sqlalchemy import Connection, Engine

import customer_events as wire
from event_runtime import logs
from event_runtime.database import reading
from event_runtime.faults import SettingError
from event_runtime.handler import Handler
from event_runtime.health import Progress
from event_runtime.inbox import Inbox
from event_runtime.metrics import RuntimeMetrics
from event_runtime.pipeline import Pipeline
from event_runtime.service import Service
from event_runtime.wiring import Wiring
from merge_engine import MergeEngine, PlanError
from merge_worker.adapters.clock import database_time
from merge_worker.adapters.command_client import CommandClient
from merge_worker.adapters.customer_lookup import CustomerLookup
from merge_worker.adapters.customer_states import CustomerStates
from merge_worker.adapters.ended_commands import EndedCommands
from merge_worker.adapters.erasures import Erasures
from merge_worker.adapters.outcome_counter import DUPLICATE, LABELS, OutcomeCounter
from merge_worker.adapters.outcomes import Outcomes
from merge_worker.adapters.relink_ledger import RelinkLedger
from merge_worker.adapters.requests import STATUSES, Requests
from merge_worker.adapters.schedules import Schedules
from merge_worker.application.convert_customer import ConvertCustomer
from merge_worker.application.deferral import DeferralPolicy
from merge_worker.application.erase_customers import EraseCustomers
from merge_worker.application.handle_commands import HandleCommands
from merge_worker.application.mark_not_duplicate import MarkNotDuplicate
from merge_worker.application.merge_customers import MergeCustomers
from merge_worker.application.move_rows import MoveRows, MoverPolicy
from merge_worker.application.purge_images import PurgeImages
from merge_worker.application.recommend_merge import RecommendMerge
from merge_worker.application.reconcile_losers import ReconcileLosers
from merge_worker.application.record_acks import RecordAcks
from merge_worker.application.remove_merge import RemoveMerge
from merge_worker.application.retry_deferred import RetryDeferred
from merge_worker.application.run_schedule import RunSchedule
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

    @property
    def database(self) -> Engine:
        """The one database: customer tables and the worker's own."""
        return self.wiring.engine

    @cached_property
    def wiring(self) -> Wiring:
        """What the worker has in common with every service."""
        return Wiring(
            settings=self.settings,
            name=NAME,
            package=PACKAGE,
            schema=SCHEMA,
            source=SOURCE,
            catalogue=wire.CATALOGUE,
            schemas_directory=wire.schemas_directory(),
            quarantine_event=wire.quarantined_record,
            consumed=CONSUMED_TOPICS,
            produced=PRODUCED_TOPICS,
            carrier="customer-merged",
            make_metrics=partial(
                RuntimeMetrics,
                streams=wire.DEFAULT_STREAMS,
                outcomes=(*LABELS.values(), DUPLICATE),
                request_statuses=STATUSES,
                systems=self.settings.relink.systems,
            ),
        )

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
        return CommandClient(kafka=self.settings.kafka_properties(), codec=self.wiring.codec, topic=self.settings.topic)

    @cached_property
    def show_status(self) -> ShowStatus:
        """The status use case."""
        return ShowStatus(
            engine=self.merge_engine, requests=self._requests, ledger=self._ledger, states=CustomerStates()
        )

    @cached_property
    def run_schedule(self) -> RunSchedule:
        """What calls up everything that waits, at its times or when asked to."""
        schedule = self.settings.schedule
        return RunSchedule(
            engine=self.database,
            crons=schedule.crons,
            schedules=self.schedules,
            requests=self._requests,
            clock=database_time,
            catch_up=timedelta(seconds=schedule.catch_up_s),
        )

    @cached_property
    def schedules(self) -> Schedules:
        """What was done at which time."""
        return Schedules()

    def reading(self) -> AbstractContextManager[Connection]:
        """Open a read-only transaction that sees one moment of the database."""
        return reading(self.database)

    def consumer_service(self, *, relay: bool) -> Service:
        """Return what `run` runs: consumer, mover, scheduler, reconciler and, unless told otherwise, the relay."""
        settings = self.settings
        service = self._service()
        lookup = CustomerLookup(engine=self.merge_engine, reading=self.reading)
        service.answers("customers", lookup)
        _log.warning("authority is topic: whoever may write the command topic is trusted; guard it by its access list")
        service.loop("consumer", self._pipeline)
        service.loop("mover", self._mover)
        service.every(settings.loop.schedule_s, "scheduler", self._schedule)
        service.every(settings.loop.erase_s, "erasures", self._erase_customers.work)
        service.every(settings.loop.purge_s, "purge", self._purge_images)
        service.every(settings.loop.reconcile_s, "reconciler", self._reconcile.work_recent)
        service.every(settings.loop.reconcile_all_s, "full reconciler", self._reconcile.work_all)
        service.every(MEASURE_EVERY_S, "gauges", self._measure)
        if relay:
            service.loop("relay", self.wiring.relay)
        return service

    def relay_service(self) -> Service:
        """Return what `relay` runs: the relay alone."""
        service = self._service()
        service.loop("relay", self.wiring.relay)
        return service

    def _service(self) -> Service:
        _ = self.merge_engine  # a plan that cannot be used ends the start before anything else is said
        service = self.wiring.service()
        service.needs("plan", self._check_plan)
        return service

    def _check_plan(self) -> None:
        with self.database.connect() as connection:
            faults = self.merge_engine.check(connection)
        if faults:
            more = f" (and {len(faults) - 1} more; see merge-worker plan check)" if len(faults) > 1 else ""
            raise SettingError(f"{self.settings.prefix()}PLAN: {faults[0]}{more}")

    def _pipeline(self, progress: Progress) -> Pipeline:
        handlers: dict[str, Handler] = {
            "merge-command": self._handle_commands,
            "relink-ack": RecordAcks(ledger=self._ledger),
            "customer-created": self._erase_customers,
        }
        return self.wiring.pipeline(handlers, progress)

    def _schedule(self) -> None:
        self.run_schedule.work()
        self._retry_deferred.work()

    def _mover(self, progress: Progress) -> MoveRows:
        large = self.settings.large
        return MoveRows(
            engine=self.database,
            large=self.merge_engine.large,
            outbox=self.wiring.outbox,
            outcomes=self._outcomes,
            requests=self._requests,
            clock=database_time,
            count=self.wiring.metrics.large_rows_moved_total.inc,
            progress=progress,
            owner=f"{socket.gethostname()}:{os.getpid()}",
            policy=MoverPolicy(
                chunk_rows=large.chunk_rows,
                rest_share=large.rest_share,
                lease=timedelta(seconds=large.lease_s),
                look_s=large.look_s,
                notice_every=timedelta(seconds=large.notice_s),
                put_off=timedelta(seconds=large.put_off_s),
                listing_timeout_s=large.listing_timeout_s,
            ),
        )

    def _purge_images(self) -> None:
        PurgeImages(engine=self.database, merge_engine=self.merge_engine).work()

    def _measure(self) -> None:
        with self.database.connect() as connection:
            for status, count in self._requests.counts(connection).items():
                self.wiring.metrics.requests.labels(status).set(count)
            self.wiring.metrics.oldest_request_seconds.set(self._requests.oldest_seconds(connection))
            overdue = {one.system: one.overdue for one in self._ledger.summary(connection)}
            moving = self.merge_engine.large.still_moving(connection)
            now = database_time(connection)
            self.wiring.metrics.erasures_undecided.set(self.erasures.undecided(connection))
        self.wiring.metrics.large_moving_merges.set(len(moving))
        self.wiring.metrics.large_stuck_merges.set(sum(one.problem is not None for one in moving))
        age_s = max(((now - one.started_at).total_seconds() for one in moving), default=0.0)
        self.wiring.metrics.large_oldest_seconds.set(age_s)
        for system in self.settings.relink.systems:
            self.wiring.metrics.relink_overdue_merges.labels(system).set(overdue.get(system, 0))

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
                "ConvertCustomer": ConvertCustomer(engine=self.merge_engine, outcomes=self._outcomes),
            },
            put_off={"MergeCustomers": merge.put_off},
            alone=frozenset({"UnmergeCustomers", "ConvertCustomer"}),
            clock=database_time,
            count=self._count,
        )

    @cached_property
    def erasures(self) -> Erasures:
        """Who is to be forgotten."""
        return Erasures()

    @cached_property
    def _erase_customers(self) -> EraseCustomers:
        return EraseCustomers(
            engine=self.database,
            merge_engine=self.merge_engine,
            erasures=self.erasures,
            outbox=self.wiring.outbox,
            publisher=self.wiring.publisher,
            clock=database_time,
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
            outbox=self.wiring.outbox,
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
            count=self.wiring.metrics.reconciled_rows_total.inc,
            clock=database_time,
        )

    @cached_property
    def _outcomes(self) -> Outcomes:
        relink = self.settings.relink
        return Outcomes(publisher=self.wiring.publisher, systems=relink.systems, due=timedelta(seconds=relink.due_s))

    @cached_property
    def _waiting(self) -> Waiting:
        return Waiting(requests=self._requests, outcomes=self._outcomes)

    @cached_property
    def _count(self) -> OutcomeCounter:
        return OutcomeCounter(metric=self.wiring.metrics.outcomes_total)

    @cached_property
    def _requests(self) -> Requests:
        return Requests()

    @cached_property
    def _ledger(self) -> RelinkLedger:
        return RelinkLedger()
