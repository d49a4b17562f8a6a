"""The end is checked, not assumed: every promise of the run, looked up in the books of those who made it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from customer_merge_demo.customers import TENANT_ID, CustomerSet
from customer_merge_demo.downstream import DownstreamSystem
from customer_merge_demo.orchestration.probe import READERS
from customer_merge_demo.orchestration.recorder import Heard
from customer_merge_demo.results.identities import replayed

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A promise, whether it was kept, and the figures behind that."""

    title: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the checks look at: the input, what was said on the bus, and the worker's identity map of redirected ids."""

    customers: CustomerSet
    heard: Heard
    redirected: Mapping[str, str]
    systems: Sequence[DownstreamSystem]


def redirected_ids(connection: Connection) -> dict[str, str]:
    """The worker's identity map: retired id → canonical id."""
    rows = connection.execute(
        text(
            "SELECT customer_id, canonical_id FROM merge.canonical"
            " WHERE tenant_id = :tenant AND canonical_id <> customer_id"
        ),
        {"tenant": TENANT_ID},
    )
    return {row.customer_id: row.canonical_id for row in rows}


def run_checks(connection: Connection, evidence: Evidence) -> Iterator[Check]:
    """Every check that the database and the bus can answer."""
    yield _nobody_lost(connection, evidence)
    yield _streams_whole(connection, evidence)
    yield _map_from_events(evidence)
    yield _store_agrees(connection, evidence)
    for system in evidence.systems:
        yield _system_agrees(connection, evidence, system)
    yield _points_once(connection, evidence)
    yield _one_answer_each(connection)
    yield _all_acknowledged(evidence)
    yield _nothing_quarantined(connection)


def _nobody_lost(connection: Connection, evidence: Evidence) -> Check:
    stored = connection.execute(text("SELECT count(*) FROM store.customers")).scalar_one()
    orders = connection.execute(text("SELECT count(*) FROM store.orders")).scalar_one()
    expected = len(evidence.customers.customers)
    expected_orders = sum(len(customer.history.orders) for customer in evidence.customers.customers)
    return Check(
        title="No record and no order is lost",
        passed=stored == expected and orders == expected_orders,
        detail=f"{stored:,} of {expected:,} records and {orders:,} of {expected_orders:,} orders are in the store",
    )


def _streams_whole(connection: Connection, evidence: Evidence) -> Check:
    rows = connection.execute(text("SELECT stream, sequence FROM merge.outbox_heads WHERE sequence > 0"))
    heads = {row.stream: row.sequence for row in rows}
    witness = evidence.heard.streams
    faults = list(witness.faults)
    if heads != witness.last:
        faults.append(f"the worker has written up to {heads}, readers have seen up to {witness.last}")
    return Check(
        title="customer-merged is numbered 1..n without a gap, and hash-chained",
        passed=not faults,
        detail=_shown(faults)
        if faults
        else f"{witness.events:,} events in {len(witness.last)} stream(s), read back from the bus",
    )


def _map_from_events(evidence: Evidence) -> Check:
    announced = [
        (redirect.from_, redirect.canonical, redirect.version)
        for merged in evidence.heard.merges
        for redirect in merged.redirects
    ]
    rebuilt = replayed(announced)
    wrong = _differences(rebuilt, evidence.redirected)
    return Check(
        title="Replaying customer-merged rebuilds the identity map",
        passed=not wrong,
        detail=_shown(wrong)
        if wrong
        else f"{len(announced):,} announcements give the same {len(rebuilt):,} redirected ids",
    )


def _store_agrees(connection: Connection, evidence: Evidence) -> Check:
    rows = connection.execute(text("SELECT customer_id, merged_into FROM store.customers WHERE status = 'MERGED'"))
    wrong = _differences({row.customer_id: row.merged_into for row in rows}, evidence.redirected)
    return Check(
        title="The store's own rows agree with the identity map",
        passed=not wrong,
        detail=_shown(wrong) if wrong else f"{len(evidence.redirected):,} records point at the customer they became",
    )


def _system_agrees(connection: Connection, evidence: Evidence, system: DownstreamSystem) -> Check:
    holders = system.holders(connection)
    wrong = [
        f"{original} lies under {current}"
        for original, current in holders
        if evidence.redirected.get(original, original) != current
    ]
    moved = sum(original != current for original, current in holders)
    return Check(
        title=f"{system.title} agrees with the identity map",
        passed=not wrong,
        detail=_shown(wrong)
        if wrong
        else f"{len(holders):,} ids looked up, {moved:,} of them live under another id now",
    )


def _points_once(connection: Connection, evidence: Evidence) -> Check:
    wanted: Counter[str] = Counter()
    for customer in evidence.customers.customers:
        wanted[evidence.redirected.get(customer.customer_id, customer.customer_id)] += customer.history.points
    wrong: list[str] = []
    for place, query in _BALANCES.items():
        held = {row.customer_id: int(row.points) for row in connection.execute(text(query)) if row.points}
        wrong += [
            f"{customer_id} has {held.get(customer_id, 0)} points in {place}, should have {wanted[customer_id]}"
            for customer_id in held.keys() | wanted.keys()
            if held.get(customer_id, 0) != wanted[customer_id]
        ]
    total = sum(wanted.values())
    return Check(
        title="Loyalty points are added up exactly once",
        passed=not wrong,
        detail=_shown(wrong)
        if wrong
        else f"{total:,} points before and after, person by person, in the store and the loyalty program",
    )


# The balances of living accounts: a retired one is 0 or gone.
_BALANCES = {
    "the store's accounts": "SELECT customer_id, points FROM store.loyalty_accounts",
    "the store's ledger": "SELECT customer_id, sum(points) AS points FROM store.loyalty_ledger GROUP BY customer_id",
    "the loyalty program": "SELECT customer_id, points FROM loyalty.members",
}


def _one_answer_each(connection: Connection) -> Check:
    row = connection.execute(text("SELECT count(*) AS commands, count(outcome_id) AS answered FROM merge.inbox")).one()
    terminal = connection.execute(
        text("""SELECT count(*), count(DISTINCT event_id) FROM merge.outbox
                 WHERE event_type IN ('MergeCompleted', 'MergeRejected', 'MergeRemoved', 'MergeNoop')""")
    ).one()
    return Check(
        title="Every command ended in exactly one outcome",
        passed=row.commands == row.answered == terminal[1],
        detail=f"{row.commands:,} commands, {row.answered:,} answered, {terminal[1]:,} different terminal events",
    )


def _all_acknowledged(evidence: Evidence) -> Check:
    merges = {merged.merge_id for merged in evidence.heard.merges}
    counts = {system.system: len(merges & evidence.heard.acknowledged[system.system]) for system in evidence.systems}
    return Check(
        title="Every downstream system acknowledged every merge",
        passed=all(count == len(merges) for count in counts.values()),
        detail=", ".join(f"{system} {count:,} of {len(merges):,}" for system, count in counts.items()),
    )


def _nothing_quarantined(connection: Connection) -> Check:
    union = " UNION ALL ".join(
        f"SELECT '{schema}' AS schema, count(*) AS held FROM {schema}.quarantine" for schema in READERS
    )
    held = {row.schema: row.held for row in connection.execute(text(union)) if row.held}
    return Check(
        title="Nothing lies in quarantine",
        passed=not held,
        detail=", ".join(f"{schema}: {count:,}" for schema, count in held.items()) or "no record was refused anywhere",
    )


def _differences(found: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    return [
        f"{customer_id} leads to {found.get(customer_id, 'nothing')}, wanted {wanted.get(customer_id, 'nothing')}"
        for customer_id in sorted(found.keys() | wanted.keys())
        if found.get(customer_id) != wanted.get(customer_id)
    ]


def _shown(wrong: Sequence[str]) -> str:
    more = len(wrong) - _SHOWN
    return "; ".join(wrong[:_SHOWN]) + (f"; and {more:,} more" if more > 0 else "")
