"""The whole system in a storm: parts killed, frozen, cut off and restarted while commands pour in; nothing is lost."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import customer_events as wire
from rig.detector_world import person
from rig.invariants import Evidence, assert_promises
from rig.merge_world import merge, not_duplicate
from rig.storm import PACKAGES, PARTS, READ_BY, StormWorld, shuffled
from rig.world import as_record

TENANTS = ("shop", "other")
FAMILIES = 34
# What each family of six records (a to f) goes through, in turn; see `_family_commands`.
PLOTS = ("chain", "circle", "rivals", "many", "stranger", "twins", "choice")
NO_EVENT = b"these bytes are no event "
BLOWS: tuple[tuple[str, ...], ...] = (
    ("kill", "worker"),
    ("kill", "worker with a relay"),
    ("kill", "relay"),
    ("kill", "worker", "worker with a relay"),
    ("kill", "detector", "loyalty"),
    ("kill", "desk"),
    ("kill", "crm"),
    ("restart", "worker"),
    ("restart", "detector"),
    ("freeze", "worker"),
    ("freeze", "crm"),
    ("freeze the relay",),
    ("cut", "merge-worker"),
    ("cut",),
)
Record = tuple[bytes, dict[str, str]]


@pytest.fixture(params=[20261122, *(pytest.param(seed, marks=pytest.mark.chaos) for seed in range(1, 11))])
def world(  # noqa: PLR0917 - pytest hands fixtures by name
    request: pytest.FixtureRequest,
    migrated: Callable[..., str],
    kafka: str,
    topic_prefix: str,
    spawn: Any,
    tmp_path: Path,
) -> Iterator[Any]:
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nname: trusting\nautomatic_approval: {trusted_sources: [web]}\n")
    made = StormWorld(
        database_url=migrated(*PACKAGES),
        bootstrap=kafka,
        prefix=topic_prefix,
        spawn=spawn,
        desk_policy=str(policy),
        draw=random.Random(request.param),  # noqa: S311 - the same storm at each run
    )
    yield made
    made.close()


def test_in_a_storm_of_kills_freezes_and_cut_connections_every_command_ends_once_and_every_map_agrees(
    world: StormWorld,
) -> None:
    customers = _fill(world)
    world.start(*PARTS)
    commands = _commands(world.draw)
    waves = _cut_into(len(BLOWS), commands)
    world.produce_bytes("customer-created", _created(customers))

    for wave, blow in zip(waves, shuffled(world.draw, BLOWS), strict=True):
        producers = _producers(world, [*wave, *_unmerges(world)])
        world.order(world.draw.choice(customers)[1], tenant_id=world.draw.choice(TENANTS))
        world.wait_for_progress(world.draw.randint(1, len(wave) // 2))
        world.strike(blow)
        for producer in producers:
            producer.join()
    world.calm()

    evidence = assert_promises(world.database_url, world.bootstrap, world.prefix)
    _assert_commands_have_ended(world, evidence)
    _assert_every_map_is_the_same(world, evidence)
    _assert_rows_and_points_are_where_their_customers_are(world, evidence)
    _assert_only_what_is_no_event_is_in_quarantine(world, commands)
    died = {name: program.tail() for name, program in world.running.items() if program.returncode is not None}
    assert not died, "\n".join(died.values())


def _fill(world: StormWorld) -> list[tuple[str, str]]:
    """Customers of both tenants, with orders and points here and in the downstream systems; returns them."""
    ids = [f"{family:02d}{member}" for family in range(FAMILIES) for member in "abcdef"]
    customers = [(tenant, one) for tenant in TENANTS for one in ids]
    given = {"tenants": [tenant for tenant, _ in customers], "ids": [one for _, one in customers]}
    these = "FROM unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) WITH ORDINALITY AS c (tenant, id, n)"
    for table, columns, values in (
        ("store.customers", "tenant_id, customer_id, full_name", "tenant, id, 'Name of ' || id"),
        (
            "store.orders",
            "tenant_id, customer_id, order_number, status, total_cents",
            "tenant, id, 'of ' || id, 'PAID', 100",
        ),
        ("store.loyalty_ledger", "tenant_id, customer_id, points, reason", "tenant, id, n, id"),
        ("store.loyalty_accounts", "tenant_id, customer_id, program, points", "tenant, id, 'stars', n"),
        ("crm.contacts", "tenant_id, original_customer_id, customer_id, name", "tenant, id, id, id"),
        ("loyalty.members", "tenant_id, customer_id, points", "tenant, id, n"),
        (
            "loyalty.entries",
            "tenant_id, original_customer_id, customer_id, points, reason",
            "tenant, id, id, n, 'begin'",
        ),
    ):
        world.sql(f"INSERT INTO {table} ({columns}) SELECT {values} {these}", **given)
    same = [(tenant, one, _who(one)["email"]) for tenant, one in customers if one[-1] in "ef"]
    world.sql(
        "INSERT INTO store.emails (tenant_id, customer_id, email, email_key, verified)"
        " SELECT tenant, id, email, email, true FROM"
        " unnest(CAST(:tenants AS text[]), CAST(:ids AS text[]), CAST(:emails AS text[])) AS c (tenant, id, email)",
        tenants=[tenant for tenant, _, _ in same],
        ids=[one for _, one, _ in same],
        emails=[email for _, _, email in same],
    )
    return customers


def _who(customer_id: str) -> dict[str, str]:
    """Each family's e and f are one person, whom the detector finds and the desk merges."""
    family, member = int(customer_id[:2]), customer_id[-1].replace("f", "e")
    return person(family * 10 + "abcde".index(member))


def _created(customers: Sequence[tuple[str, str]]) -> list[Record]:
    told = [
        wire.CustomerCreated(
            tenant_id=tenant,
            customer_id=one,
            version=1,
            occurred_at=datetime(2025, 3, 1, tzinfo=UTC),
            source="web",
            attributes=wire.Attributes.model_validate({**_who(one), "email_verified": True}),
        )
        for tenant, one in customers
    ]
    return [as_record(event) for event in told]


def _commands(draw: random.Random) -> list[Record]:
    """Everything that is sent, in an order of the seed's; nearly half of it twice, some of it no event at all."""
    commands = [
        command
        for tenant in TENANTS
        for family in range(FAMILIES)
        for command in _family_commands(tenant, f"{family:02d}", PLOTS[family % len(PLOTS)])
    ]
    records = [as_record(one) for one in commands]
    again = draw.sample(records, len(records) * 2 // 5)
    return shuffled(draw, [*records, *again, *((NO_EVENT + bytes([n]), {}) for n in range(5))])


def _family_commands(tenant: str, family: str, plot: str) -> list[Any]:
    a, b, c, d = (family + member for member in "abcd")

    def ask(name: str, winner: str | None, *losers: str, **more: Any) -> wire.MergeCustomers:
        return merge(f"{family} {name}", winner, *losers, tenant_id=tenant, **more)

    match plot:
        case "chain":  # a → b → c → d
            first, second = ask("ab", b, a), ask("bc", c, b, after_command_id=f"{family} ab")
            return [first, second, ask("cd", d, c, after_command_id=f"{family} bc")]
        case "circle":  # whoever is first
            return [ask("ab", b, a), ask("ba", a, b), ask("bc", c, b), ask("ca", a, c)]
        case "rivals":  # two want a, and one of them says two different things under one id
            return [ask("ab", b, a), ask("ac", c, a), ask("ac", d, a), ask("cd", d, c, follow_redirects=True)]
        case "many":
            return [ask("bcd", a, b, c, d), ask("ad", d, a), ask("self", a, a)]
        case "stranger":
            return [ask("nobody", a, "nobody"), ask("ab", a, b), ask("quoted", "x\" '; --", c)]
        case "twins":
            keep = not_duplicate(f"{family} apart", a, b).model_copy(update={"tenant_id": tenant})
            return [keep, ask("ab", b, a), ask("cd", d, c)]
        case _:
            return [ask("any", None, a, b), ask("wait", c, b, on_ineligible="WAIT"), ask("dc", c, d)]


def _unmerges(world: StormWorld) -> list[Record]:
    """Two merges that have happened are to be undone, one of them as a tree."""
    merges = world.sql(
        "SELECT tenant_id, merge_id FROM merge.merges WHERE state = 'MERGED' ORDER BY tenant_id, command_id LIMIT 20"
    )
    undone = world.draw.sample(merges, min(2, len(merges)))
    commands = [
        wire.UnmergeCustomers(
            tenant_id=one.tenant_id,
            command_id=f"undo {one.merge_id}",
            merge_id=str(one.merge_id),
            mode=mode,
            requested_by=wire.Actor(id="ann", roles=("merge",)),
            reason="not the same person",
            issued_at=datetime(2025, 3, 1, tzinfo=UTC),
        )
        for one, mode in zip(undone, ("LINEAR", "TREE"), strict=False)
    ]
    return [as_record(one) for one in commands]


def _producers(world: StormWorld, records: Sequence[Record]) -> list[threading.Thread]:
    """Three producers, none of which cares on which partition a command has come before."""
    threads = [
        threading.Thread(target=world.produce_bytes, args=("merge-command", records[first::3])) for first in range(3)
    ]
    for thread in threads:
        thread.start()
    return threads


def _cut_into(count: int, records: Sequence[Record]) -> list[Sequence[Record]]:
    return [records[first::count] for first in range(count)]


def _assert_commands_have_ended(world: StormWorld, evidence: Evidence) -> None:
    assert not evidence.open_requests
    assert {command for command, (outcome, _) in evidence.inbox.items() if outcome is None} == set()
    kinds = Counter(kind for _, kind in evidence.inbox.values())
    print(f"storm: {kinds}, {len(evidence.stream_events)} events in the streams")
    assert kinds["MergeCompleted"] > FAMILIES
    assert kinds["MergeRejected"] > 0
    assert kinds["MergeNoop"] > 0
    told = Counter(type(one.event).__name__ for one in evidence.stream_events)
    assert told["CustomerUnmerged"] > 0
    (by_desk,) = world.sql("SELECT count(*) AS n FROM review.commands WHERE outcome = 'MergeCompleted'")
    assert by_desk.n > 0
    owed = world.sql(
        "SELECT system, merge_id FROM merge.relink_ledger WHERE status NOT IN ('RELINKED', 'NOT_APPLICABLE')"
    )
    assert owed == []


def _assert_every_map_is_the_same(world: StormWorld, evidence: Evidence) -> None:
    for schema in ("crm", "loyalty"):
        rows = world.sql(f"SELECT tenant_id, customer_id, canonical_id, version FROM {schema}.aliases")
        held = {(row.tenant_id, row.customer_id): (row.canonical_id, row.version) for row in rows}
        assert held == evidence.canonical, f"{schema}: {sorted(held.items() ^ evidence.canonical.items())}"
        assert world.sql(f"SELECT * FROM {schema}.relink_gaps") == []
    for table, place in (("crm.contacts", "original_customer_id"), ("loyalty.entries", "original_customer_id")):
        rows = world.sql(f"SELECT tenant_id, {place} AS origin, customer_id FROM {table}")
        wrong = [tuple(row) for row in rows if row.customer_id != _root(evidence, row.tenant_id, row.origin)]
        assert wrong == [], table


def _assert_rows_and_points_are_where_their_customers_are(world: StormWorld, evidence: Evidence) -> None:
    orders = world.sql("SELECT tenant_id, customer_id, substr(order_number, 4) AS origin FROM store.orders")
    assert len(orders) == len(TENANTS) * FAMILIES * 6 + len(world.struck)
    first = [row for row in orders if len(row.origin) == len("00a")]  # the others were written on the way
    assert [tuple(row) for row in first if row.customer_id != _root(evidence, row.tenant_id, row.origin)] == []
    for row in orders:
        assert row.customer_id == _root(evidence, row.tenant_id, row.customer_id), "an order lies on a loser"
    due: Counter[tuple[str, str]] = Counter()
    for row in world.sql("SELECT tenant_id, customer_id, points, reason FROM store.loyalty_ledger"):
        root = _root(evidence, row.tenant_id, row.reason)
        assert row.customer_id == root
        due[row.tenant_id, root] += row.points
    for table in ("store.loyalty_accounts", "loyalty.members"):
        rows = world.sql(f"SELECT tenant_id, customer_id, points FROM {table} WHERE points <> 0")
        held = {(row.tenant_id, row.customer_id): row.points for row in rows}
        assert held == due, table


def _assert_only_what_is_no_event_is_in_quarantine(world: StormWorld, commands: Sequence[Record]) -> None:
    bad = sum(body.startswith(NO_EVENT) for body, _ in commands)
    held = {
        schema: Counter(row.class_ for row in rows)
        for schema in READ_BY
        if (rows := world.sql(f"SELECT class AS class_ FROM {schema}.quarantine"))
    }
    assert held == {"merge": {"NOT_AVRO": bad}, "detector": {"NOT_AVRO": bad}}


def _root(evidence: Evidence, tenant_id: str, customer_id: str) -> str:
    return evidence.canonical.get((tenant_id, customer_id), (customer_id, 0))[0]
