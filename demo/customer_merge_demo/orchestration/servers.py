"""The database and the bus of a run: brought along, or the user's own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from customer_events import TOPICS
from customer_merge_demo.orchestration.probe import READERS
from event_runtime.bus_config import TopicPlan, create_topics
from event_runtime.database import create_engine, describe
from event_runtime.embedded import EmbeddedBus, EmbeddedPostgres
from event_runtime.faults import Fault

_BROKER_ANSWER_S = 10.0
# A throw-away database may lose what a power cut takes: it is removed at the end anyway.
THROW_AWAY = {"fsync": "off", "full_page_writes": "off"}


class ServerRefused(Fault):
    """A server given on the command line cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """How the programs of a run reach the database and the bus; the embedded bus knows no transactions."""

    database_url: str = field(repr=False)
    kafka: Mapping[str, str]
    topic_prefix: str
    embedded_bus: bool
    embedded_database: bool

    @property
    def topics(self) -> dict[str, str]:
        """Default topic name → real name."""
        return {name: f"{self.topic_prefix}{name}" for name in TOPICS}

    @property
    def partitions(self) -> dict[str, int]:
        """Real topic name → number of partitions."""
        return {f"{self.topic_prefix}{topic.name}": topic.partitions for topic in TOPICS.values()}


@contextmanager
def embedded_database() -> Iterator[str]:
    """A PostgreSQL server of our own on a temporary directory; its URL."""
    with EmbeddedPostgres(settings=THROW_AWAY) as server:
        yield server.url


@contextmanager
def embedded_bus() -> Iterator[str]:
    """A bus of our own with all topics; its bootstrap."""
    with EmbeddedBus() as bus:
        make_topics(bus)
        yield bus.bootstrap


def make_topics(bus: EmbeddedBus) -> None:
    """Every topic with the partitions that the catalogue gives it."""
    for topic in TOPICS.values():
        bus.create_topic(topic.name, topic.partitions)


def embedded_client(bootstrap: str) -> dict[str, str]:
    """Librdkafka's settings for the embedded bus: the mock cluster balances groups only by the new protocol."""
    return {"bootstrap.servers": bootstrap, "group.protocol": "consumer"}


@contextmanager
def given_database(url: str, *, keep: bool) -> Iterator[str]:
    """The user's database, reachable and free of our schemas, which are dropped at the end unless `keep`."""
    _require_free(url)
    try:
        yield url
    finally:
        if not keep:
            _on_database(url, _drop_schemas)


@contextmanager
def given_bus(bootstrap: str, *, keep: bool) -> Iterator[tuple[Mapping[str, str], str]]:
    """Settings and topic prefix on the user's Kafka; this run's own topics are deleted at the end unless `keep`."""
    kafka = {"bootstrap.servers": bootstrap}
    admin = AdminClient({**kafka, "log_level": "2"})
    try:
        admin.list_topics(timeout=_BROKER_ANSWER_S)
    except KafkaException as fault:
        raise ServerRefused(
            f"--kafka {bootstrap}: no broker answered within {_BROKER_ANSWER_S:g} s ({fault.args[0].name()});"
            " check the address and that the broker runs"
        ) from None
    prefix = f"customer-merge-demo-{secrets.token_hex(4)}."
    plans = [
        TopicPlan(name=f"{prefix}{topic.name}", partitions=topic.partitions, configuration=topic.configuration)
        for topic in TOPICS.values()
    ]
    create_topics(kafka, plans)
    try:
        yield kafka, prefix
    finally:
        if not keep:
            for done in admin.delete_topics([plan.name for plan in plans]).values():
                done.exception(_BROKER_ANSWER_S)


def _require_free(url: str) -> None:
    def taken(engine_url: str) -> list[str]:
        engine = create_engine(engine_url, pool_size=1)
        try:
            with engine.connect() as connection:
                found = connection.execute(
                    text(
                        "SELECT schema_name FROM information_schema.schemata WHERE schema_name = ANY(:names) ORDER BY 1"
                    ),
                    {"names": list(READERS)},
                )
                return [row.schema_name for row in found]
        finally:
            engine.dispose()

    names = _on_database(url, taken)
    if names:
        raise ServerRefused(
            f"--database: holds the schema {', '.join(names)} already;"
            " give an empty database, the demonstration makes its own schemas"
        )


def _drop_schemas(url: str) -> list[str]:
    engine = create_engine(url, pool_size=1)
    try:
        with engine.begin() as connection:
            for schema in READERS:
                connection.execute(text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))
    finally:
        engine.dispose()
    return []


def _on_database(url: str, work: Callable[[str], list[str]]) -> list[str]:
    try:
        return work(url)
    except SQLAlchemyError as fault:
        raise ServerRefused(
            f"--database: the server cannot be used ({describe(fault)});"
            " check host, port, name, user and password, and that it runs"
        ) from None
