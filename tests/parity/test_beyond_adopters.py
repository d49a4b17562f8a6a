"""What none has, for those who bring tables and downstream systems of their own."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from event_runtime.database import create_engine
from event_runtime.runtime_ddl import runtime_ddl_v1
from relink import Redirection, conformance, relink_ddl_v1
from rig import databases, topics
from rig.profile_world import PACKAGES, PARTITIONS, ProfileWorld, end_world

# A grown database: quoted names, a numeric key, no tenant, no version, a table without a declared key to the customers.
LEGACY = """
CREATE SCHEMA "Vertrieb";
CREATE TABLE "Vertrieb"."Kunden" (
    "KdNr" integer PRIMARY KEY,
    "Name" text NOT NULL,
    "E-Mail" text,
    "geaendert am" timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE "Vertrieb"."Auftraege" (
    id integer PRIMARY KEY,
    "Kunde" integer NOT NULL REFERENCES "Vertrieb"."Kunden",
    "Betrag" numeric NOT NULL
);
CREATE TABLE "Vertrieb"."Newsletter" (
    id integer PRIMARY KEY,
    "KdNr" integer NOT NULL,
    "Liste" text NOT NULL,
    UNIQUE ("KdNr", "Liste")
);
INSERT INTO "Vertrieb"."Kunden" VALUES (7, 'Erika Muster', NULL), (8, 'E. Muster', 'e@example.org');
INSERT INTO "Vertrieb"."Auftraege" VALUES (1, 7, 10), (2, 8, 20), (3, 8, 30);
INSERT INTO "Vertrieb"."Newsletter" VALUES (1, 7, 'Post'), (2, 8, 'Post'), (3, 8, 'Katalog');
"""
PLAN = """
name: vertrieb
revision: 1
customer:
  table: Vertrieb.Kunden
  key: {column: KdNr, type: integer}
  updated_at: geaendert am
disposition: {kind: delete}
fields: {Name: WINNER_THEN_FILL, E-Mail: WINNER_THEN_FILL}
children:
  - {table: Vertrieb.Auftraege, customer: Kunde, move: repoint}
"""
NEWSLETTER = """
  - {table: Vertrieb.Newsletter, move: repoint_unique, unique: [Liste], collision: {policy: keep_winner}}
"""


@pytest.fixture
def legacy(kafka: str, postgres_server: str, tmp_path: Path) -> Iterator[ProfileWorld]:
    """The grown database with the worker's own schema beside it; nothing runs yet."""
    prefix = f"p{uuid.uuid4().hex[:10]}."
    topics.create(kafka, {prefix + name: count for name, count in PARTITIONS.items()})
    world = ProfileWorld(
        profile=str(tmp_path / "plan.yaml"),
        database_url=databases.create(like=databases.migrated_template(PACKAGES)),
        bootstrap=kafka,
        prefix=prefix,
        directory=tmp_path,
    )
    for statement in filter(str.strip, LEGACY.split(";")):
        world.sql(statement)
    yield world
    end_world(world)


@pytest.mark.parity(system="What none has", row="own-tables")
@pytest.mark.parity(system="What none has", row="plan-complete")
def test_customers_are_merged_in_the_tables_that_somebody_has_already(legacy: ProfileWorld) -> None:
    plan = Path(legacy.profile)
    draft = legacy.worker("plan", "discover", "--table", "Vertrieb.Kunden").out
    assert all(name in draft for name in ("Auftraege", "Newsletter", "KdNr"))
    plan.write_text(PLAN)
    incomplete = legacy.worker("plan", "check")
    assert (incomplete.status, "Vertrieb.Newsletter" in incomplete.out) == (1, True)
    plan.write_text(PLAN + NEWSLETTER)
    checked = legacy.worker("plan", "check")
    assert checked.status == 0, checked.out

    preview = legacy.preview(legacy.merge(7, 8))
    assert {move["table"]: (move["rows"], move["collisions"]) for move in preview["moves"]} == {
        "Vertrieb.Auftraege": (2, 0),
        "Vertrieb.Newsletter": (1, 1),
    }
    legacy.spawn(["merge-worker", "run"])
    merge_id = legacy.merged(7, 8)["merge_id"]
    assert [tuple(row) for row in legacy.sql('SELECT "KdNr", "E-Mail" FROM "Vertrieb"."Kunden"')] == [
        (7, "e@example.org")
    ]
    assert legacy.value('SELECT sum("Betrag") FROM "Vertrieb"."Auftraege" WHERE "Kunde" = 7') == 60
    assert legacy.worker("unmerge", merge_id, "--wait").status == 0
    owners = legacy.sql('SELECT id, "KdNr" FROM "Vertrieb"."Newsletter" ORDER BY 1')
    assert [tuple(row) for row in owners] == [(1, 7), (2, 8), (3, 8)]


class Notes:
    """A downstream system's relinker for rows that keep the id they were written with."""

    system = "notes"
    by = "original_id"

    def apply(self, connection: Connection, redirects: Sequence[Redirection]) -> Mapping[str, int]:
        """Point the notes at whom they are about now."""
        moved = 0
        for one in redirects:
            values = {"tenant": one.tenant_id, "id": one.customer_id, "canonical": one.canonical_id}
            statement = (
                f"UPDATE notes.notes SET customer_id = :canonical"
                f" WHERE tenant_id = :tenant AND {self.by} = :id AND customer_id <> :canonical"
            )
            moved += connection.execute(text(statement), values).rowcount
        return {"notes": moved}


class Forgetful(Notes):
    """The same mistake that many make: rows are found by the id they hold now, so no unmerge brings them back."""

    by = "customer_id"


class Subject:
    """What the kit needs of a downstream system."""

    schema = "notes"

    def __init__(self, relinker: Notes) -> None:
        self._relinker = relinker

    def relinker(self) -> Notes:
        """The relinker under test."""
        return self._relinker

    def fill(self, connection: Connection, tenant_id: str, customer_ids: Sequence[str]) -> None:
        """A note about each customer."""
        for id_ in customer_ids:
            connection.execute(text("INSERT INTO notes.notes VALUES (:t, :id, :id)"), {"t": tenant_id, "id": id_})

    def clear(self, connection: Connection) -> None:
        """No notes."""
        connection.execute(text("DELETE FROM notes.notes"))

    def owners(self, connection: Connection, tenant_id: str) -> Mapping[str, str]:
        """Whom each note is about now."""
        rows = connection.execute(
            text("SELECT original_id, customer_id FROM notes.notes WHERE tenant_id = :t"), {"t": tenant_id}
        )
        return {row.original_id: row.customer_id for row in rows}


@pytest.mark.parity(system="What none has", row="conformance")
def test_a_downstream_team_proves_its_relinker_before_it_goes_live(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA notes"))
        for statement in (*runtime_ddl_v1("notes"), *relink_ddl_v1("notes")):
            connection.execute(text(statement))
        connection.execute(text("CREATE TABLE notes.notes (tenant_id text, original_id text, customer_id text)"))
    conformance.check_all(engine, Subject(Notes()))
    with pytest.raises(conformance.NotConforming):
        conformance.check_all(engine, Subject(Forgetful()))
    engine.dispose()
