"""A small service of the tests' own: a schema with the runtime's tables, events of the catalogue, a handler."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import structlog
from confluent_kafka import Producer
from sqlalchemy import Connection, Engine, text

import customer_events
from customer_events import ConvertCustomer, IdentityErased, MergeCompleted, quarantined_record
from event_runtime.batch import TransactionLimits, Workplace
from event_runtime.breaker import BreakerPolicy
from event_runtime.bus import BusConsumer
from event_runtime.bus_config import producer_config
from event_runtime.codec import Codec, SchemaStore
from event_runtime.database import create_engine
from event_runtime.drafts import Draft
from event_runtime.handler import Handler
from event_runtime.health import Progress
from event_runtime.inbox import ClaimState, Inbox
from event_runtime.logs import explain_exception
from event_runtime.metrics import RuntimeMetrics
from event_runtime.migrate import runtime_ddl_v1
from event_runtime.outbox import Outbox
from event_runtime.pipeline import BatchPolicy, Pipeline
from event_runtime.positions import Positions
from event_runtime.publisher import Publisher
from event_runtime.quarantine import Announcer, Quarantine
from event_runtime.records import MessageKey, Received
from event_runtime.relay import Relay, RelayPolicy
from event_runtime.retry import RetryPolicy
from event_runtime.sealing import Cipher

SCHEMA = "rt"
STREAMS = 4
# A killed member of a group keeps its partitions this long (10 s in service).
SOON_MISSED = {"session.timeout.ms": "3000", "heartbeat.interval.ms": "500"}
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """One service's runtime on a database."""

    url: str
    engine: Engine
    codec: Codec
    topics: Mapping[str, str]

    @property
    def outbox(self) -> Outbox:
        return Outbox(SCHEMA)

    @property
    def inbox(self) -> Inbox:
        return Inbox(SCHEMA)

    @property
    def publisher(self) -> Publisher:
        return Publisher(self.codec, customer_events.CATALOGUE, "/test", self.topics)

    def metrics(self) -> RuntimeMetrics:
        return RuntimeMetrics(
            "test", topics=self.topics.values(), published_topics=self.topics.values(), streams=STREAMS
        )

    def query(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
        """Run one statement in a transaction of its own; `{s}` in it is the schema."""
        with self.engine.begin() as connection:
            result = connection.execute(text(statement.format(s=SCHEMA)), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    def scalar(self, statement: str, **values: object) -> Any:
        return self.query(statement, **values)[0][0]

    def append(self, *drafts: Draft) -> None:
        with self.engine.begin() as connection:
            self.outbox.append(connection, drafts)

    def relay(self, bootstrap: str, **more: object) -> Relay:
        options = {
            "engine": self.engine,
            "schema": SCHEMA,
            "kafka": {"bootstrap.servers": bootstrap},
            "progress": Progress("relay"),
            "metrics": self.metrics(),
            "carrier_topic": self.topics["merge-outcome"],
            "policy": RelayPolicy(lease_s=2.0, restart_s=0.1, poll_s=0.2),
        }
        return Relay(**{**options, **more})  # type: ignore[arg-type]  # options by name, as the test chooses

    def pipeline(
        self,
        bootstrap: str,
        handlers: Mapping[str, Handler],
        *,
        group: str = "rt",
        kafka: Mapping[str, str] | None = None,
        cipher: Cipher | None = None,
        **more: object,
    ) -> Pipeline:
        real = {self.topics[name]: handler for name, handler in handlers.items()}
        config = {"bootstrap.servers": bootstrap, **(kafka or SOON_MISSED)}
        workplace = Workplace(
            engine=self.engine,
            handlers=real,
            outbox=self.outbox,
            positions=Positions(SCHEMA, group),
            quarantine=Quarantine(SCHEMA, cipher, Announcer(publisher=self.publisher, event=quarantined_record)),
            metrics=self.metrics(),
            limits=more.pop("limits", TransactionLimits()),  # type: ignore[arg-type]  # as above
            retry=more.pop("retry", RetryPolicy(pause_wait_s=0.6, reconnect_max_wait_s=0.6)),  # type: ignore[arg-type]  # as above
        )
        options = {"batch": BatchPolicy(), "breaker": BreakerPolicy(), "progress": Progress("pipeline")}
        return Pipeline(
            connect=lambda: BusConsumer(config, group=f"{self.topics['merge-command']}-{group}", topics=list(real)),
            workplace=workplace,
            codec=self.codec,
            **{**options, **more},  # type: ignore[arg-type]  # as above
        )


def make_runtime(url: str, topic_prefix: str = "") -> Runtime:
    """The runtime's tables in `url`, and a table `seen` for the handlers below."""
    # what a service logs, on standard output; structlog's own default renders every fault with its locals, for seconds
    structlog.configure(
        processors=[structlog.processors.add_log_level, explain_exception, structlog.processors.KeyValueRenderer()]
    )
    engine = create_engine(url, pool_size=10)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        for statement in runtime_ddl_v1(SCHEMA, streams=STREAMS):
            connection.execute(text(statement))
        connection.execute(
            text(
                f"CREATE TABLE {SCHEMA}.seen (n bigserial, command_id text, note text NOT NULL, CHECK (note <> 'bad'))"
            )
        )
    topics = {name: topic_prefix + name for name in customer_events.TOPICS}
    codec = Codec(SchemaStore(customer_events.schemas_directory()), customer_events.CATALOGUE)
    return Runtime(url=url, engine=engine, codec=codec, topics=topics)


def through_proxy(runtime: Runtime, url: str) -> Runtime:
    """The same runtime, reached on another way."""
    return replace(runtime, url=url, engine=create_engine(url, pool_size=10))


@contextmanager
def running(*loops: Pipeline | Relay) -> Iterator[None]:
    """Run loops in threads for the time of the block; a loop that raises fails the test."""
    stop, faults = threading.Event(), []

    def run(loop: Pipeline | Relay) -> None:
        try:
            loop.run(stop)
        except BaseException as fault:  # noqa: BLE001 - raised again by the test's own thread
            faults.append(fault)

    threads = [threading.Thread(target=run, args=(loop,), daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert not any(thread.is_alive() for thread in threads), "a loop did not stop"
    if faults:
        raise faults[0]


def command(number: int, *, tenant: str = "t1", note: str = "fine") -> ConvertCustomer:
    """A small command; `note` is what the handler below stores."""
    return ConvertCustomer(
        tenant_id=tenant,
        command_id=f"c{number:05d}",
        customer_id=f"{number}",
        to_type="INDIVIDUAL",
        requested_by={"id": "me", "roles": ()},
        reason=note,
    )


def erased(number: int, *, tenant: str = "t1") -> IdentityErased:
    """A small event of a stream."""
    return IdentityErased(tenant_id=tenant, canonical_id=f"{number}", member_ids=(f"{number}",), at=NOW)


def completed(number: int, *, tenant: str = "t1") -> MergeCompleted:
    """The terminal outcome of command `number`."""
    return MergeCompleted(
        tenant_id=tenant,
        command_id=f"c{number:05d}",
        merge_id=f"m{number}",
        kind="CONVERT",
        rows="COMPLETE",
        completed_at=NOW,
    )


@dataclass(slots=True)
class Converter:
    """Claims each command, notes it in `seen`, answers with a stream event and a terminal outcome."""

    runtime: Runtime
    before: Callable[[Connection, Sequence[Received]], None] = lambda _connection, _received: None
    batches: list[int] = field(default_factory=list)

    def handle(self, connection: Connection, received: Sequence[Received]) -> list[Draft]:
        self.batches.append(len(received))
        self.before(connection, received)
        events: list[Any] = [each.event for each in received]
        asked = [(event.tenant_id, event.command_id, each.digest) for event, each in zip(events, received, strict=True)]
        drafts: list[Draft] = []
        for event, claim in zip(events, self.runtime.inbox.claim(connection, asked), strict=True):
            if claim.state is ClaimState.NEW:
                connection.execute(
                    text(f"INSERT INTO {SCHEMA}.seen (command_id, note) VALUES (:id, :note)"),
                    {"id": event.command_id, "note": event.reason},
                )
                drafts += self._answer(int(event.customer_id), event.tenant_id)
            elif claim.outcome is not None:
                drafts.append(claim.outcome.draft())
        return drafts

    def _answer(self, number: int, tenant: str) -> list[Draft]:
        publisher = self.runtime.publisher
        return [
            publisher.draft(erased(number, tenant=tenant)),
            publisher.draft_after(
                completed(number, tenant=tenant),
                event_id=f"terminal-{number}",
                answers=MessageKey(tenant, f"c{number:05d}"),
            ),
        ]


def produce(bootstrap: str, topic: str, values: Sequence[bytes | None], *, partition: int = -1) -> None:
    """Write raw record values to a topic, with their number as key."""
    producer = Producer(producer_config({"bootstrap.servers": bootstrap}))
    for number, value in enumerate(values):
        producer.produce(topic, value, key=str(number), partition=partition)
    assert producer.flush(30) == 0
