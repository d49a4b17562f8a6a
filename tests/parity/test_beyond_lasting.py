"""What none has, of merges that take long and of people who want to be forgotten."""

from datetime import UTC, datetime

import pytest

import customer_events as wire
from parity.reference_rows import order, orders_of, shopper, shoppers
from rig.processes import eventually
from rig.profile_world import LIMIT_S, TENANT, ProfileWorld

ROWS = 20_000
POLICY = {"id": "policy:default", "roles": ["merge"]}


def left_on(world: ProfileWorld, id_: str) -> int:
    """How many orders a customer still has."""
    return int(world.value("SELECT count(*) FROM store.orders WHERE customer_id = :id", id=id_))


def erase(world: ProfileWorld, id_: str, **more: str) -> None:
    """Somebody asks to be forgotten, and the system that owns the customer says so."""
    event = wire.CustomerErased(tenant_id=TENANT, customer_id=id_, version=9, occurred_at=datetime.now(UTC), **more)
    world.produce("customer-created", event)


def erased_with(world: ProfileWorld, id_: str) -> set[str]:
    """The ids that other systems were told to forget with this one; none before they were."""
    return {
        member
        for one in world.told("customer-merged")
        if one.type == "IdentityErased" and id_ in one.event.member_ids
        for member in one.event.member_ids
    }


def mailbox(world: ProfileWorld, id_: str) -> None:
    """Give a customer an e-mail address."""
    address = f"{id_}@example.org"
    world.insert("store.emails", tenant_id=TENANT, customer_id=id_, email=address, email_key=address)


def personal(world: ProfileWorld, *ids: str) -> list[tuple[object, ...]]:
    """What the store still knows of these people."""
    rows = world.sql(
        "SELECT c.full_name, c.occupation, string_agg(e.email, ' ' ORDER BY e.email) FROM store.customers c"
        " LEFT JOIN store.emails e USING (tenant_id, customer_id) WHERE c.customer_id = ANY(:ids)"
        " GROUP BY c.customer_id, c.full_name, c.occupation ORDER BY c.customer_id",
        ids=list(ids),
    )
    return [tuple(row) for row in rows]


def kept_in_journal(world: ProfileWorld, merge_id: str) -> int:
    """How many lines of a merge still hold what a record was like before."""
    lines = "SELECT count(*) FROM merge.journal WHERE merge_id = CAST(:id AS uuid) AND before IS NOT NULL"
    return int(world.value(lines, id=merge_id))


@pytest.mark.parity(system="What none has", row="large")
def test_a_merge_of_many_rows_answers_at_once_and_goes_on_where_it_was_after_a_kill(reference: ProfileWorld) -> None:
    winner, loser = shopper(reference), shopper(reference)
    reference.sql(
        "INSERT INTO store.orders (tenant_id, customer_id, order_number, status, total_cents)"
        " SELECT :tenant, :id, 'large-' || n, 'PAID', 100 FROM generate_series(1, :rows) AS n",
        tenant=TENANT,
        id=loser,
        rows=ROWS,
    )
    outcome = reference.merged(winner, loser)
    assert outcome["rows"] == "MOVING"
    assert reference.worker("status", loser, "--json").json["customer"]["canonical_id"] == winner
    eventually(lambda: left_on(reference, winner) > 0, LIMIT_S, every_s=0.02)
    reference.programs[0].kill()
    moved = left_on(reference, winner)
    assert 0 < moved < ROWS
    reference.restart_worker()
    eventually(lambda: left_on(reference, loser) == 0, LIMIT_S, every_s=0.2)
    assert left_on(reference, winner) == ROWS
    (closed,) = eventually(
        lambda: [
            one.event
            for one in reference.told("customer-merged")
            if one.type == "RowsMoved" and one.event.merge_id == outcome["merge_id"]
        ],
        LIMIT_S,
        every_s=0.2,
    )
    assert {one.table: one.rows for one in closed.moved}["store.orders"] == ROWS
    assert reference.worker("verify", outcome["merge_id"]).status == 0


@pytest.mark.parity(system="What none has", row="erasure")
def test_an_erasure_forgets_the_whole_identity_for_good_and_is_no_merge(reference: ProfileWorld) -> None:
    winner, loser = shopper(reference, occupation="potter"), shopper(reference, occupation="poet")
    bystander = shopper(reference, occupation="baker")
    for id_ in (winner, loser, bystander):
        mailbox(reference, id_)
        order(reference, id_, f"order of {id_}")
    merge_id = reference.merged(winner, loser)["merge_id"]
    assert erased_with(reference, loser) == set()  # a merge never looks like an erasure
    assert kept_in_journal(reference, merge_id) > 0
    erase(reference, loser)
    eventually(lambda: erased_with(reference, loser) == {winner, loser}, LIMIT_S, every_s=0.2)
    assert personal(reference, winner, loser) == [(None, None, None)] * 2
    assert personal(reference, bystander) == [(f"Name of {bystander}", "baker", f"{bystander}@example.org")]
    assert kept_in_journal(reference, merge_id) == 0
    assert orders_of(reference, winner) == sorted(f"order of {id_}" for id_ in (winner, loser))  # the shop's own books
    assert reference.worker("verify", merge_id).status == 0
    shown = reference.worker("audit", "show", merge_id, "--json").out
    assert ("potter" in shown, "poet" in shown) == (False, False)
    undone = reference.worker("unmerge", merge_id, "--wait")
    assert (undone.status, "MergeRejected" in undone.out) == (1, True)
    refused = reference.outcome(reference.merge(shopper(reference), winner))
    assert "ERASED" in [error["rule"] for error in refused["errors"]]


@pytest.mark.parity(system="What none has", row="erasure")
def test_who_was_joined_by_a_policy_alone_is_not_forgotten_before_a_person_has_looked(reference: ProfileWorld) -> None:
    winner, loser = shoppers(reference, 2)
    for id_ in (winner, loser):
        mailbox(reference, id_)
    merge_id = reference.merged(winner, loser, requested_by=POLICY)["merge_id"]
    before = personal(reference, winner, loser)
    erase(reference, loser)
    waiting = "SELECT state FROM merge.erasures WHERE customer_id = :id"
    eventually(lambda: [row.state for row in reference.sql(waiting, id=loser)] == ["WAITING"], LIMIT_S, every_s=0.2)
    assert erased_with(reference, loser) == set()  # it may be the wrong person's
    assert personal(reference, winner, loser) == before
    confirmed = reference.worker("erasures", "confirm", loser, "--tenant", TENANT, "--by", "ann")
    assert confirmed.status == 0, confirmed.err
    eventually(lambda: erased_with(reference, loser) == {winner, loser}, LIMIT_S, every_s=0.2)
    assert [row.state for row in reference.sql(waiting, id=loser)] == ["DONE"]
    assert personal(reference, winner, loser) == [(None, None, None)] * 2
    assert kept_in_journal(reference, merge_id) == 0
