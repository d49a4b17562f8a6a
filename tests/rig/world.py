"""What the worlds of all services have in common: a database, a bus with topics of their own, events as records."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy

import customer_events as wire
from event_runtime import cloudevents
from rig.invariants import CODEC
from rig.processes import service_env


@dataclass(slots=True, kw_only=True)
class World:
    """Where the services of one test meet: each statement is committed at once, each topic carries the prefix."""

    database_url: str
    bootstrap: str
    prefix: str
    engine: sqlalchemy.Engine = field(init=False)

    def __post_init__(self) -> None:
        url = sqlalchemy.make_url(self.database_url).set(drivername="postgresql+psycopg")
        self.engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")

    def service_env(self, service: str, **settings: str) -> dict[str, str]:
        """The environment of a service; `settings` without its prefix.

        Groups are KIP-848 ones, which form sooner; a killed one's relay is missed soon.
        """
        return service_env(
            service,
            database=self.database_url,
            bootstrap=self.bootstrap,
            topic_prefix=self.prefix,
            **({"KAFKA__GROUP_PROTOCOL": "consumer", "RELAY__LEASE_S": "2"} | settings),
        )

    def sql(self, statement: str, **values: Any) -> list[Any]:
        """Run one statement, committed; returns its rows."""
        with self.engine.connect() as connection:
            result = connection.execute(sqlalchemy.text(statement), values)
            return list(result) if result.returns_rows else []


def as_record(event: Any) -> tuple[bytes, dict[str, str]]:
    """An event as a system beside ours publishes it: value and headers."""
    kind = wire.event_type(event)
    headers = cloudevents.headers(
        event_id=str(uuid.uuid4()),
        source="/test",
        type_=kind.name,
        subject=kind.subject(event),
        time=datetime.now(UTC),
        partitionkey=kind.key(event),
        dataschema=CODEC.schema_uri(kind.name),
    )
    return CODEC.encode(event), headers
