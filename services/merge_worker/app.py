"""The composition root: the parts of the worker and its service. What the parts do together is made in use_cases.py."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import cached_property, partial

from sqlalchemy import Connection, Engine

import customer_events as wire
from event_runtime import logs
from event_runtime.bearer import BearerGuard, is_loopback
from event_runtime.database import reading
from event_runtime.faults import SettingError
from event_runtime.handler import Handler
from event_runtime.health import Progress
from event_runtime.metrics import RuntimeMetrics
from event_runtime.pipeline import Pipeline
from event_runtime.records import MessageKey
from event_runtime.service import Service
from event_runtime.signatures import AuthorityKind
from event_runtime.wiring import Wiring
from merge_engine import MergeEngine, PlanError
from merge_worker.adapters.clock import database_time
from merge_worker.adapters.command_client import CommandClient
from merge_worker.adapters.customer_lookup import CustomerLookup
from merge_worker.adapters.erasures import Erasures
from merge_worker.adapters.outcome_counter import DUPLICATE, LABELS
from merge_worker.adapters.proofs import approve
from merge_worker.adapters.requests import STATUSES, Requests
from merge_worker.adapters.schedules import Schedules
from merge_worker.application.run_schedule import RunSchedule
from merge_worker.settings import CONSUMED_TOPICS, PRODUCED_TOPICS, MergeWorkerSettings
from merge_worker.use_cases import UseCases
from merge_worker.vouching import Vouching

PACKAGE = "merge_worker"
SCHEMA = "merge"
NAME = "merge-worker"
SOURCE = "/customer-merge/merge-worker"
# Prometheus scrapes every 15 s or so.
MEASURE_EVERY_S = 10.0

_log = logs.get_logger(__name__)


class App:
    """The worker's parts, each made when it is first asked for. Making one connects to nothing."""

    def __init__(self, settings: MergeWorkerSettings, vouch: Vouching | None = None) -> None:
        """With how what this program publishes is vouched for; None: nobody does."""
        self.settings = settings
        self._vouch = vouch or Vouching()

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
        """The bus as a caller sees it. Raises SettingError."""
        return CommandClient(
            kafka=self.settings.kafka_properties(),
            codec=self.wiring.codec,
            topic=self.settings.topic,
            signer=self._vouch.signer(self.settings.signature),
            approve=None if self._vouch.approve_by is None else self._approve,
        )

    @cached_property
    def use_cases(self) -> UseCases:
        """What is done with the merge plan. Raises SettingError when the plan cannot be used."""
        return UseCases(self.settings, self.wiring, self.merge_engine)

    @cached_property
    def run_schedule(self) -> RunSchedule:
        """What calls up everything that waits, at its times or when asked to."""
        schedule = self.settings.schedule
        return RunSchedule(
            engine=self.database,
            crons=schedule.crons,
            schedules=self.schedules,
            requests=Requests(),
            clock=database_time,
            catch_up=timedelta(seconds=schedule.catch_up_s),
        )

    @cached_property
    def schedules(self) -> Schedules:
        """What was done at which time."""
        return Schedules()

    @cached_property
    def erasures(self) -> Erasures:
        """Who is to be forgotten."""
        return Erasures()

    def reading(self) -> AbstractContextManager[Connection]:
        """Open a read-only transaction that sees one moment of the database."""
        return reading(self.database)

    def consumer_service(self, *, relay: bool) -> Service:
        """Return what `run` runs: consumer, mover, scheduler, reconciler and, unless told otherwise, the relay."""
        service = self._service()
        loop, use_cases = self.settings.loop, self.use_cases
        lookup = CustomerLookup(engine=self.merge_engine, reading=self.reading)
        service.answers("customers", lookup, self._lookup_guard())
        self._believe()
        service.loop("consumer", self._pipeline)
        service.loop("mover", use_cases.mover)
        service.every(loop.schedule_s, "scheduler", self._schedule)
        service.every(loop.erase_s, "erasures", use_cases.erase_customers.work)
        service.every(loop.purge_s, "purge", use_cases.purge_images.work)
        service.every(loop.reconcile_s, "reconciler", use_cases.reconcile.work_recent)
        service.every(loop.reconcile_all_s, "full reconciler", use_cases.reconcile.work_all)
        service.every(MEASURE_EVERY_S, "gauges", use_cases.gauges.measure)
        if relay:
            service.loop("relay", self.wiring.relay)
        return service

    def _lookup_guard(self) -> BearerGuard | None:
        settings, host = self.settings.lookup, self.settings.http.host
        if settings.open or (not settings.tokens and is_loopback(host)):
            return None
        if not settings.tokens:
            _log.warning("lookup_is_closed: it listens on more than loopback, and no token is set")
        return BearerGuard(tokens=settings.tokens, realm="customers")

    def _approve(self, contents: Sequence[tuple[MessageKey, bytes]]) -> None:
        with self.database.begin() as connection:
            approve(connection, contents, self._vouch.approve_by or "")

    def _believe(self) -> None:
        _ = self.use_cases.authority  # keys that cannot be read end the start
        if self.settings.authority is AuthorityKind.TOPIC:
            _log.warning(
                "authority is topic: whoever may write the command topic is trusted; guard it by its access list"
            )

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
            "merge-command": self.use_cases.handle_commands,
            "relink-ack": self.use_cases.record_acks,
            "customer-created": self.use_cases.erase_customers,
        }
        return self.wiring.pipeline(handlers, progress)

    def _schedule(self) -> None:
        self.run_schedule.work()
        self.use_cases.retry_deferred.work()
