"""Members of the loyalty programme, and the mailing tool that is connected to it."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import structlog
from sqlalchemy import Connection, text

from relink import Redirection, RelinkHandler, relink_ddl_v1
from rig.profile_world import ProfileWorld
from rig.runtime import SCHEMA, make_runtime, running

OWNED = (
    "identities", "transactions", "point_balances", "point_entries", "tier_progress", "rewards", "benefits", "consents",
)  # fmt: skip


def member(world: ProfileWorld, **columns: Any) -> str:
    """Insert a profile; its id."""
    return str(world.insert_returning("omneo.profiles", "id", **{"first_name": "Noor", **columns}))


def active_member(world: ProfileWorld, name: str, points: Sequence[int], **columns: Any) -> str:
    """Insert a profile with a row of every kind; its id."""
    id_ = member(world, **columns)

    def row(table: str, **values: Any) -> None:
        world.insert(f"omneo.{table}", profile_id=id_, **values)

    row("identities", handle="pos", identifier=f"pos-{name}-{id_}")
    for number, figure in enumerate(points):
        row("transactions", receipt=f"{name}-{number}-{id_}", total_cents=figure * 100)
        row("point_entries", points=figure, reason=f"receipt {number}")
    row("point_balances", available=sum(points), lifetime=sum(points))
    row("tier_progress", spend_cents=sum(points) * 100, visits=len(points))
    row("rewards", reward=f"reward of {name}", value_cents=500)
    row("benefits", benefit=f"benefit of {name}", expires_at="2099-01-01")
    world.insert("omneo_mailer.contacts", original_profile_id=id_, profile_id=id_, list="newsletter")
    return id_


def rows_of(world: ProfileWorld, id_: str) -> dict[str, int]:
    """How many rows of each kind a profile has, without those it has none of."""
    counts = {
        table: world.value(f"SELECT count(*) FROM omneo.{table} WHERE profile_id = :id", id=id_) for table in OWNED
    }
    return {table: count for table, count in counts.items() if count}


def image(world: ProfileWorld, id_: str) -> list[str]:
    """The profile and everything that is its, as text."""
    tables = [("profiles", "id"), *((table, "profile_id") for table in OWNED)]
    return [
        f"{table}: {row[0]}"
        for table, column in tables
        for row in world.sql(f"SELECT to_jsonb(t)::text FROM omneo.{table} t WHERE {column} = :id ORDER BY 1", id=id_)
    ]


class Mailer:
    """The mailing tool's relinker: it knows its own rows, and the ids they were written under."""

    system = "mailer"

    def apply(self, connection: Connection, redirects: Sequence[Redirection]) -> Mapping[str, int]:
        """Point the contacts at whom they are now."""
        moved = connection.execute(
            text(
                "UPDATE omneo_mailer.contacts c SET profile_id = r.canonical"
                " FROM unnest(CAST(:ids AS uuid[]), CAST(:canonical AS uuid[])) AS r (id, canonical)"
                " WHERE c.original_profile_id = r.id AND c.profile_id <> r.canonical"
            ),
            {
                "ids": [redirect.customer_id for redirect in redirects],
                "canonical": [redirect.canonical_id for redirect in redirects],
            },
        )
        return {"contacts": moved.rowcount}


@contextmanager
def connected_mailer(world: ProfileWorld) -> Iterator[None]:
    """The mailing tool, subscribed to the merges and acknowledging what it relinked."""
    runtime = make_runtime(world.database_url, world.prefix)
    # Its threads log while commands are run whose standard output is read.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with runtime.engine.begin() as connection:
        for statement in relink_ddl_v1(SCHEMA):
            connection.execute(text(statement))
    handler = RelinkHandler(relinker=Mailer(), publisher=runtime.publisher, schema=SCHEMA)
    pipeline = runtime.pipeline(world.bootstrap, {"customer-merged": handler}, kafka={"group.protocol": "consumer"})
    relay = runtime.relay(world.bootstrap, carrier_topic=runtime.topics["relink-ack"])
    with running(pipeline, relay):
        yield
    runtime.engine.dispose()
