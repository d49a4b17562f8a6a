"""Promises I1 to I5 of a merge worker, checked over its database and its topics once they have come to rest.

Written from the design alone: it shares the codec with the product and none of the code under test.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy
from confluent_kafka import Message

import customer_events as wire
from event_runtime.codec import Codec, SchemaStore, payload_of
from rig.topics import read_topic

CODEC = Codec(SchemaStore(wire.schemas_directory()), wire.CATALOGUE)
TERMINAL = tuple(kind.__name__ for kind in wire.TERMINAL_OUTCOMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One record of a topic as a read_committed consumer sees it; `event` None is a tombstone."""

    partition: int
    offset: int
    event_id: str
    key: str
    event: Any
    body: bytes

    @property
    def type(self) -> str:
        return type(self.event).__name__


@dataclass(slots=True, kw_only=True)
class Evidence:
    """Everything the promises are judged by."""

    outcomes: list[Told]
    stream_events: list[Told]
    aliases: list[Told]
    inbox: dict[tuple[str, str], tuple[str | None, str | None]]
    open_requests: set[tuple[str, str]]
    canonical: dict[tuple[str, str], tuple[str, int]]
    edges: dict[tuple[str, str], str]
    links: dict[tuple[str, str], str]
    records: set[tuple[str, str]]
    erased: set[tuple[str, str]]
    heads: dict[int, tuple[int, bytes]]
    violations: list[str] = field(default_factory=list)


def assert_promises(database_url: str, bootstrap: str, prefix: str) -> Evidence:
    """Assert I1 to I5; all violations are listed, never only the first. Returns what was read."""
    evidence = gather(database_url, bootstrap, prefix)
    for check in (_i1, _i2, _i3_and_i4, _i5):
        evidence.violations.extend(check(evidence))
    assert not evidence.violations, "\n".join(evidence.violations)
    return evidence


def gather(database_url: str, bootstrap: str, prefix: str) -> Evidence:
    """Read database and topics."""
    engine = sqlalchemy.create_engine(sqlalchemy.make_url(database_url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:

        def rows(statement: str) -> list[Any]:
            return list(connection.execute(sqlalchemy.text(statement)))

        evidence = Evidence(
            outcomes=told(bootstrap, prefix + "merge-outcome"),
            stream_events=told(bootstrap, prefix + "customer-merged"),
            aliases=told(bootstrap, prefix + "customer-alias"),
            inbox={
                (row.tenant_id, row.message_id): (row.outcome_id, row.outcome_type)
                for row in rows("SELECT tenant_id, message_id, outcome_id, outcome_type FROM merge.inbox")
            },
            open_requests={
                (row.tenant_id, row.command_id)
                for row in rows(
                    "SELECT tenant_id, command_id FROM merge.requests"
                    " WHERE status IN ('recommended', 'approved', 'deferred')"
                )
            },
            canonical={
                (row.tenant_id, row.customer_id): (row.canonical_id, row.version)
                for row in rows("SELECT tenant_id, customer_id, canonical_id, version FROM merge.canonical")
            },
            edges={
                (row.tenant_id, row.loser_id): row.winner_id
                for row in rows("SELECT tenant_id, loser_id, winner_id FROM merge.edges WHERE active")
            },
            links={
                (row.tenant_id, row.customer_id): row.merged_into
                for row in rows(
                    "SELECT tenant_id, customer_id, merged_into FROM store.customers WHERE merged_into IS NOT NULL"
                )
            },
            records={
                (row.tenant_id, row.customer_id) for row in rows("SELECT tenant_id, customer_id FROM store.customers")
            },
            erased={
                (row.tenant_id, row.customer_id) for row in rows("SELECT tenant_id, customer_id FROM merge.erased")
            },
            heads={
                row.stream: (row.sequence, row.hash)
                for row in rows("SELECT stream, sequence, hash FROM merge.outbox_heads")
            },
        )
    engine.dispose()
    return evidence


def told(bootstrap: str, topic: str) -> list[Told]:
    """Every record of a topic, decoded, partition by partition in order."""
    return [_told(message) for message in read_topic(bootstrap, topic)]


def _told(message: Message) -> Told:
    headers = {str(name): value for name, value in dict(message.headers() or []).items() if isinstance(value, bytes)}
    body, partition, offset = message.value(), message.partition(), message.offset()
    assert body is None or isinstance(body, bytes)
    assert partition is not None
    assert offset is not None
    return Told(
        partition=partition,
        offset=offset,
        event_id=headers["ce_id"].decode(),
        key=bytes(message.key() or b"").decode(),
        event=None if body is None else CODEC.decode(body),
        body=body or b"",
    )


def _i1(evidence: Evidence) -> Iterator[str]:
    """Every accepted command ends in exactly one terminal outcome, and every merge is told of once."""
    ends: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in evidence.outcomes:
        if one.type in TERMINAL and not _is_key_reuse(one.event):
            ends[one.event.tenant_id, one.event.command_id].add(one.event_id)
    for command, (outcome_id, outcome_type) in evidence.inbox.items():
        if outcome_id is None:
            if command not in evidence.open_requests:
                yield f"I1: {command} has no outcome and does not wait"
        elif ends.get(command) != {outcome_id}:
            yield f"I1: {command} ended as {outcome_type} {outcome_id}, the topic says {ends.get(command)}"
    yield from (
        f"I1: {command} has an outcome and was never accepted" for command in ends.keys() - evidence.inbox.keys()
    )
    merged = [one.event.merge_id for one in evidence.stream_events if one.type == "CustomerMerged"]
    completed = {
        one.event.merge_id
        for one in evidence.outcomes
        if one.type == "MergeCompleted" and one.event.kind is wire.OutcomeKind.MERGE
    }
    if len(merged) != len(set(merged)) or set(merged) != completed:
        yield f"I1: merges told of {sorted(merged)}, merges completed {sorted(completed)}"


def _is_key_reuse(event: Any) -> bool:
    return isinstance(event, wire.MergeRejected) and event.errors[0].rule == "IDEMPOTENCY_KEY_REUSED"


def _i2(evidence: Evidence) -> Iterator[str]:
    """The identity map is acyclic and flat, and says what edges and customer rows say."""
    roots: dict[tuple[str, str], str] = {}
    for tenant_id, loser_id in evidence.edges:
        seen, at = [loser_id], loser_id
        while (tenant_id, at) in evidence.edges:
            at = evidence.edges[tenant_id, at]
            if at in seen:
                yield f"I2: the edges of {tenant_id} run in a circle: {seen}"
                break
            seen.append(at)
        roots[tenant_id, loser_id] = at
    mapped = {key: root for key, (root, _) in evidence.canonical.items() if root != key[1]}
    if mapped != roots:
        yield f"I2: the map says {mapped}, the edges {roots}"
    for (tenant_id, customer_id), (root, _) in evidence.canonical.items():
        if evidence.canonical.get((tenant_id, root), (root, 0))[0] != root:
            yield f"I2: {tenant_id}:{customer_id} leads to {root}, which leads on"
    # An id that was given up in a conversion has no record any more.
    linked = {key: root for key, root in roots.items() if key in evidence.records}
    # What is left of an erased customer's record points where it pointed.
    links = {key: root for key, root in evidence.links.items() if key not in evidence.erased}
    if links != linked:
        yield f"I2: the customers' links say {links}, the edges {linked}"


def _i3_and_i4(evidence: Evidence) -> Iterator[str]:
    """A read_committed reader sees 1..n of each stream once, in order, hash-chained, up to the database's heads."""
    last: dict[int, tuple[int, bytes]] = {stream: (0, bytes(32)) for stream in evidence.heads}
    for one in evidence.stream_events:
        event = one.event
        if one.partition != event.stream:
            yield f"I4: event {event.sequence} of stream {event.stream} is in partition {one.partition}"
        sequence, digest = last[event.stream]
        if event.sequence != sequence + 1:
            yield f"I4: stream {event.stream}: event {event.sequence} comes after {sequence}"
        if event.prev_hash != digest:
            yield f"I3: stream {event.stream}: event {event.sequence} does not hold the hash of the one before"
        last[event.stream] = (event.sequence, hashlib.sha256(payload_of(one.body)).digest())
    for stream, head in evidence.heads.items():
        if last[stream] != head:
            yield f"I3: stream {stream} ends at {last[stream][0]} in the topic and at {head[0]} in the database"


def _i5(evidence: Evidence) -> Iterator[str]:
    """Replaying the stream, or taking the newest alias of each id, rebuilds the identity map."""
    replayed: dict[tuple[str, str], tuple[str, int]] = {}
    for one in evidence.stream_events:
        for member in getattr(one.event, "member_ids", ()):
            replayed.pop((one.event.tenant_id, member), None)
        for redirect in getattr(one.event, "redirects", ()):
            key = (one.event.tenant_id, redirect.from_)
            if replayed.get(key, ("", 0))[1] >= redirect.version:
                yield f"I5: {key} goes from version {replayed[key][1]} to {redirect.version}"
            replayed[key] = (redirect.canonical, redirect.version)
    if replayed != evidence.canonical:
        yield f"I5: the stream rebuilds {_differing(replayed, evidence.canonical)}"
    newest: dict[tuple[str, str], tuple[str, int]] = {}
    for one in evidence.aliases:
        if one.event is None:
            tenant_id, customer_id = one.key.split(":", 1)
            newest.pop((tenant_id, customer_id), None)
            continue
        key = (one.event.tenant_id, one.event.retired_id)
        if one.event.version > newest.get(key, ("", 0))[1]:
            newest[key] = (one.event.canonical_id, one.event.version)
    if newest != evidence.canonical:
        yield f"I5: the aliases rebuild {_differing(newest, evidence.canonical)}"


def _differing(
    built: Mapping[tuple[str, str], tuple[str, int]], held: Mapping[tuple[str, str], tuple[str, int]]
) -> list[tuple[Any, Any, Any]]:
    return [
        (key, built.get(key), held.get(key)) for key in built.keys() | held.keys() if built.get(key) != held.get(key)
    ]
