"""One sample downstream team's relinker as a process: `python -m customer_merge_demo.relinker crm`.

Reads customer-merged, moves the system's own rows, acknowledges; all in one transaction with its position.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import ClassVar

from pydantic_settings import SettingsConfigDict
from sqlalchemy import Engine

from customer_events import CATALOGUE, TOPICS, UNKNOWN_TENANT, QuarantinedRecord, RecordSource, schemas_directory
from customer_merge_demo.downstream import DownstreamSystem
from customer_merge_demo.systems import SYSTEM_NAMES, named
from event_runtime import logs
from event_runtime.batch import Workplace
from event_runtime.bus import BusConsumer
from event_runtime.codec import Codec, SchemaStore
from event_runtime.database import create_engine
from event_runtime.faults import Fault, SettingError
from event_runtime.health import Progress
from event_runtime.metrics import RuntimeMetrics
from event_runtime.migrate import require_migrated
from event_runtime.outbox import Outbox
from event_runtime.pipeline import BatchPolicy, Pipeline
from event_runtime.positions import Positions
from event_runtime.publisher import Publisher
from event_runtime.quarantine import Announcer, Quarantine, QuarantinedFacts
from event_runtime.relay import Relay
from event_runtime.service import Service
from event_runtime.settings import ServiceSettings
from relink import RelinkHandler

_READS = "customer-merged"
_WRITES = ("relink-ack", "merge-quarantine")


class RelinkerSettings(ServiceSettings):
    """What a relinker is told by its environment."""

    model_config = SettingsConfigDict(env_prefix="RELINKER_")
    known_topics: ClassVar[tuple[str, ...]] = tuple(TOPICS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one system's relinker until a signal comes; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m customer_merge_demo.relinker", description=__doc__)
    parser.add_argument("system", choices=SYSTEM_NAMES)
    system = named(parser.parse_args(arguments).system)
    try:
        settings = RelinkerSettings.load(os.environ, dotenv=None)
        logs.configure(f"relinker-{system.system}", settings.log.level)
        return _service(system, settings).run()
    except SettingError as fault:
        sys.stderr.write(f"{fault}\n")
        return 2
    except Fault as fault:
        sys.stderr.write(f"{fault}\n")
        return 1


def _service(system: DownstreamSystem, settings: ServiceSettings) -> Service:
    schema = system.system
    topics = {name: settings.topic(name) for name in (_READS, *_WRITES)}
    engine = create_engine(settings.database_url(), application_name=f"relinker {schema}")
    codec = Codec(SchemaStore(schemas_directory()), CATALOGUE)
    publisher = Publisher(codec, CATALOGUE, source=f"/customer-merge/demo/{schema}", topics=topics)
    metrics = RuntimeMetrics(
        f"relinker-{schema}", topics=[topics[_READS]], published_topics=[topics[name] for name in _WRITES]
    )
    kafka = settings.kafka_properties()
    handler = RelinkHandler(relinker=system, publisher=publisher, schema=schema)
    group = settings.group or schema
    workplace = Workplace(
        engine=engine,
        handlers={topics[_READS]: handler},
        outbox=Outbox(schema),
        positions=Positions(schema, group),
        quarantine=Quarantine(schema, announce=Announcer(publisher=publisher, event=quarantined)),
        metrics=metrics,
    )

    def pipeline(progress: Progress) -> Pipeline:
        return Pipeline(
            connect=lambda: BusConsumer(kafka, group=group, topics=[topics[_READS]]),
            workplace=workplace,
            codec=codec,
            progress=progress,
            batch=BatchPolicy(max_records=settings.batch.max_commands, linger_ms=settings.batch.max_wait_ms),
        )

    def relay(progress: Progress) -> Relay:
        return Relay(
            engine=engine,
            schema=schema,
            kafka=kafka,
            progress=progress,
            metrics=metrics,
            carrier_topic=topics["relink-ack"],
            transactional=settings.relay.transactional,
        )

    service = Service(f"relinker-{schema}", http=settings.http, metrics=metrics)
    service.needs("database", lambda: _require_tables(engine, schema))
    service.loop("merges", pipeline)
    service.loop("relay", relay)
    service.closes(engine.dispose)
    return service


def quarantined(facts: QuarantinedFacts) -> QuarantinedRecord:
    """The event about a record that could not be processed."""
    return QuarantinedRecord(
        tenant_id=facts.tenant_id or UNKNOWN_TENANT,
        source=RecordSource(topic=facts.topic, partition=facts.partition, offset=facts.offset),
        class_=facts.class_,
        reason=facts.reason,
        digest=facts.digest,
        body=facts.body,
        attempts=facts.attempts,
        at=facts.at,
    )


def _require_tables(engine: Engine, schema: str) -> None:
    with engine.connect() as connection:
        require_migrated(connection, package=f"customer_merge_demo.{schema}", schema=schema)


if __name__ == "__main__":
    sys.exit(main())
