"""What must hold of the database at any time of a history, told from the model alone."""

import customer_events as wire
from event_runtime.codec import payload_of
from merge_worker.application.audit_streams import Identity, Recorded, StreamAudit, StreamEnd, map_differences
from rig.customer_rows import TENANT
from rig.invariants import CODEC
from rig.undo_world import IDS, TABLES, UNIQUE, UndoWorld


def check_map(world: UndoWorld) -> None:
    """Everybody ends where the model says."""
    for customer_id, answer in world.engine.canonical(world.connection, TENANT, IDS).items():
        assert answer.canonical_id == world.model.root(customer_id)
        assert answer.version == world.model.versions.get(customer_id, 0)


def check_rows(world: UndoWorld) -> None:
    """No row is lost or doubled, and each stands at whoever answers for the customer it was written for.

    All rows of large merges must have moved, and all that came late must have been swept.
    """
    aside, kept = world.journalled("REMOVED"), world.journalled("KEPT")
    for table in TABLES:
        found = dict(world.sql(f"SELECT id, customer_id FROM store.{table} WHERE tenant_id = %(tenant)s"))
        for row in world.model.of(table):
            at = found.pop(row.id, None)
            if at is None:
                assert (table, str(row.id)) in aside, f"{row} is lost"
            else:
                assert (table, str(row.id)) not in aside, f"{row} is there and put aside"
                home = row.home if row.late else world.model.root(row.home)
                assert at == kept.get((table, str(row.id)), home), f"{row} is at {at}"
        assert not found, f"{table} {found} came from nowhere"
    _check_unique(world, {key for key in kept if key[0] in world.plan.keeps})
    _check_consents(world)
    _check_points(world)
    assert list(world.engine.verify(world.connection)) == []


def check_history(world: UndoWorld) -> None:
    """What was told is numbered and chained, and rebuilds the identity map."""
    heads = world.sql("SELECT stream, sequence, hash FROM merge.outbox_heads")
    audit = StreamAudit(heads={stream: StreamEnd(sequence=at, digest=digest) for stream, at, digest in heads})
    bodies = world.sql("SELECT body FROM merge.outbox WHERE sequence IS NOT NULL ORDER BY stream, position")
    audit.read(Recorded(event=_in_stream(body), payload=payload_of(body)) for (body,) in bodies)
    assert audit.problems == []
    answers = world.sql("SELECT tenant_id, customer_id, canonical_id, version FROM merge.canonical")
    stored = {(tenant, one): Identity(canonical_id=root, version=version) for tenant, one, root, version in answers}
    assert list(map_differences(audit.identities, stored)) == []


def check_as_if_never_merged(world: UndoWorld, records: dict[str, tuple[object, ...]]) -> None:
    """After the last undo: every row at home as it was written, every record as it was but for what people changed."""
    check_rows(world)
    assert world.journalled("REMOVED") == world.journalled("KEPT") == {}
    for table in UNIQUE:
        homes = {row.id: row.home for row in world.model.of(table)}
        assert dict(world.sql(f"SELECT id, customer_id FROM store.{table} WHERE tenant_id = %(tenant)s")) == homes
    flags = {row.id: row.primary for row in world.model.of("emails")}
    assert dict(world.sql("SELECT id, is_primary FROM store.emails WHERE tenant_id = %(tenant)s")) == flags
    types = dict(world.sql("SELECT customer_id, type FROM store.customers WHERE tenant_id = %(tenant)s"))
    now = world.records()
    for customer_id, record in records.items():
        if customer_id not in world.model.erased:
            assert now[customer_id] == (world.occupations[customer_id], *record[1:]), customer_id
            assert types[customer_id] == world.model.types[customer_id]


def _check_unique(world: UndoWorld, kept: set[tuple[str, str]]) -> None:
    """Of rows that are equal in a unique value one remains, whatever the plan does with the others."""
    for table, column in UNIQUE.items():
        kinds = {(world.model.root(row.home), row.key) for row in world.model.of(table)}
        rows = world.sql(f"SELECT id, customer_id, {column} FROM store.{table} WHERE tenant_id = %(tenant)s")
        live = [(customer_id, key) for id_, customer_id, key in rows if (table, str(id_)) not in kept]
        assert sorted(live) == sorted(kinds)
    doubled = world.sql(
        "SELECT customer_id FROM store.emails WHERE tenant_id = %(tenant)s AND is_primary "
        "GROUP BY 1 HAVING count(*) > 1"
    )
    assert doubled == []


def _check_consents(world: UndoWorld) -> None:
    """An opt-out of any member is the customer's."""
    for customer_id, channel, granted in world.sql(
        "SELECT customer_id, channel, granted FROM store.consents WHERE tenant_id = %(tenant)s"
    ):
        said = [
            row.granted
            for row in world.model.of("consents")
            if (world.model.root(row.home), row.key) == (customer_id, channel)
        ]
        assert granted is all(said)


def _check_points(world: UndoWorld) -> None:
    points: dict[str, int] = {}
    for row in world.model.of("loyalty_ledger"):
        home = row.home if row.late else world.model.root(row.home)
        points[home] = points.get(home, 0) + row.points
    held = dict(world.sql("SELECT customer_id, points FROM store.loyalty_accounts WHERE tenant_id = %(tenant)s"))
    assert {one: held.get(one, 0) for one in IDS} == {one: points.get(one, 0) for one in IDS}


def _in_stream(body: bytes) -> wire.StreamEvent:
    event = CODEC.decode(body)
    assert isinstance(event, wire.StreamEvent)
    return event
