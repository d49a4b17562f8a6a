"""A subscriber on a real Kafka: relinks, acknowledges, and comes through a row that it cannot relink."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Connection, text

from customer_events import (
    AckStatus,
    CustomerConverted,
    CustomerMerged,
    CustomerType,
    CustomerUnmerged,
    Disposition,
    IdentityErased,
    MergedLoser,
    Redirect,
    RelinkAcknowledged,
    RowsMoved,
    RowsState,
    UnmergeMode,
    VersionedId,
)
from event_runtime.drafts import Draft
from event_runtime.records import Received, Record
from relink import AliasTable, Redirection, Relinker, RelinkHandler, relink_ddl_v1
from rig.processes import eventually
from rig.runtime import NOW, SCHEMA, Runtime, make_runtime, running

LIMIT_S = 60.0


class Notes:
    """Relinks `notes`; a note that must not move makes the statement fail."""

    system = "notes"

    def apply(self, connection: Connection, redirects: Sequence[Redirection]) -> Mapping[str, int]:
        changed = connection.execute(
            text(
                f"UPDATE {SCHEMA}.notes n SET customer_id = r.canonical"
                " FROM unnest(CAST(:ids AS text[]), CAST(:canonical AS text[])) AS r (id, canonical)"
                " WHERE n.original_customer_id = r.id AND n.customer_id <> r.canonical"
            ),
            {
                "ids": [redirect.customer_id for redirect in redirects],
                "canonical": [redirect.canonical_id for redirect in redirects],
            },
        )
        return {"notes": changed.rowcount}


@pytest.fixture
def runtime(
    database_url: str,
    kafka: str,
    topic_prefix: str,
    make_topics: Callable[[Mapping[str, int]], dict[str, str]],
) -> Iterator[Runtime]:
    make_topics({"customer-merged": 4, "relink-ack": 1, "merge-quarantine": 1})
    runtime = make_runtime(database_url, topic_prefix)
    with runtime.engine.begin() as connection:
        for statement in relink_ddl_v1(SCHEMA):
            connection.execute(text(statement))
        connection.execute(
            text(
                f"CREATE TABLE {SCHEMA}.notes (original_customer_id text PRIMARY KEY, customer_id text NOT NULL,"
                " stays boolean NOT NULL DEFAULT false, CHECK (NOT stays OR customer_id = original_customer_id))"
            )
        )
        connection.execute(
            text(f"INSERT INTO {SCHEMA}.notes SELECT 'c' || n, 'c' || n, n = 3 FROM generate_series(1, 6) AS n")
        )
    yield runtime
    runtime.engine.dispose()


def merged(loser: str, winner: str) -> CustomerMerged:
    return CustomerMerged(
        tenant_id="t1",
        merge_id=f"{loser}-{winner}",
        command_id=f"{loser}-{winner}",
        winner=VersionedId(id=winner, version=2),
        losers=(MergedLoser(id=loser, version=2, disposition=Disposition.LINK),),
        redirects=(Redirect(from_=loser, direct_to=winner, canonical=winner, version=1),),
        rows=RowsState.COMPLETE,
        actor="test",
        reason="test",
        policy_version="1",
        merged_at=NOW,
    )


def acknowledgements(runtime: Runtime) -> list[RelinkAcknowledged]:
    rows = runtime.query("SELECT body FROM {s}.outbox WHERE event_type = 'RelinkAcknowledged' ORDER BY position")
    decoded = [runtime.codec.decode(bytes(body)) for (body,) in rows]
    return [event for event in decoded if isinstance(event, RelinkAcknowledged)]


def test_every_merge_is_applied_and_acknowledged_once_and_a_failure_is_replayed(runtime: Runtime, kafka: str) -> None:
    publisher = runtime.publisher
    handler = RelinkHandler(relinker=Notes(), publisher=publisher, schema=SCHEMA)
    pipeline = runtime.pipeline(kafka, {"customer-merged": handler}, cipher=Fernet(Fernet.generate_key()))
    relay = runtime.relay(kafka, carrier_topic=runtime.topics["relink-ack"])
    events = [
        merged("c1", "c2"),
        merged("c3", "c4"),  # c3 must not move
        RowsMoved(tenant_id="t1", merge_id="c1-c2", moved=()),
        merged("c5", "c6"),
    ]
    runtime.append(*(publisher.draft(event) for event in events))  # as a worker does; the relay publishes them
    with running(pipeline, relay):
        eventually(lambda: len(acknowledgements(runtime)) == 3, LIMIT_S)
        told = {one.merge_id: one for one in acknowledgements(runtime)}
        assert [told[name].status for name in ("c1-c2", "c3-c4", "c5-c6")] == [
            AckStatus.RELINKED,
            AckStatus.FAILED,
            AckStatus.RELINKED,
        ]
        assert [(one.type, one.count) for one in told["c1-c2"].relinked] == [("notes", 1)]
        assert told["c3-c4"].error
        assert runtime.query("SELECT first_sequence, last_sequence FROM {s}.relink_gaps") == [(2, 2)]
        with runtime.engine.connect() as connection:
            assert AliasTable(SCHEMA).resolve(connection, "t1", ["c1", "c3"]) == {"c1": "c2", "c3": "c3"}

        runtime.query("UPDATE {s}.notes SET stays = false")
        runtime.query("UPDATE {s}.quarantine SET state = 'ASKED'")
        eventually(lambda: len(acknowledgements(runtime)) == 4, LIMIT_S)
    replayed = acknowledgements(runtime)[-1]
    assert (replayed.merge_id, replayed.status) == ("c3-c4", AckStatus.RELINKED)
    assert runtime.query("SELECT FROM {s}.relink_gaps") == []
    assert runtime.query("SELECT original_customer_id, customer_id FROM {s}.notes ORDER BY 1") == [
        ("c1", "c2"),
        ("c2", "c2"),
        ("c3", "c4"),
        ("c4", "c4"),
        ("c5", "c6"),
        ("c6", "c6"),
    ]


def test_a_merge_that_concerns_no_row_is_acknowledged_as_not_applicable(runtime: Runtime) -> None:
    handler = RelinkHandler(relinker=Notes(), publisher=runtime.publisher, schema=SCHEMA)
    event = merged("stranger", "c1").model_copy(update={"sequence": 1})
    record = Record(topic="t", partition=0, offset=0, key=None, value=b"", headers={}, timestamp_ms=0)
    received = [Received(record=record, event=event, event_id="e")]
    drafts: list[Draft] = []
    for _ in range(2):
        with runtime.engine.begin() as connection:
            drafts += handler.handle(connection, received)
    (draft,) = drafts  # the second time it was seen before
    assert isinstance(draft.body, bytes)
    told = runtime.codec.decode(draft.body)
    assert isinstance(told, RelinkAcknowledged)
    assert (told.status, told.system, told.sequence) == (AckStatus.NOT_APPLICABLE, "notes", 1)


def test_an_unmerge_gives_the_rows_back_and_is_acknowledged_under_its_own_id(runtime: Runtime) -> None:
    handler = RelinkHandler(relinker=Notes(), publisher=runtime.publisher, schema=SCHEMA)
    undone = CustomerUnmerged(
        stream=0,
        sequence=2,
        tenant_id="t1",
        unmerge_id="undo",
        merge_id="c1-c2",
        command_id="undo",
        mode=UnmergeMode.LINEAR,
        from_id="c2",
        restored=(VersionedId(id="c1", version=3),),
        redirects=(Redirect(from_="c1", direct_to="c1", canonical="c1", version=2),),
        at=NOW,
    )
    record = Record(topic="t", partition=0, offset=0, key=None, value=b"", headers={}, timestamp_ms=0)
    drafts: list[Draft] = []
    for event in (merged("c1", "c2").model_copy(update={"sequence": 1}), undone):
        with runtime.engine.begin() as connection:
            drafts += handler.handle(connection, [Received(record=record, event=event, event_id="e")])
    told = [runtime.codec.decode(draft.body) for draft in drafts if isinstance(draft.body, bytes)]
    assert [(one.merge_id, one.status) for one in told if isinstance(one, RelinkAcknowledged)] == [
        ("c1-c2", AckStatus.RELINKED),
        ("undo", AckStatus.RELINKED),
    ]
    assert runtime.query("SELECT customer_id FROM {s}.notes WHERE original_customer_id = 'c1'") == [("c1",)]


class Diary(Notes):
    """Notes, and what they say about whom is erased on demand."""

    def forget(self, connection: Connection, tenant_id: str, customer_ids: Collection[str]) -> None:
        assert tenant_id == "t1"
        connection.execute(
            text(f"DELETE FROM {SCHEMA}.notes WHERE original_customer_id = ANY (:ids)"), {"ids": sorted(customer_ids)}
        )


def _handled(runtime: Runtime, relinker: Relinker, *events: CustomerMerged | CustomerConverted | IdentityErased) -> int:
    """Hand events over, numbered in this order; answers how many acknowledgements came of it."""
    handler = RelinkHandler(relinker=relinker, publisher=runtime.publisher, schema=SCHEMA)
    record = Record(topic="t", partition=0, offset=0, key=None, value=b"", headers={}, timestamp_ms=0)
    drafts: list[object] = []
    for number, event in enumerate(events, start=1):
        item = Received(record=record, event=event.model_copy(update={"sequence": number}), event_id=f"e{number}")
        with runtime.engine.begin() as connection:
            drafts += handler.handle(connection, [item])
    return len(drafts)


def test_at_an_erasure_the_aliases_go_and_a_relinker_that_can_erases_its_own_rows(runtime: Runtime) -> None:
    erased = IdentityErased(tenant_id="t1", canonical_id="c2", member_ids=("c1", "c2"), at=NOW)
    late = merged("c1", "c6").model_copy(update={"merge_id": "late"})
    assert _handled(runtime, Diary(), merged("c1", "c2"), merged("c4", "c5"), erased, late) == 3
    assert runtime.query("SELECT customer_id, canonical_id FROM {s}.aliases") == [("c4", "c5")]
    assert runtime.query("SELECT original_customer_id FROM {s}.notes ORDER BY 1") == [
        ("c3",),
        ("c4",),
        ("c5",),
        ("c6",),
    ]


def test_an_erasure_takes_no_row_of_a_relinker_that_only_relinks(runtime: Runtime) -> None:
    erased = IdentityErased(tenant_id="t1", canonical_id="c2", member_ids=("c1", "c2"), at=NOW)
    assert _handled(runtime, Notes(), merged("c1", "c2"), erased) == 1
    assert runtime.query("SELECT count(*) FROM {s}.notes") == [(6,)]


def test_a_conversion_that_changed_an_id_is_followed_and_nobody_waits_to_hear_of_it(runtime: Runtime) -> None:
    converted = CustomerConverted(
        tenant_id="t1",
        customer_id="c1",
        new_id="o1",
        to_type=CustomerType.ORGANISATION,
        redirects=(Redirect(from_="c1", direct_to="o1", canonical="o1", version=1),),
    )
    assert _handled(runtime, Notes(), converted) == 0
    assert runtime.query("SELECT customer_id FROM {s}.notes WHERE original_customer_id = 'c1'") == [("o1",)]
    assert runtime.query("SELECT customer_id, canonical_id, merge_id FROM {s}.aliases") == [("c1", "o1", "e1")]
