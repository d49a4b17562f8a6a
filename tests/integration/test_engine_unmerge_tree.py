"""A loser taken out of whoever answers for it now: what was not touched since ends as if it had never been merged."""

from collections.abc import Iterator, Sequence
from random import Random

import pytest
from hypothesis import Phase, given, note, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from customer_identity.merging import ActorRef, Merged, Unmerged, UnmergeMode, UnmergeOrder
from merge_engine import MergeEngine
from rig import databases, merge_world
from rig.customer_rows import TENANT, contents, customer, insert, order
from rig.examples import examples

DEFAULT = MergeEngine.load("default")
IDS = "abcdef"
# One transaction for two whole histories; the engine keeps limits that its caller has set.
UNHURRIED = (
    "SELECT set_config('transaction_timeout', '2min', true) WHERE current_setting('server_version_num')::int >= 170000"
)


Merges = list[tuple[str, tuple[str, ...]]]


def _history(random: Random) -> tuple[Merges, int, str]:
    """Merges of roots, which of them is to be taken apart, and the loser that goes."""
    roots, merges = list(IDS), []
    for _ in range(random.randint(1, 5)):
        if len(roots) > 1:
            winner, *losers = random.sample(roots, random.choice([2, 2, 3]) if len(roots) > 2 else 2)
            merges.append((winner, tuple(losers)))
            roots = [root for root in roots if root not in losers]
    place = random.randrange(max(1, len(merges) - 1))
    return merges, place, random.choice(merges[place][1])


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[Engine]:
    with databases.connected(*merge_world.PACKAGES) as engine:
        yield engine


# A seed says it all: what fails is shown as it is, for shrinking a history of merges takes minutes.
@settings(max_examples=examples(150), phases=[Phase.explicit, Phase.generate])
@given(seed=st.integers(min_value=0))
def test_what_nobody_touched_ends_as_if_the_loser_had_never_been_merged(database: Engine, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - no secret
    merges, place, leaver = _history(random)
    note(f"{merges}, {leaver} leaves merge {place}")
    with database.connect() as connection, connection.begin() as whole:
        connection.exec_driver_sql(UNHURRIED)
        for customer_id in IDS:
            _add(connection, customer_id, random)
        with connection.begin_nested() as with_it:
            merged = [_merge(connection, winner, losers) for winner, losers in merges]
            undone = DEFAULT.unmerge(connection, _undo(merged[place].merge_id, leaver))
            assert isinstance(undone, Unmerged)
            assert (undone.kept, undone.conflicts) == ((), ())
            assert list(DEFAULT.verify(connection)) == []
            ended, journal = contents(connection), _journal(connection)
            with_it.rollback()
        with connection.begin_nested() as without_it:
            for at, (winner, losers) in enumerate(merges):
                left = tuple(loser for loser in losers if at != place or loser != leaver)
                if left:
                    _merge(connection, winner, left)
            assert ended == contents(connection)
            assert journal == _journal(connection)
            without_it.rollback()
        whole.rollback()


def _add(connection: Connection, customer_id: str, random: Random) -> None:
    """A customer with rows whose keys come from small pools, so that they meet."""
    customer(
        connection,
        customer_id,
        occupation=random.choice([None, "baker", "smith", "miller"]),
        notes=random.choice([None, "tea", "calls late", "tea\ncoffee"]),
        created_at="2020-01-01T00:00:00Z",
        last_active_at=f"{random.randint(2000, 2005)}-01-01T00:00:00Z",
    )
    owner = {"tenant_id": TENANT, "customer_id": customer_id}
    primary = random.choice([True, True, False])
    for key in random.sample("xyz", random.randint(0, 3)):
        verified = random.choice([True, False, None])
        insert(connection, "emails", **owner, email=key, email_key=key, verified=verified, is_primary=primary)
        primary = False
    for tag in random.sample("xyz", random.randint(0, 2)):
        insert(connection, "customer_tags", **owner, tag=tag)
    for channel in random.sample(["email", "sms"], random.randint(0, 2)):
        granted, evidence = random.choice([True, False]), random.choice([None, "form"])
        insert(connection, "consents", **owner, channel=channel, granted=granted, evidence=evidence)
    for number in range(random.randint(0, 2)):
        insert(connection, "orders", **owner, order_number=f"{customer_id}{number}", status="PAID", total_cents=1)
    if random.choice([True, True, False]):
        points, tier = random.randint(0, 3), random.choice(["BASIC", "GOLD"])
        insert(connection, "loyalty_ledger", **owner, points=points, reason="order")
        insert(connection, "loyalty_accounts", **owner, program="stars", points=points, tier=tier)


def _merge(connection: Connection, winner: str, losers: Sequence[str]) -> Merged:
    (merged,) = DEFAULT.merge(connection, [order(winner, *losers)])
    assert isinstance(merged, Merged)
    return merged


def _undo(merge_id: str, leaver: str) -> UnmergeOrder:
    return UnmergeOrder(
        tenant_id=TENANT,
        command_id="undo",
        merge_id=merge_id,
        loser_ids=(leaver,),
        mode=UnmergeMode.TREE,
        requested_by=ActorRef(id="test"),
        reason="wrong person",
    )


def _journal(connection: Connection) -> list[str]:
    """What later undos would find: lines of merges that still stand, row by row, without ids of merges."""
    rows = connection.exec_driver_sql(
        """
WITH standing AS (
  SELECT m.merge_id, m.winner_id, array_agg(e.loser_id ORDER BY e.position) AS losers
  FROM merge.merges m JOIN merge.edges e USING (merge_id) WHERE e.active GROUP BY 1, 2),
lines AS (
  SELECT s.winner_id, s.losers, j.* FROM standing s JOIN merge.journal j USING (merge_id)
  WHERE j.from_id = s.winner_id OR j.from_id = ANY(s.losers))
SELECT winner_id, losers::text, table_name, from_id, action, r.id,
  (CASE jsonb_typeof(before) WHEN 'array' THEN before->(r.at::int - 1) WHEN 'object' THEN before->r.id END)::text
FROM lines CROSS JOIN LATERAL unnest(row_ids) WITH ORDINALITY AS r(id, at)
UNION ALL
SELECT winner_id, losers::text, table_name, from_id, action, NULL, (before - 'version' - 'updated_at')::text
FROM lines WHERE row_ids = '{}'"""
    )
    return sorted(str(tuple(row)) for row in rows)
