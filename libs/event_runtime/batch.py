"""One batch of records in one transaction: the only place that decides what a fault means for a record.

Four outcomes: done, duplicate (its position says that it was done before), retried, quarantined. A batch that fails for
the data in it is halved until the guilty record stands alone, each half in a transaction of its own. A fault with true
`splits_batch` halves it too: the records are too much work for one transaction, and nothing else.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field, replace
from itertools import groupby
from typing import TypeVar

from sqlalchemy import Connection, Engine

from event_runtime.breaker import Breaker, BreakerOpen
from event_runtime.bus import BusConsumer
from event_runtime.database import describe, execute, sqlstate
from event_runtime.drafts import Draft
from event_runtime.failpoints import failpoint
from event_runtime.faults import Fault
from event_runtime.handler import Handler, Refusal, RefusedFault
from event_runtime.items import Item, Refused, by_handler, next_offsets
from event_runtime.logs import get_logger
from event_runtime.metrics import RuntimeMetrics
from event_runtime.outbox import Outbox
from event_runtime.positions import Positions
from event_runtime.quarantine import DATA_REFUSED, HANDLER_FAULT, Quarantine, label_of
from event_runtime.records import Partition
from event_runtime.retry import FaultClass, RetryPolicy, classify
from frozen_values import dataclass

_log = get_logger(__name__)
_T = TypeVar("_T")


_SEARCHING_LOCK_MS = 250
_SEARCHING_STATEMENT_MS = 3_000

_SET_LIMITS = (
    "SELECT set_config('lock_timeout', %(lock)s::text, true),"
    " set_config('statement_timeout', %(statement)s::text, true),"
    " set_config('idle_in_transaction_session_timeout', %(idle)s::text, true)"
)


class BatchAbandoned(Fault):
    """The batch is given up: a partition was revoked, its position moved back, or the service stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionLimits:
    """How long a transaction may wait and work, in milliseconds; nobody else waits for a batch any longer."""

    lock_ms: int = 2_000
    statement_ms: int = 10_000
    idle_ms: int = 10_000

    def apply(self, connection: Connection) -> None:
        """Set them for the open transaction."""
        limits = {"lock": self.lock_ms, "statement": self.statement_ms, "idle": self.idle_ms}
        execute(connection, _SET_LIMITS, limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """What a batch works with; `group` is in `positions`."""

    engine: Engine
    handlers: Mapping[str, Handler]
    outbox: Outbox
    positions: Positions
    quarantine: Quarantine
    metrics: RuntimeMetrics
    limits: TransactionLimits = field(default_factory=TransactionLimits)
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    def event_types(self, topic: str) -> Collection[str] | None:
        """The types of events that the topic's handler wants (its `event_types`); None: all."""
        wanted: Collection[str] | None = getattr(self.handlers[topic], "event_types", None)
        return wanted

    def is_alone(self, item: Item) -> bool:
        """Whether the item is a transaction of its own (its handler's `alone`)."""
        alone: Collection[str] = getattr(self.handlers[item.record.topic], "alone", ())
        return item.received is not None and type(item.received.event).__name__ in alone


@dataclass(frozen=True, slots=True, kw_only=True)
class _Patience:
    """How often a batch is tried, and how long each try may wait and work."""

    policy: RetryPolicy
    limits: TransactionLimits


class BatchRunner:
    """Brings batches from one consumer to their end.

    `wait` serves the group meanwhile, and may raise BatchAbandoned; `waiting` hears why there is a wait.
    """

    def __init__(
        self,
        workplace: Workplace,
        consumer: BusConsumer,
        breaker: Breaker,
        *,
        wait: Callable[[float], None],
        waiting: Callable[[FaultClass, BaseException], None],
    ) -> None:
        self._at = workplace
        self._consumer = consumer
        self._breaker = breaker
        self._wait = wait
        self._waiting = waiting
        self._full = _Patience(policy=workplace.retry, limits=workplace.limits)
        # Once a batch had all its tries, its halves need few and short ones: they only look for the record in the way,
        # and all the others wait for that.
        self._brief = _Patience(
            policy=replace(workplace.retry, contention_attempts=2),
            limits=replace(
                workplace.limits,
                lock_ms=min(workplace.limits.lock_ms, _SEARCHING_LOCK_MS),
                statement_ms=min(workplace.limits.statement_ms, _SEARCHING_STATEMENT_MS),
            ),
        )

    def settle(self, items: Sequence[Item]) -> None:
        """Bring every item to its end, in order within a partition.

        Raises:
            BatchAbandoned: not all were; what was is committed.
            BreakerOpen: too many of them would go into quarantine.
        """
        for alone, some in groupby(items, self._at.is_alone):
            for part in [[item] for item in some] if alone else [list(some)]:
                self._settle(part, self._full)

    def retried(self, work: Callable[[], _T], policy: RetryPolicy | None = None) -> _T:
        """Run `work`, a whole transaction, until it succeeds or its fault is not one to try again."""
        return (policy or self._at.retry).retrying(sleep=self._wait, before_wait=self._waiting)(work)

    def _settle(self, items: Sequence[Item], patience: _Patience) -> None:
        while (fault := self._tried(items, patience)) is not None:
            if len(items) > 1:
                middle = len(items) // 2
                if getattr(fault, "splits_batch", False):  # nothing is wrong with any of them
                    after = patience
                else:
                    _log.info("batch_halved", records=len(items), exc_info=fault)
                    after = self._brief
                self._settle(items[:middle], after)
                self._settle(items[middle:], after)
                return
            if self._refuse(items[0], fault):
                return
            # others hold what the record needs, and its handler has no answer to that: it stays the next one
            self._wait(self._at.retry.pause_wait_s)

    def _tried(self, items: Sequence[Item], patience: _Patience) -> Exception | None:
        try:
            self.retried(lambda: self._attempt(items, patience.limits), patience.policy)
        except (BatchAbandoned, BreakerOpen):
            raise
        except Exception as fault:  # noqa: BLE001 - this is the place that classifies them all
            return fault
        return None

    def _attempt(self, items: Sequence[Item], limits: TransactionLimits) -> None:
        started_s = time.monotonic()
        with self._at.engine.connect() as connection:
            self._prepare(connection, items)
            with connection.begin():
                limits.apply(connection)
                claimed = self._claim(connection, items)
                self._breaker.check(item.refused is not None for item in claimed.todo)
                drafts: list[Draft] = []
                for handler, received in by_handler(claimed.todo, self._at.handlers):
                    drafts += handler.handle(connection, received)
                for item in claimed.todo:
                    if item.refused is not None:
                        drafts += self._put_away(connection, item, item.refused)
                self._finish(connection, claimed, drafts)
            failpoint("after_commit")
        self._count(claimed)
        self._at.metrics.batch_seconds.observe(time.monotonic() - started_s)
        self._at.metrics.batch_records.observe(len(items))

    def _prepare(self, connection: Connection, items: Sequence[Item]) -> None:
        for handler, received in by_handler(items, self._at.handlers):
            prepare = getattr(handler, "prepare", None)
            if prepare is not None:
                with connection.begin():
                    self._at.limits.apply(connection)
                    prepare(connection, received)
                failpoint("after_prepare")

    def _refuse(self, item: Item, fault: Exception) -> bool:
        """Let the handler answer a record that fails alone, or put it into quarantine; False: try it again."""
        if item.received is None:
            raise fault  # not even the quarantine takes it
        kind, reason = classify(fault), describe(fault)
        _log.warning("record_refused", topic=item.record.topic, treated_as=kind.value, exc_info=fault)
        asked = RefusedFault(fault_class=kind, reason=reason, sqlstate=sqlstate(fault), fault=fault)
        refused = Refused(class_=HANDLER_FAULT if kind is FaultClass.BUG else DATA_REFUSED, reason=reason)
        try:
            return self.retried(lambda: self._answer(item, asked, refused), self._brief.policy)
        except (BatchAbandoned, BreakerOpen):
            raise
        except Exception as worse:  # noqa: BLE001 - as above
            if classify(worse) is FaultClass.CONTENTION:
                return False
            _log.warning("answer_refused", topic=item.record.topic, exc_info=worse)
            self._settle([Item(record=item.record, refused=refused)], self._full)
            return True

    def _answer(self, item: Item, asked: RefusedFault, refused: Refused) -> bool:
        with self._at.engine.connect() as connection:
            with connection.begin():
                self._at.limits.apply(connection)
                claimed = self._claim(connection, [item])
                answer = self._ask(connection, item, asked) if claimed.todo else Refusal()
                if answer is None and asked.fault_class is FaultClass.CONTENTION:
                    return False
                drafts = list(answer.drafts) if answer else []
                if answer is None or answer.quarantine:
                    claimed = replace(claimed, todo=[replace(item, refused=refused)])
                    self._breaker.check([True])
                    drafts += self._put_away(connection, item, refused)
                self._finish(connection, claimed, drafts)
            failpoint("after_commit")
        self._count(claimed)
        return True

    def _ask(self, connection: Connection, item: Item, asked: RefusedFault) -> Refusal | None:
        refuse = getattr(self._at.handlers[item.record.topic], "refuse", None)
        answer: Refusal | None = None if refuse is None else refuse(connection, item.received, asked)
        return answer

    def _claim(self, connection: Connection, items: Sequence[Item]) -> "_Claimed":
        """Lock the positions of the items, and leave out those that are done already."""
        behind = next_offsets(items)
        held = self._at.positions.lock(connection, self._consumer.cluster(), behind)
        lost = [source for source in behind if held.get(source, -1) < self._consumer.known_position(source)]
        if lost:
            # what lies between was read and is not in this database: it was restored from a backup
            _log.error("positions_moved_back", group=self._consumer.group, partitions=[str(p) for p in sorted(lost)])
            raise BatchAbandoned("positions moved back in the database")
        todo = [item for item in items if item.record.offset >= held[item.record.source]]
        return _Claimed(
            todo=todo,
            duplicates=[item for item in items if item.record.offset < held[item.record.source]],
            behind={source: max(offset, held[source]) for source, offset in behind.items()},
        )

    def _put_away(self, connection: Connection, item: Item, refused: Refused) -> list[Draft]:
        return self._at.quarantine.put(
            connection,
            self._consumer.cluster(),
            item.record,
            class_=refused.class_,
            reason=refused.reason,
            attempts=refused.attempts,
            tenant_id=None if item.received is None else getattr(item.received.event, "tenant_id", None),
        )

    def _finish(self, connection: Connection, claimed: "_Claimed", drafts: Sequence[Draft]) -> None:
        """Positions, then the outbox: its heads are the last locks of the transaction."""
        self._at.positions.advance(connection, self._consumer.cluster(), claimed.behind)
        self._at.outbox.append(connection, drafts)
        failpoint("before_commit")

    def _count(self, claimed: "_Claimed") -> None:
        """After the commit: what became of the items."""
        self._consumer.done(claimed.behind)
        self._breaker.add(item.refused is not None for item in claimed.todo)
        metrics, now_s = self._at.metrics, time.time()
        outcomes = Counter((item.record.topic, "duplicate") for item in claimed.duplicates)
        topics = {item.record.topic for item in claimed.todo}
        observers = {topic: metrics.record_delay_seconds.labels(topic) for topic in topics}
        for item in claimed.todo:
            outcomes[item.record.topic, "done" if item.refused is None else "quarantined"] += 1
            if item.refused is not None:
                metrics.quarantined_total.labels(label_of(item.refused.class_)).inc()
            if item.record.timestamp_ms >= 0:
                observers[item.record.topic].observe(max(0.0, now_s - item.record.timestamp_ms / 1_000))
        for (topic, outcome), count in outcomes.items():
            metrics.records_total.labels(topic, outcome).inc(count)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claimed:
    todo: Sequence[Item]
    duplicates: Sequence[Item]
    behind: Mapping[Partition, int]
