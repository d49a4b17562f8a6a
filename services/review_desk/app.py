"""The composition root: the one place that knows every concrete class of the desk."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import cached_property

from sqlalchemy import Connection, Engine

from customer_events import CATALOGUE, quarantined_record, schemas_directory
from customer_identity.approval import ApprovalPolicy
from event_runtime.database import reading
from event_runtime.drafts import Draft
from event_runtime.faults import SettingError
from event_runtime.handler import Handler
from event_runtime.health import Progress
from event_runtime.pipeline import Pipeline
from event_runtime.publisher import Publisher
from event_runtime.service import Service
from event_runtime.signatures import AuthorityKind, Signer, private_key
from event_runtime.signing_publisher import SigningPublisher
from event_runtime.wiring import Wiring
from merge_engine import MergeEngine, PlanError
from review_desk.adapters.command_table import CommandTable
from review_desk.adapters.merge_requests import MergeRequestView
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
from review_desk.application.resend_commands import ResendCommands
from review_desk.application.review_requests import ReviewRequests
from review_desk.application.show_account import ShowAccount
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
        approves = settings.authority is AuthorityKind.APPROVAL
        self.tables = DeskTables(commands=CommandTable(approves=approves))
        self.requests = MergeRequestView()

    @property
    def database(self) -> Engine:
        """The one database: customer tables, the worker's schema to preview with, and the desk's own."""
        return self.wiring.engine

    @cached_property
    def wiring(self) -> Wiring:
        """What the desk has in common with every service."""
        return Wiring(
            settings=self.settings,
            name=NAME,
            package=PACKAGE,
            schema=SCHEMA,
            source=SOURCE,
            catalogue=CATALOGUE,
            schemas_directory=schemas_directory(),
            quarantine_event=quarantined_record,
            consumed=CONSUMED_TOPICS,
            produced=PRODUCED_TOPICS,
            carrier="merge-command",
        )

    @cached_property
    def publisher(self) -> Publisher:
        """Commands to drafts of the outbox, signed where the worker wants that. Raises SettingError."""
        settings = self.settings.signature
        if self.settings.authority is not AuthorityKind.SIGNATURE or settings.key is None:
            return self.wiring.publisher
        try:
            key = private_key(settings.key.get_secret_value().encode())
        except SettingError as fault:
            raise SettingError(f"{self.settings.prefix()}SIGNATURE__KEY: {fault}") from None
        lifetime = timedelta(seconds=settings.lifetime_s)
        signer = Signer(key=key, key_id=settings.key_id, audience=settings.audience, lifetime=lifetime)
        return SigningPublisher(self.wiring.codec, CATALOGUE, SOURCE, self.settings.topic_names(), signer=signer)

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
    def resend_commands(self) -> ResendCommands:
        """What got no outcome goes out again."""
        return ResendCommands(
            tables=self.tables,
            publisher=self.publisher,
            after=timedelta(seconds=self.settings.resend_after_s),
        )

    @cached_property
    def show_case(self) -> ShowCase:
        """One case in full."""
        return ShowCase(tables=self.tables, merges=self.merge_engine)

    @cached_property
    def report_requests(self) -> ReportRequests:
        """The worker's requests and how eligible they are."""
        return ReportRequests(requests=self.requests, merges=self.merge_engine)

    @cached_property
    def review_requests(self) -> ReviewRequests:
        """Many requests in one go."""
        return ReviewRequests(
            tables=self.tables, view=self.requests, report=self.report_requests, ask=self.request_merges
        )

    @cached_property
    def show_account(self) -> ShowAccount:
        """One customer in full."""
        return ShowAccount(
            tables=self.tables, requests=self.requests, report=self.report_requests, merges=self.merge_engine
        )

    def reading(self) -> AbstractContextManager[Connection]:
        """A read-only transaction that sees one moment of the database."""
        return reading(self.database)

    def publish(self, connection: Connection, drafts: Sequence[Draft]) -> None:
        """Put events into the outbox, last in a transaction; a running desk's relay sends them."""
        self.wiring.outbox.append(connection, drafts)

    def consumer_service(self, *, relay: bool) -> Service:
        """What `run` runs: the consumer and, unless told otherwise, the relay."""
        _ = self.publisher  # a key that cannot be used ends the start
        service = self.wiring.service()
        service.loop("consumer", self._pipeline)
        service.every(self.settings.look_again_s, "look again", lambda: self.look_again(self.database, self.publish))
        service.every(
            min(self.settings.look_again_s, self.settings.resend_after_s),
            "resend",
            lambda: self.resend_commands(self.database, self.publish),
        )
        if relay:
            service.loop("relay", self.wiring.relay)
        return service

    def relay_service(self) -> Service:
        """What `relay` runs: the relay alone."""
        service = self.wiring.service()
        service.loop("relay", self.wiring.relay)
        return service

    def _pipeline(self, progress: Progress) -> Pipeline:
        handlers: dict[str, Handler] = {
            "merge-candidate": RecordCandidates(tables=self.tables, decide=self.decide),
            "merge-outcome": FollowOutcomes(tables=self.tables, decide=self.decide),
            "customer-merged": FollowMerges(tables=self.tables, decide=self.decide),
        }
        return self.wiring.pipeline(handlers, progress)
