"""The composition root, second half: each thing that the worker does, with the parts that it works with."""

import os
import socket
from datetime import timedelta
from functools import cached_property

from event_runtime.faults import SettingError
from event_runtime.health import Progress
from event_runtime.inbox import Inbox
from event_runtime.key_folder import KeyFolder
from event_runtime.signatures import AuthorityKind, Verifier
from event_runtime.wiring import Wiring
from merge_engine import MergeEngine
from merge_worker.adapters.clock import database_time
from merge_worker.adapters.customer_states import CustomerStates
from merge_worker.adapters.ended_commands import EndedCommands
from merge_worker.adapters.erasures import Erasures
from merge_worker.adapters.gauges import Gauges
from merge_worker.adapters.outcome_counter import OutcomeCounter
from merge_worker.adapters.outcomes import Outcomes
from merge_worker.adapters.proofs import ApprovalAuthority, SignatureAuthority
from merge_worker.adapters.relink_ledger import RelinkLedger
from merge_worker.adapters.requests import Requests
from merge_worker.application.admission import Authority, TopicAuthority
from merge_worker.application.convert_customer import ConvertCustomer
from merge_worker.application.deferral import DeferralPolicy
from merge_worker.application.erase_customers import EraseCustomers
from merge_worker.application.following_rows import FollowingRows
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
from merge_worker.application.returning_rows import ReturningRows
from merge_worker.application.show_status import ShowStatus
from merge_worker.application.unmerge_customers import UnmergeCustomers
from merge_worker.application.waiting import Waiting
from merge_worker.settings import MergeWorkerSettings


class UseCases:
    """The use cases that need a merge plan, each made when it is first asked for. Making one connects to nothing."""

    def __init__(self, settings: MergeWorkerSettings, wiring: Wiring, merge_engine: MergeEngine) -> None:
        self._settings = settings
        self._wiring = wiring
        self._merge_engine = merge_engine
        self._database = wiring.engine
        self._requests = Requests()
        self._ledger = RelinkLedger()
        self._erasures = Erasures()

    @cached_property
    def handle_commands(self) -> HandleCommands:
        """Topic merge-command."""
        merge, recommend = self._merge_customers, self._recommend_merge
        return HandleCommands(
            inbox=Inbox(self._wiring.schema),
            outcomes=self._outcomes,
            authority=self.authority,
            cases={
                "MergeCustomers": merge,
                "RecommendMerge": recommend,
                "RemoveMerge": RemoveMerge(outcomes=self._outcomes, requests=self._requests, waiting=self._waiting),
                "UnmergeCustomers": self._unmerge_customers,
                "MarkNotDuplicate": MarkNotDuplicate(engine=self._merge_engine, outcomes=self._outcomes),
                "ConvertCustomer": ConvertCustomer(engine=self._merge_engine, outcomes=self._outcomes),
            },
            put_off={"MergeCustomers": merge.put_off},
            alone=frozenset({"UnmergeCustomers", "ConvertCustomer"}),
            clock=database_time,
            count=self._count,
        )

    @cached_property
    def authority(self) -> Authority:
        """Who is believed. Raises SettingError when the keys cannot be read."""
        settings = self._settings.signature
        match self._settings.authority:
            case AuthorityKind.TOPIC:
                return TopicAuthority()
            case AuthorityKind.APPROVAL:
                return ApprovalAuthority()
            case AuthorityKind.SIGNATURE:
                try:
                    keys = KeyFolder(settings.keys)
                except SettingError as fault:
                    raise SettingError(f"{self._settings.prefix()}SIGNATURE__KEYS: {fault}") from None
                leeway = timedelta(seconds=settings.leeway_s)
                verifier = Verifier(keys=keys, audience=settings.audience, leeway=leeway)
                return SignatureAuthority(verifier=verifier, keys=keys)

    @cached_property
    def record_acks(self) -> RecordAcks:
        """Topic relink-ack."""
        return RecordAcks(ledger=self._ledger)

    @cached_property
    def erase_customers(self) -> EraseCustomers:
        """Erasures on topic customer-created, and those that wait."""
        return EraseCustomers(
            engine=self._database,
            merge_engine=self._merge_engine,
            erasures=self._erasures,
            outbox=self._wiring.outbox,
            publisher=self._wiring.publisher,
            clock=database_time,
        )

    @cached_property
    def retry_deferred(self) -> RetryDeferred:
        """What waits and is due."""
        return RetryDeferred(
            engine=self._database,
            outbox=self._wiring.outbox,
            requests=self._requests,
            merge=self._merge_customers,
            recommend=self._recommend_merge,
            clock=database_time,
            count=self._count,
        )

    @cached_property
    def reconcile(self) -> ReconcileLosers:
        """Rows written under ids that were merged away."""
        return ReconcileLosers(
            engine=self._database,
            merge_engine=self._merge_engine,
            count=self._wiring.metrics.reconciled_rows_total.inc,
            clock=database_time,
        )

    @cached_property
    def purge_images(self) -> PurgeImages:
        """Before-images whose undo window has closed."""
        return PurgeImages(engine=self._database, merge_engine=self._merge_engine)

    @cached_property
    def show_status(self) -> ShowStatus:
        """What goes by an id, and how the worker is doing."""
        return ShowStatus(
            engine=self._merge_engine, requests=self._requests, ledger=self._ledger, states=CustomerStates()
        )

    @cached_property
    def gauges(self) -> Gauges:
        """What of the database is measured."""
        return Gauges(
            engine=self._database,
            metrics=self._wiring.metrics,
            large=self._merge_engine.large,
            requests=self._requests,
            ledger=self._ledger,
            erasures=self._erasures,
            systems=self._settings.relink.systems,
        )

    def mover(self, progress: Progress) -> MoveRows:
        """Return what moves the rows of large merges, and brings them back."""
        large, wiring = self._settings.large, self._wiring
        policy = MoverPolicy(
            chunk_rows=large.chunk_rows,
            rest_share=large.rest_share,
            lease=timedelta(seconds=large.lease_s),
            look_s=large.look_s,
            notice_every=timedelta(seconds=large.notice_s),
            put_off=timedelta(seconds=large.put_off_s),
            listing_timeout_s=large.listing_timeout_s,
        )
        returning = ReturningRows(
            unmerges=self._merge_engine.unmerges,
            unmerge=self._unmerge_customers,
            outbox=wiring.outbox,
            clock=database_time,
            count_rows=wiring.metrics.large_rows_moved_total.inc,
            count=self._count,
            policy=policy,
        )
        following = FollowingRows(
            large=self._merge_engine.large,
            outbox=wiring.outbox,
            outcomes=self._outcomes,
            requests=self._requests,
            clock=database_time,
            count=wiring.metrics.large_rows_moved_total.inc,
            policy=policy,
        )
        return MoveRows(
            engine=self._database,
            works=(returning, following),
            progress=progress,
            owner=f"{socket.gethostname()}:{os.getpid()}",
            policy=policy,
        )

    @cached_property
    def _unmerge_customers(self) -> UnmergeCustomers:
        return UnmergeCustomers(
            engine=self._merge_engine, outcomes=self._outcomes, requests=self._requests, ledger=self._ledger
        )

    @cached_property
    def _merge_customers(self) -> MergeCustomers:
        deferral = self._settings.deferral
        return MergeCustomers(
            engine=self._merge_engine,
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
        settings = self._settings.recommendation
        return RecommendMerge(
            engine=self._merge_engine,
            outcomes=self._outcomes,
            requests=self._requests,
            waiting=self._waiting,
            lifetime=timedelta(days=settings.lifetime_days),
            look_again=timedelta(seconds=settings.look_again_s),
        )

    @cached_property
    def _outcomes(self) -> Outcomes:
        relink = self._settings.relink
        return Outcomes(publisher=self._wiring.publisher, systems=relink.systems, due=timedelta(seconds=relink.due_s))

    @cached_property
    def _waiting(self) -> Waiting:
        return Waiting(requests=self._requests, outcomes=self._outcomes)

    @cached_property
    def _count(self) -> OutcomeCounter:
        return OutcomeCounter(metric=self._wiring.metrics.outcomes_total)
